using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using Confluent.Kafka.Admin;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OrderPlatform.Api.Operations;
using OrderPlatform.Consuming;
using OrderPlatform.Consuming.DeadLetters;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;
using OrderPlatform.ServiceDefaults.Clients;
using Record = OrderPlatform.Consuming.Record;

namespace OrderPlatform.Tests.Consuming.DeadLetters;

/// <summary>A topic of one partition, a table that takes receipts of less than 1000 pieces, and a consumer between them.</summary>
internal sealed class ReceiptsStage : IAsyncDisposable
{
    public const string Operator = "olivia";
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);

    private readonly OrdersDatabase _database;
    private readonly IConfiguration _configuration;
    private readonly IProducer<byte[], byte[]> _producer;
    private readonly string _kafka;
    private readonly string _name = "receipts-" + Guid.NewGuid().ToString("N");

    private ReceiptsStage(OrdersDatabase database, string kafka)
    {
        _database = database;
        _kafka = kafka;
        _configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["ConnectionStrings:kafka"] = kafka }).Build();
        _producer = KafkaClients.Producer(kafka, _ => { });
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>How the consumer does.</summary>
    public ProjectionState State { get; } = new(TimeProvider.System);

    public NpgsqlDataSource Orders => _database.Source;

    public static async Task<ReceiptsStage> CreateAsync(EngineFixture engines)
    {
        await engines.KafkaClientAsync(Cancellation);
        var stage = new ReceiptsStage(await OrdersDatabase.CreateAsync(engines, Cancellation), (await engines.KafkaAsync()).Address);
        using var admin = KafkaClients.Admin(stage._kafka);
        await admin.CreateTopicsAsync(((string[])[stage._name, Topics.DeadLetters(stage._name)]).Select(topic => new TopicSpecification { Name = topic, NumPartitions = 1, ReplicationFactor = 1 }));
        await stage._database.ExecuteAsync("CREATE TABLE receipt (n bigint GENERATED ALWAYS AS IDENTITY, product_id text, sequence int, quantity int CHECK (quantity < 1000), PRIMARY KEY (product_id, sequence))", Cancellation);
        return stage;
    }

    /// <summary>A consumer as a process has it when it starts.</summary>
    public async Task<PartitionConsumer> StartAsync(Action<DeadLetterStep>? reached = null)
    {
        var consumer = new PartitionConsumer(new ReceiptsSink(Orders, _name), _configuration, State, NullLogger.Instance, Orders) { Reached = reached ?? (_ => { }) };
        await consumer.StartAsync(Cancellation);
        return consumer;
    }

    /// <summary>A receipt as the relay publishes it.</summary>
    public Task<long> PublishAsync(string product, int sequence, int quantity) => PublishAsync(product, sequence, Receipt(product, quantity));

    /// <summary>A record with any value.</summary>
    public Task<long> PublishAsync(string product, int sequence, byte[] value) =>
        PublishAsync(Encoding.UTF8.GetBytes(product), EnvelopeHeaders.Of($"{product}/{sequence}", "StockReceived.v1", "stock", product, sequence, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch, null), value);

    /// <summary>Any record at all.</summary>
    /// <returns>Its offset.</returns>
    public async Task<long> PublishAsync(byte[]? key, Headers headers, byte[]? value) =>
        (await _producer.ProduceAsync(_name, new Message<byte[], byte[]> { Key = key!, Headers = headers, Value = value! }, Cancellation)).Offset.Value;

    public static byte[] Receipt(string product, int quantity) =>
        JsonSerializer.SerializeToUtf8Bytes(new StockReceived { ProductId = product, Quantity = quantity, OnHand = quantity, Reserved = 0 }, PlatformJson.Options);

    /// <summary>What the table has taken, by product, in the order in which it was taken.</summary>
    public Task<string> TakenAsync() => TextAsync("SELECT string_agg(product_id || ' ' || receipts, '; ' ORDER BY product_id) FROM (SELECT product_id, string_agg(sequence || ':' || quantity, ' ' ORDER BY n) AS receipts FROM receipt GROUP BY product_id) AS taken");

    /// <summary>The letters, in the order of their offsets: offset, state, attempts.</summary>
    public Task<string> LettersAsync() => TextAsync("SELECT string_agg(concat_ws(' ', record_offset, state, attempts), '; ' ORDER BY record_offset) FROM dead_letter");

    public Task<string> ErrorAsync(long offset) => TextAsync($"SELECT error FROM dead_letter WHERE record_offset = {offset}");

    public Task<string> HistoryAsync(long offset) =>
        TextAsync($"SELECT string_agg(concat_ws(' ', action, CASE by WHEN consumer THEN 'consumer' ELSE by END), '; ' ORDER BY told.id) FROM dead_letter_history AS told JOIN dead_letter ON letter = dead_letter.id WHERE record_offset = {offset}");

    public async Task EventuallyAsync(Func<Task<string>> what, string expected)
    {
        var since = System.Diagnostics.Stopwatch.GetTimestamp();
        while (await what() is var is_ && is_ != expected)
        {
            System.Diagnostics.Stopwatch.GetElapsedTime(since).ShouldBeLessThan(Bound, $"is: {is_}\nexpected: {expected}\nletters: {await LettersAsync()}\n{State.Projections.GetValueOrDefault(_name)?.Problem}");
            await Task.Delay(20, Cancellation);
        }
    }

    /// <summary>What an operator does by the Api.</summary>
    public Task RedriveAsync(long offset, byte[]? edited = null) => DecideAsync(offset, (connection, letter) => DeadLetterStore.RedriveAsync(connection, letter, edited, Operator, "mended", Cancellation));

    /// <summary>The same.</summary>
    public Task DiscardAsync(long offset) => DecideAsync(offset, (connection, letter) => DeadLetterStore.DiscardAsync(connection, letter, Operator, "nobody needs it", Cancellation));

    /// <summary>Everything published has gone by.</summary>
    public Task CaughtUpAsync() => Eventually.TrueAsync(
        () => State.Projections.GetValueOrDefault(_name) is { Problem: null, Lag: { Count: 1 } lag } && lag.Values.Single() == 0, Bound, () => $"{State.Projections.GetValueOrDefault(_name)}", Cancellation);

    /// <summary>Up to when the consumer says that its table is complete.</summary>
    public DateTimeOffset CompleteUntil => State.Projections[_name].CompleteUntil.Values.Single();

    /// <summary>Forgets the table, as a rebuild does.</summary>
    public Task EmptyAsync() => _database.ExecuteAsync("TRUNCATE receipt, projection_progress", Cancellation);

    public Task ExecuteAsync(string sql) => _database.ExecuteAsync(sql, Cancellation);

    /// <summary>The records of the dead-letter topic.</summary>
    public IReadOnlyList<Message<byte[], byte[]>> DeadLetterTopic(int count)
    {
        using var consumer = KafkaClients.Consumer(_kafka, "test-" + _name, _ => { });
        consumer.Assign(new TopicPartitionOffset(Topics.DeadLetters(_name), 0, Offset.Beginning));
        return [.. Enumerable.Range(0, count).Select(_ => consumer.Consume(Bound).ShouldNotBeNull().Message)];
    }

    public async ValueTask DisposeAsync()
    {
        _producer.Dispose();
        await _database.DisposeAsync();
    }

    private async Task DecideAsync(long offset, Func<NpgsqlConnection, DeadLetter, Task> decide)
    {
        await using var connection = await Orders.OpenConnectionAsync(Cancellation);
        await using var transaction = await connection.BeginTransactionAsync(Cancellation);
        await decide(connection, await DeadLetterStore.LockFirstAsync(connection, await TextAsync($"SELECT id::text FROM dead_letter WHERE record_offset = {offset}"), Cancellation));
        await transaction.CommitAsync(Cancellation);
    }

    private async Task<string> TextAsync(string sql)
    {
        await using var command = Orders.CreateCommand(sql);
        return await command.ExecuteScalarAsync(Cancellation) as string ?? "";
    }

    private sealed class ReceiptsSink(NpgsqlDataSource source, string topic) : ISink
    {
        private readonly Dictionary<TopicPartition, long> _progress = [];

        public string Name => topic;

        public string? Store => null;

        public IReadOnlyList<string> Topics => [topic];

        public int MaxBatch => 100;

        public TimeSpan Linger => TimeSpan.FromMilliseconds(10);

        public async Task<IReadOnlyDictionary<TopicPartition, long>> ResumeAsync(IReadOnlyList<TopicPartition> partitions, CancellationToken cancellation)
        {
            await using var connection = await source.OpenConnectionAsync(cancellation);
            _progress.Clear();
            foreach (var (partition, next) in await PostgresProgress.LoadAsync(connection, Name, cancellation))
            {
                _progress[partition] = next;
            }
            return _progress;
        }

        public async Task WriteAsync(IReadOnlyList<Record> batch, CancellationToken cancellation)
        {
            var moved = new Dictionary<TopicPartition, long>(_progress);
            await using var connection = await source.OpenConnectionAsync(cancellation);
            await using var transaction = await connection.BeginTransactionAsync(cancellation);
            await PostgresProgress.MoveAsync(connection, Name, batch, moved, cancellation);
            foreach (var record in batch)
            {
                await using var insert = new NpgsqlCommand(
                    "INSERT INTO receipt (product_id, sequence, quantity) SELECT $1, $2, $3 WHERE $2 > coalesce((SELECT max(sequence) FROM receipt WHERE product_id = $1), 0)", connection)
                {
                    Parameters = { new() { Value = record.Key }, new() { Value = record.Sequence }, new() { Value = record.Read<StockReceived>().Quantity } },
                };
                await insert.ExecuteNonQueryAsync(cancellation);
            }
            await transaction.CommitAsync(cancellation);
            foreach (var (partition, next) in moved)
            {
                _progress[partition] = next;
            }
        }
    }
}
