using Confluent.Kafka;
using OrderPlatform.Contracts;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Projections.Auditing.Replay;

/// <summary>Reads a topic from its beginning up to a vector, and on from there to a later one: the next offset of each partition.</summary>
internal sealed class TopicReader : IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);

    private readonly IConsumer<byte[], byte[]> _consumer;
    private readonly string _topic;
    private readonly long[] _next;
    private readonly long[] _end = new long[Topics.Partitions];

    /// <param name="bootstrapServers">host:port[,host:port].</param>
    /// <param name="from">Where to begin; null: at the beginning.</param>
    public TopicReader(string bootstrapServers, string topic, IReadOnlyList<long>? from = null)
    {
        _consumer = KafkaClients.Reader(bootstrapServers);
        _topic = topic;
        _next = from is null ? new long[Topics.Partitions] : [.. from];
    }

    /// <summary>Where the topic ends at this moment.</summary>
    /// <exception cref="CannotBeAuditedException">It does not begin at 0 any more: what was before is not known.</exception>
    public Task<long[]> EndAsync(CancellationToken cancellation) => Task.Run(
        () => Enumerable.Range(0, Topics.Partitions).Select(partition => EndOf(partition, cancellation)).ToArray(), cancellation);

    /// <summary>Gives every record before the vector that was not given yet, in the order of its partition.</summary>
    /// <param name="vector">Nowhere behind what was read already.</param>
    /// <exception cref="CannotBeAuditedException">Kafka does not have, or does not give, these records.</exception>
    public Task ReadToAsync(IReadOnlyList<long> vector, Action<ConsumeResult<byte[], byte[]>> read, CancellationToken cancellation) =>
        // librdkafka's Consume blocks
        Task.Run(() => ReadTo(vector, read, cancellation), cancellation);

    /// <inheritdoc />
    public void Dispose() => _consumer.Dispose();

    private void ReadTo(IReadOnlyList<long> vector, Action<ConsumeResult<byte[], byte[]>> read, CancellationToken cancellation)
    {
        var open = Enumerable.Range(0, Topics.Partitions).Where(partition => _next[partition] < vector[partition]).ToHashSet();
        if (open.Count == 0)
        {
            return;
        }
        foreach (var partition in open)
        {
            if (_end[partition] < vector[partition] && EndOf(partition, cancellation) < vector[partition])
            {
                throw new CannotBeAuditedException($"{_topic}[{partition}] ends at {_end[partition]}, and the store has come to {vector[partition]}: Kafka has lost records.");
            }
        }
        _consumer.IncrementalAssign(open.Select(partition => new TopicPartitionOffset(_topic, partition, _next[partition])));
        try
        {
            var last = System.Diagnostics.Stopwatch.GetTimestamp();
            while (open.Count > 0)
            {
                cancellation.ThrowIfCancellationRequested();
                if (_consumer.Consume(Poll) is { } consumed)
                {
                    last = System.Diagnostics.Stopwatch.GetTimestamp();
                    Take(consumed, vector, open, read);
                }
                else if (System.Diagnostics.Stopwatch.GetElapsedTime(last) > Bound)
                {
                    throw new CannotBeAuditedException($"Kafka gave no record of {_topic} for {Bound.TotalSeconds:0} s.");
                }
            }
        }
        finally
        {
            // some are left when it broke off
            if (open.Count > 0)
            {
                _consumer.IncrementalUnassign(open.Select(partition => new TopicPartition(_topic, partition)));
            }
        }
    }

    private void Take(ConsumeResult<byte[], byte[]> consumed, IReadOnlyList<long> vector, HashSet<int> open, Action<ConsumeResult<byte[], byte[]>> read)
    {
        var partition = consumed.Partition.Value;
        // a partition that is read to its end may still give what was fetched before it was given up
        if (!open.Contains(partition) || consumed.Offset.Value < _next[partition])
        {
            return;
        }
        if (consumed.Offset.Value < vector[partition])
        {
            read(consumed);
            _next[partition] = consumed.Offset.Value + 1;
        }
        if (consumed.Offset.Value + 1 >= vector[partition])
        {
            _next[partition] = vector[partition];
            open.Remove(partition);
            _consumer.IncrementalUnassign([new TopicPartition(_topic, partition)]);
        }
    }

    private long EndOf(int partition, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var offsets = _consumer.QueryWatermarkOffsets(new TopicPartition(_topic, partition), Bound);
        return offsets.Low == 0
            ? _end[partition] = offsets.High.Value
            : throw new CannotBeAuditedException($"{_topic}[{partition}] begins at {offsets.Low}: what was before cannot be replayed. Keep the topic for good (retention.ms=-1) to have it audited.");
    }
}
