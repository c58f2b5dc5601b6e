using System.Diagnostics;
using Confluent.Kafka.Admin;
using Npgsql;
using OrderPlatform.Api.EventLog;
using OrderPlatform.Api.Orders;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Kafka;
using OrderPlatform.Engines.Postgres;
using OrderPlatform.Relay;
using OrderPlatform.ServiceDefaults.Clients;
using OrderPlatform.Setup;

namespace OrderPlatform.Tests.Relay;

/// <summary>What a relay works between, of a test's own: a database and a broker, which can be taken away.</summary>
internal sealed class RelayBed : IAsyncDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);

    private readonly TemporaryFolder _folder = new();
    private readonly string[] _postgresSettings;
    private RunningEngine? _postgres;
    private RunningEngine _kafka = null!;

    private RelayBed(string[] postgresSettings) => _postgresSettings = postgresSettings;

    public OrdersDatabase Database { get; private set; } = null!;

    public string Kafka => _kafka.Address;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>In the PostgreSQL of the run.</summary>
    public static async Task<RelayBed> CreateAsync(EngineFixture engines)
    {
        var bed = new RelayBed([]);
        await bed.StartAsync(engines, () => OrdersDatabase.CreateAsync(engines, Cancellation));
        return bed;
    }

    /// <summary>In a PostgreSQL of the test's own, with settings of its own.</summary>
    public static async Task<RelayBed> WithOwnPostgresAsync(EngineFixture engines, params string[] settings)
    {
        var bed = new RelayBed(settings);
        await bed.StartAsync(engines, async () =>
        {
            bed._postgres = await bed.StartPostgresAsync(0);
            return await OrdersDatabase.CreateAsync(bed._folder["postgres"], bed._postgres.Port, Cancellation);
        });
        return bed;
    }

    public RelayProcess Relay(RelayMode mode, params (string Name, string Value)[] settings) =>
        RelayProcess.Start(Database, Kafka, [("Relay__Mode", $"{mode}"), .. settings]);

    public async Task AppendAsync(string key, int sequence, int lines = 1)
    {
        var items = Enumerable.Range(0, lines).Select(line => new OrderItem($"a-product-with-a-rather-long-name-{line}", 1, 1m)).ToList();
        await using var connection = await Database.Source.OpenConnectionAsync(Cancellation);
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands = { EventLogWriter.Append(key, sequence, DateTimeOffset.UnixEpoch, Order.Place(key, "c-1", "USD", items, DateTimeOffset.UnixEpoch)) },
        };
        await batch.ExecuteNonQueryAsync(Cancellation);
    }

    /// <summary>Makes an empty topic once more, with a bound on its batches of records.</summary>
    public async Task LimitRecordsAsync(string topic, int bytes)
    {
        using var admin = KafkaClients.Admin(Kafka);
        await admin.DeleteTopicsAsync([topic]);
        await admin.CreateTopicsAsync([new TopicSpecification { Name = topic, NumPartitions = Topics.Partitions, ReplicationFactor = 1, Configs = new() { ["max.message.bytes"] = $"{bytes}" } }]);
    }

    public Task<object?> ScalarAsync(string sql) => Database.ScalarAsync(sql, Cancellation);

    public async Task KillKafkaAsync() => await _kafka.Process.KillAsync();

    public async Task RestartKafkaAsync() => _kafka = await StartKafkaAsync(_kafka.Port);

    public async Task KillPostgresAsync() => await _postgres!.Process.KillAsync();

    public async Task RestartPostgresAsync()
    {
        _postgres = await StartPostgresAsync(_postgres!.Port);
        Database.Source.Clear();
    }

    public static async Task EventuallyAsync(Func<Task<bool>> condition, string what)
    {
        var since = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            Stopwatch.GetElapsedTime(since).ShouldBeLessThan(Bound, what);
            await Task.Delay(TimeSpan.FromMilliseconds(50), Cancellation);
        }
    }

    /// <summary>Waits until the slot is read, or what else pg_replication_slots shall say of it.</summary>
    public Task SlotEventuallyAsync(string condition = "active") =>
        EventuallyAsync(async () => await ScalarAsync($"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{Database.Name}' AND {condition}") is 1L, $"a slot that is {condition}");

    public async ValueTask DisposeAsync()
    {
        await Database.DisposeAsync();
        await _kafka.DisposeAsync();
        if (_postgres is not null)
        {
            await _postgres.DisposeAsync();
        }
        _folder.Dispose();
    }

    private async Task StartAsync(EngineFixture engines, Func<Task<OrdersDatabase>> database)
    {
        await engines.KafkaClientAsync(Cancellation);
        _kafka = await StartKafkaAsync(0);
        await KafkaTopics.EnsureAsync(_kafka.Address, replicationFactor: 1);
        Database = await database();
    }

    private Task<RunningEngine> StartKafkaAsync(int port) =>
        RunningEngine.StartAsync(new KafkaEngine(), _folder["kafka"], port, line => TestContext.Current.SendDiagnosticMessage("kafka: {0}", line), Cancellation);

    private Task<RunningEngine> StartPostgresAsync(int port) =>
        RunningEngine.StartAsync(new PostgresEngine(settings: _postgresSettings), _folder["postgres"], port, line => TestContext.Current.SendDiagnosticMessage("postgres: {0}", line), Cancellation);
}
