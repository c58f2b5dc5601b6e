using System.Text;
using System.Text.Json.Nodes;
using Confluent.Kafka;
using OrderPlatform.Contracts;
using OrderPlatform.Projections.Auditing.Replay;
using OrderPlatform.Relay;

namespace OrderPlatform.Tests.Relay.Tables;

/// <summary>A database whose tables are published to a broker, both of the test's own.</summary>
internal sealed class TablesBed(RelayBed bed) : IAsyncDisposable
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public RelayBed Bed => bed;

    public OrdersDatabase Database => bed.Database;

    public string Slot => bed.Database.Name + "_tables";

    public static async Task<TablesBed> CreateAsync(EngineFixture engines) => new(await RelayBed.CreateAsync(engines));

    public RelayProcess Relay(params (string Name, string Value)[] settings) => bed.Relay(RelayMode.Polling, [("Relay__Tables", "true"), .. settings]);

    public Task ExecuteAsync(string sql) => Database.ExecuteAsync(sql, Cancellation);

    public Task ProductsAsync(int first, int last) => ExecuteAsync(
        $"""
        INSERT INTO products (id, name, price, currency, version, created_at, updated_at)
        SELECT 'p-' || lpad(n::text, 6, '0'), 'Product ' || n, n, 'EUR', 1, now(), now() FROM generate_series({first}, {last}) AS n
        """);

    public Task SignalAsync(string table) => ExecuteAsync($$"""INSERT INTO cdc_signals VALUES (gen_random_uuid()::text, 'execute-snapshot', '{"data-collections":["public.{{table}}"],"type":"incremental"}')""");

    public Task StreamsAsync() => RelayBed.EventuallyAsync(async () => await bed.ScalarAsync($"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{Slot}' AND active AND EXISTS (SELECT FROM table_checkpoint)") is 1L, "a slot that is read");

    /// <summary>Everything that was committed until now is published, and no snapshot is under way.</summary>
    public async Task PublishedAsync()
    {
        var written = (string)(await bed.ScalarAsync("SELECT pg_current_wal_lsn()::text"))!;
        await RelayBed.EventuallyAsync(async () => await bed.ScalarAsync($"SELECT count(*) FROM pg_replication_slots JOIN pg_stat_replication ON pid = active_pid AND state = 'streaming' WHERE slot_name = '{Slot}' AND confirmed_flush_lsn > '{written}' AND EXISTS (SELECT FROM table_checkpoint) AND NOT EXISTS (SELECT FROM table_snapshot)") is 1L, "everything published");
    }

    /// <summary>All records of a table's topic.</summary>
    public async Task<IReadOnlyList<ConsumeResult<byte[], byte[]>>> RecordsAsync(string table)
    {
        using var reader = new TopicReader(bed.Kafka, Topics.OfTable(CapturedTables.Schema, table));
        var records = new List<ConsumeResult<byte[], byte[]>>();
        await reader.ReadToAsync(await reader.EndAsync(Cancellation), records.Add, Cancellation);
        return records;
    }

    /// <summary>What a consumer has that takes each record in its order: the rows by key.</summary>
    public static Dictionary<string, JsonNode> Applied(IEnumerable<ConsumeResult<byte[], byte[]>> records)
    {
        var rows = new Dictionary<string, JsonNode>();
        foreach (var record in records.Where(record => record.Message is { Key: not null, Value: not null }))
        {
            var key = Encoding.UTF8.GetString(record.Message.Key);
            if (Value(record)["after"] is { } after)
            {
                rows[key] = after;
            }
            else
            {
                rows.Remove(key);
            }
        }
        return rows;
    }

    public static JsonNode Value(ConsumeResult<byte[], byte[]> record) => JsonNode.Parse(record.Message.Value)!;

    public static string? Op(ConsumeResult<byte[], byte[]> record) => record.Message.Value is null ? null : (string)Value(record)["op"]!;

    /// <summary>The products of a consumer are those of the table.</summary>
    public async Task ShouldHaveProductsAsync()
    {
        var consumed = Applied(await RecordsAsync(CapturedTables.Products)).Values.ToDictionary(row => (string)row["id"]!, row => $"{Short((string)row["name"]!)} {row["price"]} {row["version"]}");
        await using var command = Database.Source.CreateCommand("SELECT id, left(name, 20) || ' ' || price || ' ' || version FROM products");
        await using var reader = await command.ExecuteReaderAsync(Cancellation);
        var rows = new Dictionary<string, string>();
        while (await reader.ReadAsync(Cancellation))
        {
            rows[reader.GetString(0)] = reader.GetString(1);
        }
        consumed.Where(row => rows.GetValueOrDefault(row.Key) != row.Value).Select(row => $"{row.Key}: {row.Value} instead of {rows.GetValueOrDefault(row.Key) ?? "nothing"}").ShouldBeEmpty();
        rows.Keys.Except(consumed.Keys).ShouldBeEmpty();
    }

    /// <summary>Every change of a product is told: what it says of the row before is what the one before it has left.</summary>
    public async Task ShouldHaveEveryChangeAsync()
    {
        foreach (var key in (await RecordsAsync(CapturedTables.Products)).Where(record => record.Message.Value is not null).GroupBy(record => Encoding.UTF8.GetString(record.Message.Key)))
        {
            JsonNode? last = null;
            foreach (var change in key.Select(Value).DistinctBy(change => (string)change["source"]!["sequence"]!))
            {
                ((string)change["source"]!["snapshot"]! != "false" || JsonNode.DeepEquals(change["before"], last)).ShouldBeTrue($"{key.Key}: {change["before"]?.ToJsonString()} instead of {last?.ToJsonString()}");
                last = change["after"];
            }
        }
    }

    public ValueTask DisposeAsync() => bed.DisposeAsync();

    private static string Short(string name) => name.Length > 20 ? name[..20] : name;
}
