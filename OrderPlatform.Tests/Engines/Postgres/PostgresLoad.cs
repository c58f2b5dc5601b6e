using System.Collections.Concurrent;
using Npgsql;

namespace OrderPlatform.Tests.Engines.Postgres;

/// <summary>Writers that commit one row after the other and remember which commits were acknowledged.</summary>
internal sealed class PostgresLoad
{
    private const int Writers = 6;
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    private readonly ConcurrentDictionary<Guid, bool> _acknowledged = new();

    public async Task RunAsync(NpgsqlDataSource source, CancellationToken cancellation)
    {
        await using (var table = source.CreateCommand("CREATE TABLE IF NOT EXISTS written (id uuid PRIMARY KEY)"))
        {
            await table.ExecuteNonQueryAsync(cancellation);
        }
        await Task.WhenAll(Enumerable.Range(0, Writers).Select(_ => WriteAsync(source, cancellation)));
    }

    public Task UntilAcknowledgedAsync(int more, CancellationToken cancellation)
    {
        var goal = _acknowledged.Count + more;
        return Eventually.TrueAsync(() => _acknowledged.Count >= goal, Bound, () => $"{_acknowledged.Count} of {goal} commits", cancellation);
    }

    public async Task CheckAsync(NpgsqlDataSource source, CancellationToken cancellation)
    {
        if (_acknowledged.IsEmpty)
        {
            return;
        }
        await using var kept = source.CreateCommand("SELECT count(*) FROM written WHERE id = ANY ($1)");
        kept.Parameters.AddWithValue(_acknowledged.Keys.ToArray());
        (await kept.ExecuteScalarAsync(cancellation)).ShouldBe(_acknowledged.Count);
    }

    private async Task WriteAsync(NpgsqlDataSource source, CancellationToken cancellation)
    {
        try
        {
            await using var connection = await source.OpenConnectionAsync(cancellation);
            while (true)
            {
                var id = Guid.NewGuid();
                await using var insert = new NpgsqlCommand("INSERT INTO written VALUES ($1)", connection) { Parameters = { new() { Value = id } } };
                await insert.ExecuteNonQueryAsync(cancellation);
                _acknowledged[id] = true;
            }
        }
        catch (NpgsqlException)
        {
            // killed: this one was not acknowledged
        }
    }
}
