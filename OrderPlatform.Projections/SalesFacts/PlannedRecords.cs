using Confluent.Kafka;
using OrderPlatform.Consuming;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Projections.SalesFacts;

/// <summary>Reads the records of a plan again, whoever holds their partitions by now.</summary>
internal sealed class PlannedRecords(IConfiguration configuration, string topic)
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);

    /// <summary>The plan's records without what it drops, in the order of partition and offset, as they were the first time.</summary>
    /// <exception cref="TimeoutException">Kafka does not give them.</exception>
    /// <exception cref="InvalidOperationException">Kafka does not have them any more.</exception>
    public Task<IReadOnlyList<Record>> ReadAsync(Plan plan, CancellationToken cancellation) =>
        // librdkafka's Consume blocks
        Task.Run<IReadOnlyList<Record>>(() => [.. plan.Ranges.SelectMany(range => Read(range, cancellation))], cancellation);

    /// <summary>Whether Kafka still has the topic from its first record on.</summary>
    public Task<bool> AreCompleteAsync(IEnumerable<int> partitions, CancellationToken cancellation) => Task.Run(
        () =>
        {
            using var consumer = Consumer();
            return partitions.All(partition => consumer.QueryWatermarkOffsets(new TopicPartition(topic, partition), Bound).Low == 0);
        },
        cancellation);

    private List<Record> Read(PlannedRange range, CancellationToken cancellation)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        bound.CancelAfter(Bound);
        using var consumer = Consumer();
        consumer.Assign(new TopicPartitionOffset(topic, range.Partition, range.From));
        var dropped = range.Dropped.ToHashSet();
        var records = new List<Record>();
        var next = range.From;
        while (next < range.To)
        {
            if (bound.IsCancellationRequested)
            {
                cancellation.ThrowIfCancellationRequested();
                throw new TimeoutException($"Kafka did not give the records {range.From} to {range.To} of {topic}[{range.Partition}] within {Bound.TotalSeconds:0} s: the facts planned from them wait.");
            }
            if (consumer.Consume(Poll) is not { } consumed)
            {
                continue;
            }
            if (consumed.Offset != next)
            {
                throw new InvalidOperationException($"{topic}[{range.Partition}] gives offset {consumed.Offset} where {next} was planned: its records are gone. Restore the topic, or publish it again from the event log.");
            }
            next++;
            if (!dropped.Contains(consumed.Offset))
            {
                records.Add(Record.From(consumed));
            }
        }
        return records;
    }

    // a group is required, and never joined
    private IConsumer<byte[], byte[]> Consumer() => KafkaClients.Consumer(configuration.Required(Connections.Kafka), "projection-sales-facts-plan", _ => { });
}
