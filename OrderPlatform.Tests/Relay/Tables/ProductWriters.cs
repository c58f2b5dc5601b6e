using Npgsql;

namespace OrderPlatform.Tests.Relay.Tables;

/// <summary>Writers that insert, change, rename and delete products over and over, some in transactions that are rolled back, until they are told to stop.</summary>
internal sealed class ProductWriters : IAsyncDisposable
{
    private const int Writers = 4;

    private readonly CancellationTokenSource _stopping = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
    private readonly Task _writing;

    /// <param name="products">The ids that they write to are 1 to this.</param>
    /// <param name="onlyUpdates">Rows stay, and their versions only go up.</param>
    public ProductWriters(OrdersDatabase database, int products, bool onlyUpdates = false) =>
        _writing = Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(() => WriteAsync(database, new Random(writer), products, onlyUpdates))));

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _writing;
        _stopping.Dispose();
    }

    private async Task WriteAsync(OrdersDatabase database, Random random, int products, bool onlyUpdates)
    {
        await using var connection = await database.Source.OpenConnectionAsync(CancellationToken.None);
        while (!_stopping.IsCancellationRequested)
        {
            await using var command = new NpgsqlCommand(Transaction(random, products, onlyUpdates), connection);
            await command.ExecuteNonQueryAsync(CancellationToken.None);
            await Task.Delay(1, CancellationToken.None);
        }
    }

    // in the order of the ids: writers that lock each other out would be a test of something else
    private static string Transaction(Random random, int products, bool onlyUpdates)
    {
        var statements = Enumerable.Range(0, random.Next(1, 4)).Select(_ => random.Next(1, products + 1)).Distinct().Order().Select(number => $"p-{number:000000}").Select(id => random.Next(onlyUpdates ? 1 : 0, onlyUpdates ? 3 : 6) switch
        {
            0 => $"DELETE FROM products WHERE id = '{id}'",
            1 => $"UPDATE products SET name = repeat('{random.Next():x}', 500), version = version + 1 WHERE id = '{id}'",
            2 => $"UPDATE products SET price = price + 1, version = version + 1 WHERE id = '{id}'",
            _ => $"INSERT INTO products VALUES ('{id}', 'Product', NULL, {random.Next(100)}, 'EUR', 1, now(), now()) ON CONFLICT (id) DO UPDATE SET price = excluded.price, version = products.version + 1",
        });
        return $"BEGIN; {string.Join("; ", statements)}; {(random.Next(8) == 0 ? "ROLLBACK" : "COMMIT")}";
    }
}
