using OrderPlatform.Engines.Kafka.Protocol;
using OrderPlatform.Engines.Kafka.Server;

namespace OrderPlatform.Engines.Kafka.Requests;

/// <summary>What a client asks first: versions, the node, the topics and where they are; and producer ids.</summary>
internal static class ClusterApi
{
    private const string Host = "127.0.0.1";

    /// <summary>No ACLs here, so operations are not listed: the protocol's own value for that.</summary>
    private const int OperationsUnknown = int.MinValue;

    private const string NoTransactions = "This broker has no transactions: leave transactional.id unset (enable.idempotence works).";

    public static void ApiVersions(Request request) => WriteApiVersions(request, ErrorCode.None);

    /// <summary>A version that is not known is answered in version 0, from which the client learns the right one (KIP-511).</summary>
    public static void RefuseApiVersions(Request request) => WriteApiVersions(request, ErrorCode.UnsupportedVersion);

    public static void Metadata(Request request)
    {
        var (reader, writer, version) = (request.Reader, request.Writer, request.Version);
        var asked = reader.NullableArray(r =>
        {
            var id = version >= 10 ? r.Uuid() : Guid.Empty;
            var name = version >= 10 ? r.NullableString() : r.String();
            r.Tags();
            return (Id: id, Name: name);
        });
        var mayCreate = (version < 4 || reader.Bool()) && request.Broker.Options.AutoCreateTopics;

        WriteThrottle(writer, version >= 3);
        WriteBrokers(request, withRack: version >= 1);
        if (version >= 2)
        {
            writer.String(request.Broker.ClusterId);
        }
        if (version >= 1)
        {
            writer.Int32(Broker.NodeId);
        }
        // version 0 asks for all topics by an empty list
        if (asked is null || (version == 0 && asked.Count == 0))
        {
            asked = [.. request.Broker.Topics.All.Select(t => (Guid.Empty, (string?)t.Name))];
        }
        writer.Array(asked, (_, topic) => WriteTopic(request, topic.Id, topic.Name, mayCreate));
        if (version is >= 8 and <= 10)
        {
            writer.Int32(OperationsUnknown);
        }
        writer.Tags();
    }

    public static void DescribeCluster(Request request)
    {
        request.Reader.Bool();
        var writer = request.Writer;
        WriteThrottle(writer);
        writer.Error(ErrorCode.None);
        writer.String(null);
        if (request.Version >= 1)
        {
            const sbyte Brokers = 1;
            writer.Int8(Brokers);
        }
        writer.String(request.Broker.ClusterId);
        writer.Int32(Broker.NodeId);
        WriteBrokers(request, withRack: true);
        writer.Int32(OperationsUnknown);
        writer.Tags();
    }

    public static void FindCoordinator(Request request)
    {
        var (reader, writer, version) = (request.Reader, request.Writer, request.Version);
        var key = version < 4 ? reader.String() : "";
        var isGroup = version < 1 || reader.Int8() == 0;
        var keys = version < 4 ? [key] : reader.Array(r => r.String());
        WriteThrottle(writer, version >= 1);
        if (version < 4)
        {
            WriteCoordinator(request, isGroup);
        }
        else
        {
            writer.Array(keys, (w, k) =>
            {
                w.String(k);
                WriteCoordinator(request, isGroup);
                w.Tags();
            });
        }
        writer.Tags();
    }

    public static void InitProducerId(Request request)
    {
        var writer = request.Writer;
        var isTransactional = request.Reader.NullableString() is not null;
        WriteThrottle(writer);
        if (isTransactional)
        {
            request.Broker.Log.TransactionsRefused(request.ClientId);
            WriteProducerId(writer, ErrorCode.TransactionalIdAuthorizationFailed, -1);
            return;
        }
        try
        {
            WriteProducerId(writer, ErrorCode.None, request.Broker.ProducerIds.Next());
        }
        catch (IOException e)
        {
            request.Broker.Log.WriteFailed("Producer ids", e.Message);
            WriteProducerId(writer, ErrorCode.KafkaStorageError, -1);
        }
    }

    /// <summary>No client is ever throttled; the field is there from some version on.</summary>
    public static void WriteThrottle(ProtocolWriter writer, bool exists = true)
    {
        if (exists)
        {
            writer.Int32(0);
        }
    }

    private static void WriteApiVersions(Request request, ErrorCode error)
    {
        var writer = request.Writer;
        writer.Error(error);
        writer.Array(Api.All, (w, api) =>
        {
            w.Int16((short)api.Key);
            w.Int16(api.Min);
            w.Int16(api.Max);
            w.Tags();
        });
        WriteThrottle(writer, error == ErrorCode.None && request.Version >= 1);
        writer.Tags();
    }

    private static void WriteTopic(Request request, Guid id, string? name, bool mayCreate)
    {
        var (writer, version, topics) = (request.Writer, request.Version, request.Broker.Topics);
        var error = ErrorCode.None;
        var topic = name is null ? topics.Find(id) : topics.Find(name);
        if (topic is null)
        {
            error = name is null ? ErrorCode.UnknownTopicId : mayCreate ? TryCreate(topics, name, out topic) : ErrorCode.UnknownTopicOrPartition;
        }
        writer.Error(error);
        writer.String(topic?.Name ?? (version >= 12 ? name : name ?? ""));
        if (version >= 10)
        {
            writer.Uuid(topic?.Id ?? id);
        }
        if (version >= 1)
        {
            writer.Bool(false);
        }
        writer.Array(Enumerable.Range(0, topic?.Partitions.Count ?? 0).ToArray(), (w, partition) => WritePartition(w, version, partition));
        if (version >= 8)
        {
            writer.Int32(OperationsUnknown);
        }
        writer.Tags();
    }

    private static ErrorCode TryCreate(TopicCatalog topics, string name, out Topic? topic)
    {
        topic = null;
        try
        {
            topic = topics.Create(name, 1, new Dictionary<string, string?>(), validateOnly: false);
            return ErrorCode.None;
        }
        catch (RefusedException e)
        {
            // another client may have been quicker
            topic = topics.Find(name);
            return topic is null ? e.Error : ErrorCode.None;
        }
        catch (IOException)
        {
            return ErrorCode.KafkaStorageError;
        }
    }

    private static void WritePartition(ProtocolWriter writer, short version, int partition)
    {
        writer.Error(ErrorCode.None);
        writer.Int32(partition);
        writer.Int32(Broker.NodeId);
        if (version >= 7)
        {
            writer.Int32(0);
        }
        writer.Array([Broker.NodeId], (w, node) => w.Int32(node));
        writer.Array([Broker.NodeId], (w, node) => w.Int32(node));
        if (version >= 5)
        {
            writer.ArrayLength(0);
        }
        writer.Tags();
    }

    private static void WriteBrokers(Request request, bool withRack) => request.Writer.Array([Broker.NodeId], (w, node) =>
    {
        w.Int32(node);
        w.String(Host);
        w.Int32(request.Broker.Port);
        if (withRack)
        {
            w.String(null);
        }
        w.Tags();
    });

    private static void WriteCoordinator(Request request, bool isGroup)
    {
        var (writer, version) = (request.Writer, request.Version);
        void Error()
        {
            writer.Error(isGroup ? ErrorCode.None : ErrorCode.TransactionalIdAuthorizationFailed);
            if (version >= 1)
            {
                writer.String(isGroup ? null : NoTransactions);
            }
        }
        if (version < 4)
        {
            Error();
        }
        writer.Int32(isGroup ? Broker.NodeId : -1);
        writer.String(isGroup ? Host : "");
        writer.Int32(isGroup ? request.Broker.Port : -1);
        if (version >= 4)
        {
            Error();
        }
    }

    private static void WriteProducerId(ProtocolWriter writer, ErrorCode error, long id)
    {
        writer.Error(error);
        writer.Int64(id);
        writer.Int16(id < 0 ? (short)-1 : (short)0);
        writer.Tags();
    }
}
