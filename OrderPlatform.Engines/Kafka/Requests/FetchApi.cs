using OrderPlatform.Engines.Kafka.Protocol;
using OrderPlatform.Engines.Kafka.Server;
using OrderPlatform.Engines.Kafka.Storage;

namespace OrderPlatform.Engines.Kafka.Requests;

/// <summary>
/// Records out. An answer waits until the least number of bytes is there or the client's patience ends, woken by appends;
/// the batches themselves are sent out of the files behind it. Every fetch is a full one: no session is ever opened (KIP-227).
/// </summary>
internal static class FetchApi
{
    private const int BytesMax = 100 << 20;

    /// <summary>
    /// What an answer aims at, shared evenly by the partitions asked for: a client reads an answer only when it is whole,
    /// so that several of a few MB keep both sides at work where one of many MB lets each wait for the other.
    /// </summary>
    private const int BytesAimed = 2 << 20;

    private const int PartitionBytesMin = 64 * 1024;

    private sealed record Wanted(int Partition, int LeaderEpoch, long Offset, int BytesMax, PartitionLog? Log);

    private sealed record WantedTopic(string Name, Guid Id, bool IsKnown, List<Wanted> Partitions);

    private sealed record Fetch(TimeSpan WaitMax, int BytesMin, int BytesMax, int SessionId, List<WantedTopic> Topics)
    {
        public int PartitionCount => Topics.Sum(t => t.Partitions.Count);

        public IEnumerable<Wanted> Partitions => Topics.SelectMany(t => t.Partitions);
    }

    public static async ValueTask AnswerAsync(Request request)
    {
        var fetch = Read(request);
        var results = new List<ReadResult>();
        if (!TryFill(fetch, results))
        {
            await WaitAsync(fetch, results, request);
        }
        Write(request, fetch, results);
    }

    private static Fetch Read(Request request)
    {
        var (reader, version, topics) = (request.Reader, request.Version, request.Broker.Topics);
        if (version <= 14)
        {
            reader.Int32();
        }
        var waitMax = TimeSpan.FromMilliseconds(Math.Max(0, reader.Int32()));
        var bytesMin = reader.Int32();
        var bytesMax = Math.Min(reader.Int32(), BytesMax);
        reader.Int8();
        var sessionId = version >= 7 ? reader.Int32() : 0;
        if (version >= 7)
        {
            reader.Int32();
        }
        var wanted = reader.Array(r =>
        {
            var name = version <= 12 ? r.String() : "";
            var id = version >= 13 ? r.Uuid() : Guid.Empty;
            var topic = version <= 12 ? topics.Find(name) : topics.Find(id);
            var partitions = r.Array(p => ReadPartition(p, version, topic));
            r.Tags();
            return new WantedTopic(name, id, topic is not null, partitions);
        });
        return new Fetch(waitMax, bytesMin, bytesMax, sessionId, wanted);
    }

    private static Wanted ReadPartition(ProtocolReader reader, short version, Topic? topic)
    {
        var index = reader.Int32();
        var leaderEpoch = version >= 9 ? reader.Int32() : -1;
        var offset = reader.Int64();
        if (version >= 12)
        {
            reader.Int32();
        }
        if (version >= 5)
        {
            reader.Int64();
        }
        var bytesMax = Math.Max(0, reader.Int32());
        reader.Tags();
        return new Wanted(index, leaderEpoch, offset, bytesMax, topic?.Partition(index));
    }

    // reads what there is; true when it is enough to be sent: an error always is
    private static bool TryFill(Fetch fetch, List<ReadResult> results)
    {
        results.Clear();
        var (filled, hasError) = (0, false);
        var share = Math.Max(PartitionBytesMin, BytesAimed / Math.Max(1, fetch.PartitionCount));
        foreach (var wanted in fetch.Partitions)
        {
            var bytesMax = Math.Min(Math.Min(wanted.BytesMax, share), fetch.BytesMax - filled);
            var result =
                wanted.Log is null ? new ReadResult(ErrorCode.UnknownTopicOrPartition, -1, -1)
                : wanted.LeaderEpoch > 0 ? new ReadResult(ErrorCode.UnknownLeaderEpoch, -1, -1)
                : wanted.Log.Read(wanted.Offset, bytesMax, atLeastOneBatch: filled == 0);
            results.Add(result);
            filled += result.Slice?.Length ?? 0;
            hasError |= result.Error != ErrorCode.None;
        }
        return hasError || filled >= fetch.BytesMin || fetch.WaitMax == TimeSpan.Zero || fetch.SessionId != 0;
    }

    private static async Task WaitAsync(Fetch fetch, List<ReadResult> results, Request request)
    {
        var signal = new AppendSignal();
        await using var patience = request.Broker.Options.Clock.CreateTimer(s => ((AppendSignal)s!).End(), signal, fetch.WaitMax, Timeout.InfiniteTimeSpan);
        await using var closed = request.Closed.UnsafeRegister(s => ((AppendSignal)s!).End(), signal);
        foreach (var wanted in fetch.Partitions)
        {
            wanted.Log?.Subscribe(signal);
        }
        try
        {
            while (true)
            {
                signal.Reset();
                Release(results);
                // after the reset, so that no append is missed
                if (TryFill(fetch, results) || signal.IsOver)
                {
                    return;
                }
                await signal.Task;
            }
        }
        finally
        {
            foreach (var wanted in fetch.Partitions)
            {
                wanted.Log?.Unsubscribe(signal);
            }
        }
    }

    private static void Release(List<ReadResult> results)
    {
        foreach (var result in results)
        {
            result.Slice?.Segment.Release();
        }
        results.Clear();
    }

    private static void Write(Request request, Fetch fetch, List<ReadResult> results)
    {
        var (writer, version) = (request.Writer, request.Version);
        ClusterApi.WriteThrottle(writer);
        if (version >= 7)
        {
            writer.Error(fetch.SessionId == 0 ? ErrorCode.None : ErrorCode.FetchSessionIdNotFound);
            writer.Int32(0);
        }
        var next = 0;
        writer.Array(fetch.Topics, (w, topic) =>
        {
            if (version <= 12)
            {
                w.String(topic.Name);
            }
            else
            {
                w.Uuid(topic.Id);
            }
            w.Array(topic.Partitions, (_, wanted) => WritePartition(request, topic, wanted, results[next++]));
            w.Tags();
        });
        writer.Tags();
    }

    private static void WritePartition(Request request, WantedTopic topic, Wanted wanted, ReadResult result)
    {
        var (writer, version) = (request.Writer, request.Version);
        writer.Int32(wanted.Partition);
        writer.Error(version >= 13 && !topic.IsKnown ? ErrorCode.UnknownTopicId : result.Error);
        writer.Int64(result.NextOffset);
        // without transactions everything is stable
        writer.Int64(result.NextOffset);
        if (version >= 5)
        {
            writer.Int64(result.StartOffset);
        }
        writer.ArrayLength(-1);
        if (version >= 11)
        {
            writer.Int32(-1);
        }
        writer.BytesLength(result.Slice?.Length ?? 0);
        if (result.Slice is { } slice)
        {
            request.Slices.Add((writer.Length, slice));
        }
        writer.Tags();
    }
}
