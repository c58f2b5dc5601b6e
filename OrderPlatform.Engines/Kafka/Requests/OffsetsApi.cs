using OrderPlatform.Engines.Kafka.Groups;
using OrderPlatform.Engines.Kafka.Protocol;

namespace OrderPlatform.Engines.Kafka.Requests;

/// <summary>Committed offsets, kept and given.</summary>
internal static class OffsetsApi
{
    // Apache Kafka's offset.metadata.max.bytes
    private const int MetadataBytesMax = 4096;

    private sealed record CommitTopic(string Name, List<(int Index, CommittedOffset Offset)> Partitions);

    private sealed record FetchTopic(string Name, List<int> Partitions);

    public static void Commit(Request request)
    {
        var (reader, writer, version) = (request.Reader, request.Writer, request.Version);
        var (groupId, generation, memberId) = (reader.String(), reader.Int32(), reader.String());
        var instanceId = version >= 7 ? reader.NullableString() : null;
        if (version <= 4)
        {
            // retention time: offsets are kept until their group or topic is deleted
            reader.Int64();
        }
        var topics = reader.Array(r => ReadCommitTopic(r, version));

        var refusal = groupId.Length == 0 ? ErrorCode.InvalidGroupId : request.Broker.Groups.MayCommit(groupId, memberId, instanceId, generation);
        var accepted = new Dictionary<TopicPartition, CommittedOffset>();
        var answers = topics.ConvertAll(topic =>
        {
            var known = request.Broker.Topics.Find(topic.Name);
            return (topic.Name, Partitions: topic.Partitions.ConvertAll(partition =>
            {
                var error = refusal != ErrorCode.None ? refusal
                    : known?.Partition(partition.Index) is null ? ErrorCode.UnknownTopicOrPartition
                    : partition.Offset.Metadata?.Length > MetadataBytesMax ? ErrorCode.OffsetMetadataTooLarge
                    : ErrorCode.None;
                if (error == ErrorCode.None)
                {
                    accepted[new TopicPartition(known!.Id, partition.Index)] = partition.Offset;
                }
                return (partition.Index, Error: error);
            }));
        });
        var failure = TryKeep(request, groupId, accepted);

        ClusterApi.WriteThrottle(writer, version >= 3);
        writer.Array(answers, (w, topic) =>
        {
            w.String(topic.Name);
            w.Array(topic.Partitions, (_, partition) =>
            {
                w.Int32(partition.Index);
                w.Error(partition.Error == ErrorCode.None ? failure : partition.Error);
                w.Tags();
            });
            w.Tags();
        });
        writer.Tags();
    }

    public static void Fetch(Request request)
    {
        var (reader, writer, version) = (request.Reader, request.Writer, request.Version);
        if (version < 8)
        {
            var (groupId, topics) = (reader.String(), reader.NullableArray(ReadFetchTopic));
            ClusterApi.WriteThrottle(writer, version >= 3);
            WriteOffsets(request, groupId, topics);
            if (version >= 2)
            {
                writer.Error(ErrorCode.None);
            }
            writer.Tags();
            return;
        }
        var groups = reader.Array(r =>
        {
            var id = r.String();
            if (version >= 9)
            {
                r.NullableString();
                r.Int32();
            }
            var topics = r.NullableArray(ReadFetchTopic);
            r.Tags();
            return (Id: id, Topics: topics);
        });
        ClusterApi.WriteThrottle(writer);
        writer.Array(groups, (w, group) =>
        {
            w.String(group.Id);
            WriteOffsets(request, group.Id, group.Topics);
            w.Error(ErrorCode.None);
            w.Tags();
        });
        writer.Tags();
    }

    private static CommitTopic ReadCommitTopic(ProtocolReader reader, short version)
    {
        var topic = new CommitTopic(reader.String(), reader.Array(p =>
        {
            var (index, offset) = (p.Int32(), p.Int64());
            var leaderEpoch = version >= 6 ? p.Int32() : -1;
            var metadata = p.NullableString();
            p.Tags();
            return (index, new CommittedOffset(offset, leaderEpoch, metadata));
        }));
        reader.Tags();
        return topic;
    }

    private static FetchTopic ReadFetchTopic(ProtocolReader reader)
    {
        var topic = new FetchTopic(reader.String(), reader.Array(p => p.Int32()));
        reader.Tags();
        return topic;
    }

    private static ErrorCode TryKeep(Request request, string groupId, Dictionary<TopicPartition, CommittedOffset> offsets)
    {
        try
        {
            if (offsets.Count > 0)
            {
                request.Broker.Offsets.Commit(groupId, offsets);
            }
            return ErrorCode.None;
        }
        catch (IOException e)
        {
            request.Broker.Log.WriteFailed("Group offsets", e.Message);
            return ErrorCode.KafkaStorageError;
        }
    }

    // no list asks for everything that the group has committed
    private static void WriteOffsets(Request request, string groupId, List<FetchTopic>? topics)
    {
        var version = request.Version;
        var offsets = request.Broker.Offsets.Of(groupId);
        topics ??= [.. offsets.Keys
            .GroupBy(p => p.Topic, p => p.Partition)
            .Select(g => request.Broker.Topics.Find(g.Key) is { } topic ? new FetchTopic(topic.Name, [.. g.Order()]) : null)
            .OfType<FetchTopic>()];
        request.Writer.Array(topics, (w, topic) =>
        {
            w.String(topic.Name);
            var id = request.Broker.Topics.Find(topic.Name)?.Id ?? Guid.Empty;
            w.Array(topic.Partitions, (_, partition) =>
            {
                var isCommitted = offsets.TryGetValue(new TopicPartition(id, partition), out var committed);
                w.Int32(partition);
                w.Int64(isCommitted ? committed.Offset : -1);
                if (version >= 5)
                {
                    w.Int32(isCommitted ? committed.LeaderEpoch : -1);
                }
                w.String(committed.Metadata ?? "");
                w.Error(ErrorCode.None);
                w.Tags();
            });
            w.Tags();
        });
    }
}
