using System.Runtime.InteropServices;
using OrderPlatform.Engines.Kafka.Protocol;

namespace OrderPlatform.Engines.Kafka.Storage;

/// <summary>A batch that a producer has appended: enough to answer its repetition.</summary>
internal readonly record struct ProducedBatch(int FirstSequence, int LastSequence, long BaseOffset);

/// <summary>What a partition remembers of one idempotent producer.</summary>
internal sealed class ProducerState
{
    /// <summary>A producer has at most five requests in flight (KIP-98), so no older batch can come again.</summary>
    public const int BatchesMax = 5;

    public short Epoch { get; set; }

    /// <summary>Unix milliseconds, by the broker's clock.</summary>
    public long LastAppended { get; set; }

    /// <summary>Oldest first.</summary>
    public List<ProducedBatch> Batches { get; } = new(BatchesMax);
}

/// <summary>The sequence checks that make produce requests of idempotent producers exactly-once in a partition (KIP-98, KIP-360).</summary>
internal sealed class ProducerStates
{
    /// <summary>Apache Kafka's producer.id.expiration.ms.</summary>
    private static readonly TimeSpan Expiry = TimeSpan.FromDays(1);

    private readonly Dictionary<long, ProducerState> _producers = [];

    public int Count => _producers.Count;

    /// <summary>May the batch be appended? A repeated one gives the offset it has already.</summary>
    public ErrorCode Check(in RecordBatchHeader batch, out long? alreadyAt)
    {
        alreadyAt = null;
        // unknown here, or known and forgotten: the producer may begin anywhere (KIP-360)
        if (!batch.IsIdempotent || !_producers.TryGetValue(batch.ProducerId, out var producer))
        {
            return ErrorCode.None;
        }
        if (batch.ProducerEpoch < producer.Epoch)
        {
            return ErrorCode.InvalidProducerEpoch;
        }
        if (batch.ProducerEpoch > producer.Epoch)
        {
            return batch.BaseSequence == 0 ? ErrorCode.None : ErrorCode.OutOfOrderSequenceNumber;
        }
        foreach (var appended in producer.Batches)
        {
            if (appended.FirstSequence == batch.BaseSequence && appended.LastSequence == batch.LastSequence)
            {
                alreadyAt = appended.BaseOffset;
                return ErrorCode.None;
            }
        }
        var expected = unchecked(producer.Batches[^1].LastSequence + 1) & int.MaxValue;
        return batch.BaseSequence == expected ? ErrorCode.None : ErrorCode.OutOfOrderSequenceNumber;
    }

    /// <summary>Remembers a batch that was appended, or was found in the log at recovery.</summary>
    public void Appended(in RecordBatchHeader batch, long now)
    {
        if (!batch.IsIdempotent)
        {
            return;
        }
        ref var producer = ref CollectionsMarshal.GetValueRefOrAddDefault(_producers, batch.ProducerId, out _);
        producer ??= new ProducerState();
        if (producer.Epoch != batch.ProducerEpoch)
        {
            producer.Batches.Clear();
        }
        if (producer.Batches.Count == ProducerState.BatchesMax)
        {
            producer.Batches.RemoveAt(0);
        }
        producer.Epoch = batch.ProducerEpoch;
        producer.LastAppended = now;
        producer.Batches.Add(new ProducedBatch(batch.BaseSequence, batch.LastSequence, batch.BaseOffset));
    }

    /// <summary>Forgets producers that have been silent for a day, so that memory follows those alive.</summary>
    public void Expire(long now)
    {
        foreach (var (id, producer) in _producers)
        {
            if (now - producer.LastAppended > Expiry.TotalMilliseconds)
            {
                _producers.Remove(id);
            }
        }
    }

    public void Write(BinaryWriter to)
    {
        to.Write(_producers.Count);
        foreach (var (id, producer) in _producers)
        {
            to.Write(id);
            to.Write(producer.Epoch);
            to.Write(producer.LastAppended);
            to.Write((byte)producer.Batches.Count);
            foreach (var batch in producer.Batches)
            {
                to.Write(batch.FirstSequence);
                to.Write(batch.LastSequence);
                to.Write(batch.BaseOffset);
            }
        }
    }

    public static ProducerStates Read(BinaryReader from)
    {
        var states = new ProducerStates();
        for (var count = from.ReadInt32(); count > 0; count--)
        {
            var id = from.ReadInt64();
            var producer = new ProducerState { Epoch = from.ReadInt16(), LastAppended = from.ReadInt64() };
            for (var batches = from.ReadByte(); batches > 0; batches--)
            {
                producer.Batches.Add(new ProducedBatch(from.ReadInt32(), from.ReadInt32(), from.ReadInt64()));
            }
            states._producers.Add(id, producer);
        }
        return states;
    }
}
