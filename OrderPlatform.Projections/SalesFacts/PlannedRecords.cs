using Confluent.Kafka;
using OrderPlatform.Consuming;
using OrderPlatform.Projections.Rebuilding;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Projections.SalesFacts;

/// <summary>Reads the records of a plan again, whoever holds their partitions by now.</summary>
/// <param name="log">What a rebuild reads where Kafka has nothing any more.</param>
internal sealed class PlannedRecords(IConfiguration configuration, string topic, EventLogSource? log = null)
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);

    /// <summary>The plan's records without what it drops, in the order of partition and offset, as they were the first time.</summary>
    /// <exception cref="TimeoutException">Kafka does not give them.</exception>
    /// <exception cref="InvalidOperationException">Kafka does not have them any more.</exception>
    public async Task<IReadOnlyList<Record>> ReadAsync(Plan plan, CancellationToken cancellation)
    {
        var records = new List<Record>();
        foreach (var range in plan.Ranges)
        {
            // librdkafka's Consume blocks
            var read = range.Partition == EventLogSource.Partition ? await log!.ReadAsync(range.From, range.To, cancellation) : await Task.Run(() => Read(range, cancellation), cancellation);
            var dropped = range.Dropped.ToHashSet();
            records.AddRange(read.Where(record => !dropped.Contains(record.Source.Offset.Value)));
        }
        return records;
    }

    /// <summary>Whether the topic can be read from its first record on.</summary>
    public Task<bool> AreCompleteAsync(IEnumerable<int> partitions, CancellationToken cancellation) => Task.Run(
        () =>
        {
            using var consumer = Consumer();
            return log is not null || partitions.All(partition => consumer.QueryWatermarkOffsets(new TopicPartition(topic, partition), Bound).Low == 0);
        },
        cancellation);

    private List<Record> Read(PlannedRange range, CancellationToken cancellation)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        bound.CancelAfter(Bound);
        using var consumer = Consumer();
        consumer.Assign(new TopicPartitionOffset(topic, range.Partition, range.From));
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
            records.Add(Record.From(consumed));
        }
        return records;
    }

    // a group is required, and never joined
    private IConsumer<byte[], byte[]> Consumer() => KafkaClients.Consumer(configuration.Required(Connections.Kafka), "projection-sales-facts-plan", _ => { });
}
