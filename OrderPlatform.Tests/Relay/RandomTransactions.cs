using System.Text;
using Npgsql;

namespace OrderPlatform.Tests.Relay;

/// <summary>
/// Transactions on few aggregates, by writers that get in each other's way: ids taken early, several aggregates at once, savepoints
/// that are rolled back, whole transactions that are, and large ones.
/// </summary>
internal sealed class RandomTransactions(OrdersDatabase database, int seed, CancellationToken cancellation)
{
    private const int Writers = 8;
    private const int Aggregates = 40;
    private const int LargeEvents = 300;
    private const int LargeEvery = 200;

    /// <summary>The function that each of them calls: it appends as the Api does, with the aggregate's row locked, and a payload of any length.</summary>
    private const string Append =
        """
        CREATE TABLE aggregate (id text PRIMARY KEY, version int NOT NULL);
        CREATE FUNCTION append(aggregate text) RETURNS void LANGUAGE plpgsql AS $$
        DECLARE next int;
        BEGIN
            UPDATE aggregate SET version = version + 1 WHERE id = append.aggregate RETURNING version INTO next;
            INSERT INTO event_log (stream, sequence, event_id, type, topic, key, occurred_at, traceparent, payload)
            VALUES ('order/' || append.aggregate, next, gen_random_uuid(), (ARRAY['OrderCreated.v1', 'OrderItemsChanged.v1', 'OrderCancelled.v1'])[1 + next % 3], 'order.events', append.aggregate,
                clock_timestamp(), CASE WHEN random() < 0.5 THEN '00-' || md5(random()::text) || '-00f067aa0ba902b7-00' END,
                convert_to('{"padding":"' || repeat(md5(random()::text), (random() * random() * 40)::int) || '"}', 'UTF8'));
        END $$;
        """;

    /// <summary>Runs a number of transactions, rolled back ones included.</summary>
    public async Task RunAsync(int transactions)
    {
        await database.ExecuteAsync(Append, cancellation);
        await database.ExecuteAsync($"INSERT INTO aggregate SELECT 'o-' || id, 0 FROM generate_series(1, {Aggregates}) AS id", cancellation);
        await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(() => WriteAsync(new Random(seed + writer), transactions / Writers), cancellation)));
    }

    /// <summary>The last sequence of each aggregate that has one.</summary>
    public async Task<Dictionary<string, int>> VersionsAsync()
    {
        await using var command = database.Source.CreateCommand("SELECT id, version FROM aggregate WHERE version > 0");
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var versions = new Dictionary<string, int>();
        while (await reader.ReadAsync(cancellation))
        {
            versions[reader.GetString(0)] = reader.GetInt32(1);
        }
        return versions;
    }

    private async Task WriteAsync(Random random, int transactions)
    {
        await using var connection = await database.Source.OpenConnectionAsync(cancellation);
        for (var i = 0; i < transactions; i++)
        {
            await using var command = new NpgsqlCommand(Transaction(random), connection);
            await command.ExecuteNonQueryAsync(cancellation);
        }
    }

    // aggregates in the order of their numbers: writers that lock each other out would be a test of something else
    private static string Transaction(Random random)
    {
        var sql = new StringBuilder("BEGIN;");
        if (random.Next(3) == 0)
        {
            sql.Append("SELECT pg_current_xact_id();");
        }
        if (random.Next(LargeEvery) == 0)
        {
            sql.Append($"SELECT append('o-1') FROM generate_series(1, {LargeEvents});");
        }
        foreach (var aggregate in Enumerable.Range(0, random.Next(1, 4)).Select(_ => random.Next(1, Aggregates + 1)).Distinct().Order())
        {
            sql.Append(random.Next(6) switch
            {
                0 => $"SAVEPOINT s; SELECT append('o-{aggregate}'); ROLLBACK TO s;",
                1 => $"SAVEPOINT s; SELECT append('o-{aggregate}'); RELEASE s;",
                _ => $"SELECT append('o-{aggregate}');",
            });
        }
        return sql.Append(random.Next(8) == 0 ? "ROLLBACK" : "COMMIT").ToString();
    }
}
