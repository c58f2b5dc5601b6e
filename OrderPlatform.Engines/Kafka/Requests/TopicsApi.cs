using OrderPlatform.Engines.Kafka.Protocol;
using OrderPlatform.Engines.Kafka.Server;
using OrderPlatform.Engines.Kafka.Storage;

namespace OrderPlatform.Engines.Kafka.Requests;

/// <summary>Topics made, deleted and described.</summary>
internal static class TopicsApi
{
    // ConfigSource and ConfigResource of the protocol
    private const sbyte SetForTopic = 1;
    private const sbyte SetForBroker = 4;
    private const sbyte DefaultValue = 5;
    private const sbyte TopicResource = 2;
    private const sbyte BrokerResource = 4;

    private sealed record NewTopic(string Name, int Partitions, short Replicas, List<(int Partition, List<int> Brokers)> Assignments, List<(string Name, string? Value)> Configs);

    private sealed record Config(string Name, string Value, sbyte Source, sbyte Type);

    public static void Create(Request request)
    {
        var (reader, writer, version) = (request.Reader, request.Writer, request.Version);
        var topics = reader.Array(ReadNewTopic);
        reader.Int32();
        var validateOnly = reader.Bool();

        ClusterApi.WriteThrottle(writer);
        writer.Array(topics, (w, asked) =>
        {
            var isTwice = topics.Count(t => t.Name == asked.Name) > 1;
            var (error, message, topic) = isTwice ? (ErrorCode.InvalidRequest, "The request names this topic more than once.", null) : TryCreate(request.Broker.Topics, asked, validateOnly);
            w.String(asked.Name);
            if (version >= 7)
            {
                w.Uuid(topic?.Id ?? Guid.Empty);
            }
            w.Error(error);
            w.String(message);
            if (version >= 5)
            {
                var made = error == ErrorCode.None;
                w.Int32(made ? PartitionsOf(asked) : -1);
                w.Int16(made ? (short)1 : (short)-1);
                w.Array(topic is null ? [] : ConfigsOf(topic), WriteCreatedConfig);
            }
            w.Tags();
        });
        writer.Tags();
    }

    public static void Delete(Request request)
    {
        var (reader, writer, version) = (request.Reader, request.Writer, request.Version);
        var asked = reader.Array(r =>
        {
            var name = version >= 6 ? r.NullableString() : r.String();
            var id = version >= 6 ? r.Uuid() : Guid.Empty;
            if (version >= 6)
            {
                r.Tags();
            }
            return (Name: name, Id: id);
        });
        ClusterApi.WriteThrottle(writer);
        writer.Array(asked, (w, topic) =>
        {
            var known = topic.Name is null ? request.Broker.Topics.Find(topic.Id) : request.Broker.Topics.Find(topic.Name);
            var error = known is null ? (topic.Name is null ? ErrorCode.UnknownTopicId : ErrorCode.UnknownTopicOrPartition) : TryDelete(request.Broker, known);
            w.String(known?.Name ?? topic.Name);
            if (version >= 6)
            {
                w.Uuid(known?.Id ?? topic.Id);
            }
            w.Error(error);
            if (version >= 5)
            {
                w.String(null);
            }
            w.Tags();
        });
        writer.Tags();
    }

    public static void DescribeConfigs(Request request)
    {
        var (reader, writer, version) = (request.Reader, request.Writer, request.Version);
        var resources = reader.Array(r =>
        {
            var resource = (Type: r.Int8(), Name: r.String(), Keys: r.NullableArray(k => k.String()));
            r.Tags();
            return resource;
        });
        ClusterApi.WriteThrottle(writer);
        writer.Array(resources, (w, resource) =>
        {
            var (error, message, configs) = Describe(request.Broker, resource.Type, resource.Name);
            w.Error(error);
            w.String(message);
            w.Int8(resource.Type);
            w.String(resource.Name);
            w.Array([.. configs.Where(c => resource.Keys is not { Count: > 0 } || resource.Keys.Contains(c.Name))], (_, config) => WriteDescribedConfig(w, version, config));
            w.Tags();
        });
        writer.Tags();
    }

    private static NewTopic ReadNewTopic(ProtocolReader reader)
    {
        var topic = new NewTopic(
            reader.String(),
            reader.Int32(),
            reader.Int16(),
            reader.Array(r =>
            {
                var assignment = (r.Int32(), r.Array(b => b.Int32()));
                r.Tags();
                return assignment;
            }),
            reader.Array(r =>
            {
                var config = (r.String(), r.NullableString());
                r.Tags();
                return config;
            }));
        reader.Tags();
        return topic;
    }

    private static (ErrorCode Error, string? Message, Topic? Topic) TryCreate(TopicCatalog topics, NewTopic asked, bool validateOnly)
    {
        try
        {
            if (asked.Assignments.Count == 0 && asked.Replicas is not (1 or -1))
            {
                return (ErrorCode.InvalidReplicationFactor, $"Replication factor {asked.Replicas} cannot be: this cluster has one broker.", null);
            }
            var isAssignable = asked.Assignments.OrderBy(a => a.Partition).Select((a, i) => a.Partition == i && a.Brokers is [Broker.NodeId]).All(fits => fits);
            if (!isAssignable)
            {
                return (ErrorCode.InvalidReplicaAssignment, $"Partitions must be numbered from 0, each on broker {Broker.NodeId} alone.", null);
            }
            var configs = new Dictionary<string, string?>();
            foreach (var (name, value) in asked.Configs)
            {
                configs[name] = value;
            }
            return (ErrorCode.None, null, topics.Create(asked.Name, PartitionsOf(asked), configs, validateOnly));
        }
        catch (RefusedException e)
        {
            return (e.Error, e.Message, null);
        }
        catch (IOException e)
        {
            return (ErrorCode.KafkaStorageError, "The broker could not write: " + e.Message, null);
        }
    }

    private static ErrorCode TryDelete(Broker broker, Topic topic)
    {
        try
        {
            if (!broker.Topics.Delete(topic))
            {
                return ErrorCode.UnknownTopicOrPartition;
            }
            broker.Offsets.TopicDeleted(topic.Id);
            return ErrorCode.None;
        }
        catch (IOException e)
        {
            broker.Log.WriteFailed(topic.Name, e.Message);
            return ErrorCode.KafkaStorageError;
        }
    }

    // -1 is the broker's default, and what comes with an assignment by hand
    private static int PartitionsOf(NewTopic topic) =>
        topic.Assignments.Count > 0 ? topic.Assignments.Count : topic.Partitions == -1 ? 1 : topic.Partitions;

    private static (ErrorCode Error, string? Message, IEnumerable<Config> Configs) Describe(Broker broker, sbyte type, string name) => type switch
    {
        TopicResource when broker.Topics.Find(name) is { } topic => (ErrorCode.None, null, ConfigsOf(topic)),
        TopicResource => (ErrorCode.UnknownTopicOrPartition, $"There is no topic '{name}'.", []),
        BrokerResource when name == $"{Broker.NodeId}" || name.Length == 0 => (ErrorCode.None, null,
        [
            new Config("auto.create.topics.enable", broker.Options.AutoCreateTopics ? "true" : "false", SetForBroker, 1),
            new Config("default.replication.factor", "1", DefaultValue, 3),
            new Config("num.partitions", "1", DefaultValue, 3),
        ]),
        BrokerResource => (ErrorCode.InvalidRequest, $"There is no broker {name}, only broker {Broker.NodeId}.", []),
        _ => (ErrorCode.InvalidRequest, "Only topics and brokers have configs here.", []),
    };

    private static List<Config> ConfigsOf(Topic topic) =>
        [.. TopicConfig.Definitions.Select(d => new Config(d.Name, topic.Config.Value(d.Name), topic.Config.IsSet(d.Name) ? SetForTopic : DefaultValue, d.Type))];

    private static void WriteCreatedConfig(ProtocolWriter writer, Config config)
    {
        writer.String(config.Name);
        writer.String(config.Value);
        writer.Bool(false);
        writer.Int8(config.Source);
        writer.Bool(false);
        writer.Tags();
    }

    private static void WriteDescribedConfig(ProtocolWriter writer, short version, Config config)
    {
        writer.String(config.Name);
        writer.String(config.Value);
        // nothing can be altered after a topic's creation
        writer.Bool(true);
        writer.Int8(config.Source);
        writer.Bool(false);
        writer.ArrayLength(0);
        if (version >= 3)
        {
            writer.Int8(config.Type);
            writer.String(null);
        }
        writer.Tags();
    }
}
