using System.Diagnostics;
using System.Globalization;
using System.Text;
using Confluent.Kafka;
using Confluent.Kafka.Admin;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OrderPlatform.Api.Orders;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Rankings;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Kafka;
using OrderPlatform.Engines.Postgres;
using OrderPlatform.Engines.Redis;
using OrderPlatform.Projections.Auditing;
using OrderPlatform.Projections.OrderView;
using OrderPlatform.Projections.Rankings;
using OrderPlatform.Projections.SalesFacts;
using OrderPlatform.Relay.Publishing;
using OrderPlatform.Relay.Reading;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;
using OrderPlatform.ServiceDefaults.ServiceLevels;
using OrderPlatform.Tests.Projections.SalesFacts;
using StackExchange.Redis;
using Order = OrderPlatform.Api.Orders.Order;

namespace OrderPlatform.Tests.Projections.Auditing;

/// <summary>What a run of audits said.</summary>
internal sealed record Audited(Guid Run, string State, IReadOnlyList<FoundViolation> Violations)
{
    public override string ToString() => $"{State}\n{string.Join('\n', Violations)}";
}

/// <summary>A violation as it is kept.</summary>
internal sealed record FoundViolation(string Store, string Kind, string Row, string Expected, string Found, string? Repair);

/// <summary>
/// Stores of a test's own, written by the real relay's reader and publisher and by the real projections, which run only while
/// they catch up: what is changed by hand afterwards stays changed.
/// </summary>
internal sealed class AuditedPlatform : IAsyncDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);

    private readonly TemporaryFolder _folder = new();
    private readonly HttpClient _http = new(new SocketsHttpHandler());
    private RunningEngine _kafka = null!;
    private RunningEngine _redis = null!;
    private ServiceProvider _services = null!;
    private Checkpoint _published = Checkpoint.Beginning;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public NpgsqlDataSource Orders { get; private set; } = null!;

    public NpgsqlDataSource Views { get; private set; } = null!;

    public IConnectionMultiplexer Redis { get; private set; } = null!;

    public ClickHouseClient ClickHouse { get; private set; } = null!;

    public string Kafka => _kafka.Address;

    public Auditor Auditor => _services.GetRequiredService<Auditor>();

    public static async Task<AuditedPlatform> StartAsync(EngineFixture engines, params (string Name, string Value)[] settings)
    {
        var platform = new AuditedPlatform();
        await platform.BeginAsync(engines, settings);
        return platform;
    }

    /// <summary>Orders of today and before, some changed and cancelled, of a few customers, products and two currencies.</summary>
    public async Task PlaceAsync(int orders, int seed)
    {
        var random = new Random(seed);
        await using var connection = await Orders.OpenConnectionAsync(Cancellation);
        var now = TimeProvider.System.GetUtcNow().Truncated();
        for (var i = 0; i < orders; i++)
        {
            var (id, customer, currency) = (Guid.CreateVersion7(now).ToString("D"), $"c-{random.Next(8)}", random.Next(3) == 0 ? "EUR" : "USD");
            var isOld = random.Next(4) == 0;
            OrderEvent happened = isOld ? Order.Import(id, customer, currency, Items(random), now.AddDays(-random.Next(1, 3))) : Order.Place(id, customer, currency, Items(random), now);
            var order = Order.Apply(null, happened, happened.OrderedAt);
            await OrderStore.InsertAsync(connection, order, happened, Cancellation);
            while (order.Status == OrderStatus.Pending && random.Next(3) == 0)
            {
                happened = random.Next(3) == 0 ? order.Cancel("changed my mind") : order.ChangeItems(Items(random));
                order = Order.Apply(order, happened, now = now.AddMilliseconds(1));
                await OrderStore.UpdateAsync(connection, order, happened, Cancellation);
            }
        }
    }

    /// <summary>Publishes what is new in the event log, as the relay does.</summary>
    public async Task PublishAsync()
    {
        await using var connection = await Orders.OpenConnectionAsync(Cancellation);
        using var publisher = new KafkaPublisher(Kafka, 950_000);
        var batch = await PollingReader.ReadAsync(connection, _published, 50_000, Cancellation);
        await publisher.PublishAsync(batch.Events, Cancellation);
        _published = batch.After;
    }

    /// <summary>Runs the projections until everything published is in every store.</summary>
    public async Task CatchUpAsync()
    {
        var consumers = await StartProjectionsAsync();
        var events = (long)(await ScalarAsync(Orders, "SELECT count(*) FROM event_log WHERE topic = 'order.events'"))!;
        var since = Stopwatch.GetTimestamp();
        while (await ProgressAsync() is var progress && progress != (events, events, events))
        {
            Stopwatch.GetElapsedTime(since).ShouldBeLessThan(Bound, $"{progress} of {events}");
            await Task.Delay(20, Cancellation);
        }
        await StopAsync(consumers);
    }

    public async Task<IReadOnlyList<PartitionConsumer>> StartProjectionsAsync()
    {
        List<PartitionConsumer> consumers = [];
        foreach (var sink in (ISink[])[_services.GetRequiredService<OrderViewProjection>(), _services.GetRequiredService<AnalyticsTransformer>(), _services.GetRequiredService<SalesFactsProjection>(), _services.GetRequiredService<RankingsProjection>()])
        {
            consumers.Add(new PartitionConsumer(sink, _services.GetRequiredService<IConfiguration>(), new ProjectionState(TimeProvider.System), NullLogger.Instance, Orders));
            await consumers[^1].StartAsync(Cancellation);
        }
        return consumers;
    }

    public static async Task StopAsync(IReadOnlyList<PartitionConsumer> consumers)
    {
        await Task.WhenAll(consumers.Select(consumer => consumer.StopAsync(Cancellation)));
        foreach (var consumer in consumers)
        {
            consumer.Dispose();
        }
    }

    /// <summary>Runs audits as somebody asked for them.</summary>
    public Task<Audited> AuditAsync(params string[] audits) => RunAsync(audits, repairOf: null);

    /// <summary>Repairs what a run has named, and audits again.</summary>
    public Task<Audited> RepairAsync(Audited found, params string[] audits) => RunAsync(audits, found.Run);

    /// <summary>What is kept of a run.</summary>
    public async Task<Audited> ReadAsync(Guid run)
    {
        await using var command = Views.CreateCommand("SELECT store, kind, row_id, expected, found, repair FROM audit_violation WHERE run_id = $1 ORDER BY number");
        command.Parameters.Add(new() { Value = run });
        await using var reader = await command.ExecuteReaderAsync(Cancellation);
        var violations = new List<FoundViolation>();
        while (await reader.ReadAsync(Cancellation))
        {
            violations.Add(new FoundViolation(reader.GetString(0), reader.GetString(1), reader.GetString(2), reader.GetString(3), reader.GetString(4), reader.IsDBNull(5) ? null : reader.GetString(5)));
        }
        var state = (string)(await ScalarAsync(Views, $"SELECT concat_ws(' ', state, error, (SELECT string_agg(audit || ': ' || reason, ' ') FROM audit_result WHERE run_id = id)) FROM audit_run WHERE id = '{run}'"))!;
        return new Audited(run, state, violations);
    }

    /// <summary>Bad and good outcomes of a service level indicator until now.</summary>
    public async Task<(long Bad, long Good)> CountsAsync(string indicator)
    {
        await _services.GetRequiredService<ServiceLevelRecorder>().StopAsync(Cancellation);
        async Task<long> OfAsync(short bucket) => (long)(await ScalarAsync(Views, $"SELECT coalesce(sum(count), 0)::bigint FROM service_level WHERE indicator = '{indicator}' AND bucket = {bucket}"))!;
        return (await OfAsync(ServiceLevelRecorder.Bad), await OfAsync(ServiceLevelRecorder.Good));
    }

    public static async Task<object?> ScalarAsync(NpgsqlDataSource source, string sql) => await source.CreateCommand(sql).ExecuteScalarAsync(Cancellation);

    public static Task ExecuteAsync(NpgsqlDataSource source, string sql) => source.CreateCommand(sql).ExecuteNonQueryAsync(Cancellation);

    public async Task<string> ClickHouseAsync(string sql) => (await ClickHouse.QueryAsync(sql, parameters: null, Cancellation)).Trim();

    /// <summary>All records of a topic, by partition.</summary>
    public List<ConsumeResult<byte[], byte[]>> Read(string topic)
    {
        using var consumer = KafkaClients.Consumer(Kafka, "test", _ => { });
        var partitions = Enumerable.Range(0, Topics.Partitions).Select(partition => new TopicPartition(topic, partition)).ToList();
        var open = partitions.Sum(partition => consumer.QueryWatermarkOffsets(partition, Bound).High.Value);
        consumer.Assign(partitions.Select(partition => new TopicPartitionOffset(partition, Offset.Beginning)));
        return [.. Enumerable.Range(0, (int)open).Select(_ => consumer.Consume(Bound).ShouldNotBeNull()).OrderBy(record => record.Partition.Value).ThenBy(record => record.Offset.Value)];
    }

    /// <summary>Makes a topic anew, with these records in this order.</summary>
    public async Task RewriteAsync(string topic, IEnumerable<(int Partition, Message<byte[], byte[]> Message)> records)
    {
        using var admin = KafkaClients.Admin(Kafka);
        await admin.DeleteTopicsAsync([topic]);
        await admin.CreateTopicsAsync([new TopicSpecification { Name = topic, NumPartitions = Topics.Partitions, ReplicationFactor = 1, Configs = new() { ["retention.ms"] = "-1" } }]);
        using var producer = KafkaClients.Producer(Kafka, _ => { });
        await Task.WhenAll(records.Select(record => producer.ProduceAsync(new TopicPartition(topic, record.Partition), record.Message, Cancellation)));
    }

    /// <summary>A copy of a message with another header, payload or both.</summary>
    public static Message<byte[], byte[]> Copy(Message<byte[], byte[]> message, string? header = null, string? value = null, Func<string, string>? payload = null)
    {
        var headers = new Headers();
        foreach (var given in message.Headers)
        {
            headers.Add(given.Key, given.Key == header ? Encoding.UTF8.GetBytes(value!) : given.GetValueBytes());
        }
        return new Message<byte[], byte[]> { Key = message.Key, Headers = headers, Timestamp = message.Timestamp, Value = payload is null ? message.Value : Encoding.UTF8.GetBytes(payload(Encoding.UTF8.GetString(message.Value))) };
    }

    public async ValueTask DisposeAsync()
    {
        await _services.DisposeAsync();
        Redis.Dispose();
        await Orders.DisposeAsync();
        await Views.DisposeAsync();
        await _kafka.DisposeAsync();
        await _redis.DisposeAsync();
        _http.Dispose();
        _folder.Dispose();
    }

    private async Task BeginAsync(EngineFixture engines, (string Name, string Value)[] settings)
    {
        await engines.KafkaClientAsync(Cancellation);
        _kafka = await RunningEngine.StartAsync(new KafkaEngine(), _folder["kafka"], 0, TestContext.Current.SendDiagnosticMessage, Cancellation);
        _redis = await RunningEngine.StartAsync(new RedisEngine(), _folder["redis"], 0, TestContext.Current.SendDiagnosticMessage, Cancellation);
        var (postgres, clickHouse, name) = (await engines.PostgresAsync(), await engines.ClickHouseAsync(), Guid.NewGuid().ToString("N"));
        string Postgres(string database) => PostgresEngine.ConnectionString(engines.FolderOf("postgres"), postgres.Port, $"{database}_{name}");
        var connections = new Dictionary<string, string>
        {
            ["ConnectionStrings:orders"] = Postgres("orders"),
            ["ConnectionStrings:views"] = Postgres("views"),
            ["ConnectionStrings:kafka"] = _kafka.Address,
            ["ConnectionStrings:clickhouse"] = $"Host=127.0.0.1;Port={clickHouse.Port};Protocol=http;Database=analytics_{name}",
        };
        await SalesFactsStore.SetUpAsync(connections);
        Orders = NpgsqlDataSource.Create(connections["ConnectionStrings:orders"]);
        Views = NpgsqlDataSource.Create(connections["ConnectionStrings:views"]);
        Redis = await ConnectionMultiplexer.ConnectAsync(new ConfigurationOptions { EndPoints = { { "127.0.0.1", _redis.Port } }, AllowAdmin = true, AbortOnConnectFail = false });
        ClickHouse = new ClickHouseClient(_http, ClickHouseConnection.Parse(connections["ConnectionStrings:clickhouse"]));

        var configuration = new ConfigurationBuilder().AddInMemoryCollection(connections.Select(pair => KeyValuePair.Create(pair.Key, (string?)pair.Value)).Concat(settings.Select(setting => KeyValuePair.Create(setting.Name, (string?)setting.Value)))).Build();
        _services = new ServiceCollection().AddLogging().AddSingleton<IConfiguration>(configuration).AddSingleton(TimeProvider.System)
            .AddKeyedSingleton(Connections.Orders, Orders).AddKeyedSingleton(Connections.Views, Views).AddSingleton(Redis).AddSingleton(ClickHouse)
            .AddOptions<ServiceLevelOptions>().Services.AddSingleton<ServiceLevelRecorder>()
            .AddSingleton<OrderViewProjection>().AddSingleton<AnalyticsTransformer>().AddSingleton<RankingsProjection>()
            .AddSingleton(provider => new SalesFactsProjection(Views, ClickHouse, configuration, NullLogger<SalesFactsProjection>.Instance))
            .AddAuditing().BuildServiceProvider();
    }

    private async Task<(long View, long Facts, long Rankings)> ProgressAsync()
    {
        async Task<long> OfAsync(string projection) => Convert.ToInt64(await ScalarAsync(Views, $"SELECT coalesce(sum(next_offset), 0) FROM projection_progress WHERE projection = '{projection}'"), CultureInfo.InvariantCulture);
        // in this order: a plan moves the progress when it is recorded, and is over later
        var facts = await OfAsync("sales-facts");
        var pending = await ScalarAsync(Views, "SELECT 1 FROM sales_facts_plan WHERE pending IS NOT NULL") is null ? 0 : -1;
        var offsets = (await Redis.GetDatabase().HashGetAllAsync(RankingKeys.State)).Where(field => ((string)field.Name!).StartsWith(RankingKeys.Offset, StringComparison.Ordinal)).Sum(field => (long)field.Value);
        return (await OfAsync("order-view"), facts + pending, offsets);
    }

    private async Task<Audited> RunAsync(string[] audits, Guid? repairOf)
    {
        var run = Guid.NewGuid();
        await using (var request = Views.CreateCommand("INSERT INTO audit_run (id, audits, requested_by, repair_of) VALUES ($1, $2, 'test', $3)"))
        {
            request.Parameters.AddRange((NpgsqlParameter[])[new() { Value = run }, new() { Value = audits }, new() { Value = (object?)repairOf ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Uuid }]);
            await request.ExecuteNonQueryAsync(Cancellation);
        }
        await Auditor.RunDueAsync(Cancellation);
        return await ReadAsync(run);
    }

    private static List<OrderItem> Items(Random random) =>
        [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => new OrderItem($"p-{random.Next(6)}", random.Next(1, 3), random.Next(1, 4) * 1.05m))];
}
