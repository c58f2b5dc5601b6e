using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using Confluent.Kafka.Admin;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;
using OrderPlatform.Engines.Postgres;
using OrderPlatform.Engines.Processes;
using OrderPlatform.Consuming;
using OrderPlatform.Projections.SalesFacts;
using OrderPlatform.ServiceDefaults.Clients;
using Record = OrderPlatform.Consuming.Record;

namespace OrderPlatform.Tests.Projections.SalesFacts;

/// <summary>What one test needs of the engines: databases and a topic of its own, made by the set-up step.</summary>
internal sealed class SalesFactsStore : IAsyncDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    private readonly HttpClient _http = new(new SocketsHttpHandler());
    private readonly IConfiguration _configuration;
    private readonly NpgsqlDataSource _orders;
    private readonly NpgsqlDataSource _views;
    private readonly ClickHouseClient _clickHouse;
    private readonly IProducer<byte[], byte[]> _producer;
    private readonly string _topic;
    private long _published;

    private SalesFactsStore(IReadOnlyDictionary<string, string?> connections, string topic)
    {
        _configuration = new ConfigurationBuilder().AddInMemoryCollection(connections).Build();
        _orders = NpgsqlDataSource.Create(_configuration.GetConnectionString("orders")!);
        _views = NpgsqlDataSource.Create(_configuration.GetConnectionString("views")!);
        _clickHouse = new ClickHouseClient(_http, ClickHouseConnection.Parse(_configuration.GetConnectionString("clickhouse")!));
        _producer = KafkaClients.Producer(_configuration.GetConnectionString("kafka")!, config => config.LingerMs = 5);
        _topic = topic;
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Alarms about missing events.</summary>
    public ConcurrentQueue<string> Warnings { get; } = [];

    public static async Task<SalesFactsStore> CreateAsync(EngineFixture engines, string name)
    {
        await engines.KafkaClientAsync(Cancellation);
        var (postgres, kafka, clickHouse) = (await engines.PostgresAsync(), await engines.KafkaAsync(), await engines.ClickHouseAsync());
        string Postgres(string database) => PostgresEngine.ConnectionString(engines.FolderOf("postgres"), postgres.Port, database + "_" + name);
        var connections = new Dictionary<string, string>
        {
            ["ConnectionStrings:orders"] = Postgres("orders"),
            ["ConnectionStrings:views"] = Postgres("views"),
            ["ConnectionStrings:kafka"] = kafka.Address,
            ["ConnectionStrings:clickhouse"] = $"Host=127.0.0.1;Port={clickHouse.Port};Protocol=http;Database=analytics_{name}",
        };
        await SetUpAsync(connections);
        var topic = $"{Topics.OrdersAnalytics}_{name}";
        using var admin = KafkaClients.Admin(kafka.Address);
        await admin.CreateTopicsAsync(((string[])[topic, Topics.DeadLetters(topic)]).Select(missing => new TopicSpecification { Name = missing, NumPartitions = Topics.Partitions, ReplicationFactor = 1 }));
        return new SalesFactsStore(connections.ToDictionary(pair => pair.Key, pair => (string?)pair.Value), topic);
    }

    /// <summary>A projection as a process has it when it starts.</summary>
    public SalesFactsProjection Sink(Action<WriteStep>? reached = null) =>
        new(_views, _clickHouse, _configuration, new AlarmLog(Warnings), _topic) { Reached = reached ?? (_ => { }) };

    /// <summary>A consumer for a sink, running until it is stopped.</summary>
    public async Task<PartitionConsumer> StartAsync(ISink sink)
    {
        var consumer = new PartitionConsumer(sink, _configuration, new ProjectionState(TimeProvider.System), NullLogger.Instance, _orders);
        await consumer.StartAsync(Cancellation);
        return consumer;
    }

    /// <summary>Runs a consumer on a new sink until everything published is in.</summary>
    public async Task CatchUpAsync(ISink? sink = null)
    {
        using var consumer = await StartAsync(sink ?? Sink());
        await CaughtUpAsync();
        await consumer.StopAsync(Cancellation);
    }

    /// <summary>Waits until everything published is in.</summary>
    public async Task CaughtUpAsync()
    {
        var since = System.Diagnostics.Stopwatch.GetTimestamp();
        while (await ScalarAsync("SELECT coalesce((SELECT sum(next_offset) FROM projection_progress), 0) - (SELECT count(*) FROM sales_facts_plan WHERE pending IS NOT NULL)") is var done && !Equals(done, (decimal)_published))
        {
            System.Diagnostics.Stopwatch.GetElapsedTime(since).ShouldBeLessThan(Bound, $"{done} of {_published} records were done");
            await Task.Delay(20, Cancellation);
        }
    }

    /// <summary>Publishes facts in order.</summary>
    public async Task PublishAsync(params IReadOnlyList<(SalesFact Fact, int Sequence)> facts)
    {
        await Task.WhenAll(facts.Select(fact => _producer.ProduceAsync(_topic, Message(fact.Fact, fact.Sequence), Cancellation)));
        _published += facts.Count;
    }

    /// <summary>All records of the topic.</summary>
    public IReadOnlyList<Record> Read()
    {
        using var consumer = KafkaClients.Consumer(_configuration.GetConnectionString("kafka")!, "test-" + _topic, _ => { });
        consumer.Assign(Partitions.Select(partition => new TopicPartitionOffset(partition, Offset.Beginning)));
        var records = new List<Record>();
        while (records.Count < _published)
        {
            records.Add(Record.From(consumer.Consume(Bound).ShouldNotBeNull()));
        }
        return records;
    }

    public IReadOnlyList<TopicPartition> Partitions => [.. Enumerable.Range(0, Topics.Partitions).Select(partition => new TopicPartition(_topic, partition))];

    /// <summary>What the table and each of its targets hold, merged or not.</summary>
    public async Task<string> TotalsAsync()
    {
        var answer = await ClickHouseAsync(
            """
            SELECT (SELECT (count(), sum(orders), sum(amount)) FROM orders_analytics), (SELECT (sum(facts), sum(orders), sum(revenue)) FROM sales_hourly), (SELECT (sum(facts), sum(orders), sum(revenue)) FROM sales_daily),
                   (SELECT (sum(facts), sum(quantity), sum(revenue)) FROM sales_by_product), (SELECT arraySort(groupArray((status, n))) FROM (SELECT status, sum(orders) AS n FROM orders_by_status GROUP BY status HAVING n != 0))
            """);
        return answer.Trim().Replace('\t', ' ');
    }

    /// <summary>What <see cref="TotalsAsync"/> must say of those facts, each counted once.</summary>
    public static string TotalsOf(IReadOnlyCollection<SalesFact> facts)
    {
        string Money(decimal amount) => amount.ToString("0.##", CultureInfo.InvariantCulture);
        var sales = $"({facts.Count},{facts.Sum(fact => fact.Orders)},{Money(facts.Sum(fact => fact.Amount))})";
        var lines = facts.SelectMany(fact => fact.Products).ToList();
        var statuses = facts.Select(fact => (Status: fact.NewStatus, Orders: 1)).Concat(facts.Where(fact => fact.OldStatus is not null).Select(fact => (Status: fact.OldStatus!.Value, Orders: -1)))
            .GroupBy(step => step.Status.ToString(), step => step.Orders).Where(status => status.Sum() != 0).OrderBy(status => status.Key, StringComparer.Ordinal).Select(status => $"('{status.Key}',{status.Sum()})");
        return $"{sales} {sales} {sales} ({lines.Count},{lines.Sum(line => line.Quantity)},{Money(lines.Sum(line => line.Amount))}) [{string.Join(',', statuses)}]";
    }

    public Task<string> ClickHouseAsync(string sql) => _clickHouse.QueryAsync(sql, parameters: null, Cancellation);

    /// <summary>The states of the dead letters.</summary>
    public async Task<string?> LettersAsync()
    {
        await using var command = _orders.CreateCommand("SELECT string_agg(state, ' ' ORDER BY state) FROM dead_letter");
        return await command.ExecuteScalarAsync(Cancellation) as string;
    }

    public async Task<object?> ScalarAsync(string sql)
    {
        await using var command = _views.CreateCommand(sql);
        return await command.ExecuteScalarAsync(Cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        _producer.Dispose();
        await _orders.DisposeAsync();
        await _views.DisposeAsync();
        _http.Dispose();
    }

    /// <summary>Runs the set-up step on these connections.</summary>
    internal static async Task SetUpAsync(Dictionary<string, string> connections)
    {
        var own = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        var assembly = Path.Combine(own.Parent!.Parent!.FullName, "OrderPlatform.Setup", own.Name, "OrderPlatform.Setup.dll");
        var environment = connections.ToDictionary(pair => pair.Key.Replace(":", "__", StringComparison.Ordinal), pair => pair.Value);
        environment["ORDERPLATFORM_LIBRDKAFKA"] = Environment.GetEnvironmentVariable("ORDERPLATFORM_LIBRDKAFKA")!;
        await using var setup = ChildProcess.Start("setup", ChildCommand.DotNet(assembly, []) with { Environment = environment }, line => TestContext.Current.SendDiagnosticMessage(line));
        (await setup.Exited.WaitAsync(Bound, Cancellation)).ShouldBe(0);
    }

    private static Message<byte[], byte[]> Message(SalesFact fact, int sequence) => new()
    {
        Key = Encoding.UTF8.GetBytes(fact.OrderId),
        Value = JsonSerializer.SerializeToUtf8Bytes(fact, PlatformJson.Options),
        Headers = EnvelopeHeaders.Of($"{fact.OrderId}/{sequence}", "SalesFact.v1", "sales", fact.OrderId, sequence, fact.OrderedAt, TimeProvider.System.GetUtcNow().Truncated(), traceParent: null),
    };

    private sealed class AlarmLog(ConcurrentQueue<string> warnings) : ILogger<SalesFactsProjection>
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                warnings.Enqueue(formatter(state, exception));
            }
        }
    }
}
