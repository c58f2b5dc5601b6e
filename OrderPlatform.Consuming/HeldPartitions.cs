using Confluent.Kafka;
using OrderPlatform.Consuming.DeadLetters;

namespace OrderPlatform.Consuming;

/// <summary>The partitions that a consumer holds, and what of each is in the store. librdkafka's own position knows nothing before the first record.</summary>
internal sealed class HeldPartitions
{
    // the end of a partition is known from its last fetch, which is at most this old while the broker answers
    private static readonly TimeSpan FetchAge = TimeSpan.FromMilliseconds(250);

    private readonly Dictionary<TopicPartition, Held> _partitions = [];

    /// <summary>Which they are.</summary>
    public IReadOnlyCollection<TopicPartition> Partitions => _partitions.Keys;

    /// <summary>Partitions were taken over, the store being where it says.</summary>
    public void Take(IEnumerable<TopicPartitionOffset> partitions)
    {
        foreach (var partition in partitions)
        {
            _partitions[partition.TopicPartition] = new Held(Math.Max(0, partition.Offset.Value), null);
        }
    }

    /// <summary>Partitions are somebody else's.</summary>
    public void GiveUp(IEnumerable<TopicPartition> partitions)
    {
        foreach (var partition in partitions)
        {
            _partitions.Remove(partition);
        }
    }

    /// <summary>A batch is in the store, or parked.</summary>
    /// <returns>The next offset of each of its partitions that are still held.</returns>
    public IReadOnlyList<TopicPartitionOffset> Passed(IReadOnlyList<ArrivedRecord> batch)
    {
        var moved = new HashSet<TopicPartition>();
        foreach (var record in batch.Where(record => _partitions.ContainsKey(record.Source.TopicPartition)))
        {
            _partitions[record.Source.TopicPartition] = new Held(record.Source.Offset.Value + 1, record.PublishedAt);
            moved.Add(record.Source.TopicPartition);
        }
        return [.. moved.Select(partition => new TopicPartitionOffset(partition, _partitions[partition].Next))];
    }

    /// <summary>Records of each partition that are neither in the store nor parked; a partition that was not fetched from yet is left out.</summary>
    public IReadOnlyDictionary<TopicPartition, long> Lag(IConsumer<byte[], byte[]> consumer) =>
        (from partition in _partitions
         let end = consumer.GetWatermarkOffsets(partition.Key).High
         where end != Offset.Unset
         select (partition.Key, Open: Math.Max(0, end.Value - partition.Value.Next))).ToDictionary(lag => lag.Key, lag => lag.Open);

    /// <summary>Up to when what was published to each partition is in the store; unknown ones are left out.</summary>
    /// <param name="parkedSince">The oldest parked record of each partition: what is parked is not in the store.</param>
    public IReadOnlyDictionary<TopicPartition, DateTimeOffset> CompleteUntil(
        IReadOnlyDictionary<TopicPartition, long> lag, IReadOnlyDictionary<TopicPartition, DateTimeOffset> parkedSince, DateTimeOffset now) =>
        (from partition in _partitions
         let passed = lag.TryGetValue(partition.Key, out var open) && open == 0 ? now - FetchAge : partition.Value.PublishedUntil
         where passed is not null
         let until = parkedSince.TryGetValue(partition.Key, out var since) && since < passed ? since : passed.Value
         select (partition.Key, Until: until)).ToDictionary(partition => partition.Key, partition => partition.Until);

    // PublishedUntil: of the last record passed; null before the first
    private readonly record struct Held(long Next, DateTimeOffset? PublishedUntil);
}
