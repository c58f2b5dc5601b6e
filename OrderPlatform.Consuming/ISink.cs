using Confluent.Kafka;

namespace OrderPlatform.Consuming;

/// <summary>Where records go, and where the progress is kept: together, so that neither can be without the other.</summary>
public interface ISink
{
    /// <summary>Name of the projection: its consumer group, its metrics, its place in the logs.</summary>
    string Name { get; }

    /// <summary>The store in the service level indicators: redis, clickhouse, order-view; null for a sink that is no store.</summary>
    string? Store { get; }

    /// <summary>What it consumes.</summary>
    IReadOnlyList<string> Topics { get; }

    /// <summary>A batch is written when it has this many records,</summary>
    int MaxBatch { get; }

    /// <summary>or when its first record has waited this long and no other has come yet.</summary>
    TimeSpan Linger { get; }

    /// <summary>
    /// The next offset of each partition, as the store has it. Called whenever partitions are assigned; what was read before
    /// is forgotten then. A sink whose store is Kafka itself gives <see cref="Offset.Stored"/>: the group's committed offset.
    /// </summary>
    /// <exception cref="Exception">The store cannot say: it is asked again.</exception>
    Task<IReadOnlyDictionary<TopicPartition, long>> ResumeAsync(IReadOnlyList<TopicPartition> partitions, CancellationToken cancellation);

    /// <summary>
    /// Writes the records' effects and the progress, both or neither. Records come in the order of their partition; an offset
    /// that is left out is a parked record, and the progress goes over it. Repeats of an aggregate's sequence change nothing.
    /// </summary>
    /// <exception cref="ProgressLostException">Another consumer has gone on in the meantime: nothing was written, the batch is dropped.</exception>
    /// <exception cref="DeadLetters.PoisonRecordException">A record cannot be written for what it is: its key is parked, and the others are given again.</exception>
    /// <exception cref="Exception">
    /// A failure over the data (<see cref="DeadLetters.Poison"/>): the batch is given again in halves, until one record is left, and
    /// when that has failed three times its key is parked. Any other: the store failed, and the same batch is given again, for as long as it takes.
    /// </exception>
    Task WriteAsync(IReadOnlyList<Record> batch, CancellationToken cancellation);

    /// <summary>
    /// Everything of these partitions that was published before the time is in the store. Called about once a second, for a
    /// store whose answers say how far they are complete, and so that an emptied store is noticed while nothing happens.
    /// </summary>
    /// <exception cref="ProgressLostException">As for a write.</exception>
    Task CaughtUpAsync(IReadOnlyList<TopicPartition> partitions, DateTimeOffset until, CancellationToken cancellation) => Task.CompletedTask;
}

/// <summary>The store's progress is not where this consumer left it: another one owns the partition by now, or the store was emptied.</summary>
public sealed class ProgressLostException(string message) : Exception(message);
