using System.Collections.Concurrent;
using Confluent.Kafka;
using Confluent.Kafka.Admin;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using OrderPlatform.Contracts;
using OrderPlatform.Consuming;
using OrderPlatform.ServiceDefaults.Clients;
using Record = OrderPlatform.Consuming.Record;

namespace OrderPlatform.Tests.Consuming;

public sealed class PartitionConsumerTests(EngineFixture engines)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_slow_store_loses_no_record_of_any_partition()
    {
        await engines.KafkaClientAsync(Cancellation);
        var kafka = (await engines.KafkaAsync()).Address;
        const string Topic = "slow-store";
        using var admin = KafkaClients.Admin(kafka);
        await admin.CreateTopicsAsync([new TopicSpecification { Name = Topic, NumPartitions = Topics.Partitions, ReplicationFactor = 1 }]);
        using var producer = KafkaClients.Producer(kafka, _ => { });
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["ConnectionStrings:kafka"] = kafka }).Build();
        var sink = new SlowSink(Topic);
        var state = new ProjectionState(TimeProvider.System);
        await using var orders = await OrdersDatabase.CreateAsync(engines, Cancellation);
        using var consumer = new PartitionConsumer(sink, configuration, state, NullLogger.Instance, orders.Source);
        for (var partition = 0; partition < Topics.Partitions; partition++)
        {
            await producer.ProduceAsync(new TopicPartition(Topic, partition), Message(partition), Cancellation);
        }

        await consumer.StartAsync(Cancellation);
        await Eventually.TrueAsync(() => sink.Seen.Distinct().Count() == Topics.Partitions, TimeSpan.FromSeconds(20), () => $"{string.Join(' ', sink.Seen)}: {state.Projections.GetValueOrDefault(sink.Name)?.Problem}", Cancellation);
        await consumer.StopAsync(Cancellation);

        sink.Seen.Count.ShouldBe(Topics.Partitions);
    }

    private static Message<byte[], byte[]> Message(int number) => new()
    {
        Key = [(byte)('a' + number)],
        Value = "{}"u8.ToArray(),
        Headers = EnvelopeHeaders.Of($"{number}", "OrderCreated.v1", "order", $"{number}", 1, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch, traceParent: null),
    };

    // takes one record at a time, and longer than the consumer waits before it pauses
    private sealed class SlowSink(string topic) : ISink
    {
        public ConcurrentQueue<int> Seen { get; } = [];

        public string Name => "slow";

        public string? Store => null;

        public IReadOnlyList<string> Topics => [topic];

        public int MaxBatch => 1;

        public TimeSpan Linger => TimeSpan.Zero;

        public Task<IReadOnlyDictionary<TopicPartition, long>> ResumeAsync(IReadOnlyList<TopicPartition> partitions, CancellationToken cancellation) =>
            Task.FromResult<IReadOnlyDictionary<TopicPartition, long>>(new Dictionary<TopicPartition, long>());

        public async Task WriteAsync(IReadOnlyList<Record> batch, CancellationToken cancellation)
        {
            await Task.Delay(250, cancellation);
            foreach (var record in batch)
            {
                Seen.Enqueue(record.Source.Partition.Value);
            }
        }
    }
}
