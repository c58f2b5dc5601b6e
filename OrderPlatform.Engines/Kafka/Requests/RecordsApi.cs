using OrderPlatform.Engines.Kafka.Protocol;
using OrderPlatform.Engines.Kafka.Server;
using OrderPlatform.Engines.Kafka.Storage;

namespace OrderPlatform.Engines.Kafka.Requests;

/// <summary>Records in, and where they are.</summary>
internal static class RecordsApi
{
    // the timestamps that mean something else (KIP-79, KIP-734, KIP-405, KIP-1005)
    private const long Latest = -1;
    private const long Earliest = -2;
    private const long Newest = -3;
    private const long EarliestLocal = -4;

    public static void Produce(Request request)
    {
        var (reader, writer, version) = (request.Reader, request.Writer, request.Version);
        var isTransactional = version >= 3 && reader.NullableString() is not null;
        var acks = reader.Int16();
        reader.Int32();
        // read to the end before anything is appended: a broken request changes nothing
        var topics = reader.Array(r =>
        {
            var topic = (Name: r.String(), Partitions: r.Array(p =>
            {
                var partition = (Index: p.Int32(), Records: p.Bytes());
                p.Tags();
                return partition;
            }));
            r.Tags();
            return topic;
        });
        request.IsUnanswered = acks == 0;
        var refusal = isTransactional ? ErrorCode.TransactionalIdAuthorizationFailed
            : acks is < -1 or > 1 ? ErrorCode.InvalidRequiredAcks
            : ErrorCode.None;

        writer.Array(topics, (w, topic) =>
        {
            w.String(topic.Name);
            var known = request.Broker.Topics.Find(topic.Name);
            w.Array(topic.Partitions, (_, partition) =>
            {
                var result = refusal != ErrorCode.None ? new AppendResult(refusal)
                    : known?.Partition(partition.Index)?.Append(partition.Records.Span) ?? new AppendResult(ErrorCode.UnknownTopicOrPartition);
                if (request.IsUnanswered && result.Error != ErrorCode.None)
                {
                    // the only way to tell a client that asked for no answer, and Apache Kafka's
                    throw new ConnectionDroppedException($"{result.Error} for a produce request with acks=0");
                }
                WriteAppended(w, version, partition.Index, result);
            });
            w.Tags();
        });
        ClusterApi.WriteThrottle(writer, version >= 1);
        writer.Tags();
    }

    public static void ListOffsets(Request request)
    {
        var (reader, writer, version) = (request.Reader, request.Writer, request.Version);
        reader.Int32();
        if (version >= 2)
        {
            reader.Int8();
        }
        var topics = reader.Array(r =>
        {
            var topic = (Name: r.String(), Partitions: r.Array(p =>
            {
                var partition = (Index: p.Int32(), LeaderEpoch: version >= 4 ? p.Int32() : -1, Timestamp: p.Int64());
                p.Tags();
                return partition;
            }));
            r.Tags();
            return topic;
        });

        ClusterApi.WriteThrottle(writer, version >= 2);
        writer.Array(topics, (w, topic) =>
        {
            w.String(topic.Name);
            var known = request.Broker.Topics.Find(topic.Name);
            w.Array(topic.Partitions, (_, partition) =>
            {
                var log = known?.Partition(partition.Index);
                var (error, offset, timestamp) =
                    log is null ? (ErrorCode.UnknownTopicOrPartition, -1, -1)
                    : partition.LeaderEpoch > 0 ? (ErrorCode.UnknownLeaderEpoch, -1, -1)
                    : OffsetAt(log, partition.Timestamp);
                w.Int32(partition.Index);
                w.Error(error);
                w.Int64(timestamp);
                w.Int64(offset);
                if (version >= 4)
                {
                    w.Int32(offset < 0 ? -1 : 0);
                }
                w.Tags();
            });
            w.Tags();
        });
        writer.Tags();
    }

    private static (ErrorCode Error, long Offset, long Timestamp) OffsetAt(PartitionLog log, long timestamp)
    {
        var (error, start, next, newest) = log.Borders();
        if (error != ErrorCode.None || timestamp is Latest)
        {
            return (error, next, -1);
        }
        if (timestamp is Earliest or EarliestLocal)
        {
            return (error, start, -1);
        }
        if (timestamp < Newest)
        {
            // there is no tiered storage to be asked about
            return (error, -1, -1);
        }
        (error, var found) = log.FindTimestamp(timestamp == Newest ? newest : timestamp);
        return (error, found?.Offset ?? -1, found?.Timestamp ?? -1);
    }

    private static void WriteAppended(ProtocolWriter writer, short version, int partition, AppendResult result)
    {
        writer.Int32(partition);
        writer.Error(result.Error);
        writer.Int64(result.BaseOffset);
        if (version >= 2)
        {
            // log append time: topics here keep the time of creation
            writer.Int64(-1);
        }
        if (version >= 5)
        {
            writer.Int64(result.StartOffset);
        }
        if (version >= 8)
        {
            writer.ArrayLength(0);
            writer.String(result.Message);
        }
        writer.Tags();
    }
}
