using System.Text.Json;
using System.Text.RegularExpressions;
using OrderPlatform.Engines.Kafka.Protocol;
using OrderPlatform.Engines.Kafka.Storage;

namespace OrderPlatform.Engines.Kafka.Server;

/// <summary>A topic with its partitions' logs, numbered from 0.</summary>
internal sealed record Topic(string Name, Guid Id, TopicConfig Config, string Folder, IReadOnlyList<PartitionLog> Partitions)
{
    public PartitionLog? Partition(int index) => index >= 0 && index < Partitions.Count ? Partitions[index] : null;
}

/// <summary>A request that cannot be, with the protocol's code and a sentence for a person.</summary>
internal sealed class RefusedException(ErrorCode error, string message) : Exception(message)
{
    public ErrorCode Error { get; } = error;
}

/// <summary>
/// The topics, each a folder with its <c>topic.json</c> and a folder a partition. Topics come and go by a rename, so that
/// the end of the process at any moment leaves a whole topic or none.
/// </summary>
internal sealed partial class TopicCatalog
{
    private const int PartitionsMax = 1000;
    private const string MetadataFile = "topic.json";
    private const string Unfinished = ".new";
    private const string Deleted = ".deleted";

    private readonly Lock _changes = new();
    private readonly string _folder;
    private readonly TimeProvider _clock;
    private readonly KafkaLog _log;

    // replaced whole, so that readers need no lock
    private volatile IReadOnlyDictionary<string, Topic> _byName = new Dictionary<string, Topic>();
    private volatile IReadOnlyDictionary<Guid, Topic> _byId = new Dictionary<Guid, Topic>();

    private TopicCatalog(string folder, TimeProvider clock, KafkaLog log) => (_folder, _clock, _log) = (folder, clock, log);

    public IEnumerable<Topic> All => _byName.Values;

    /// <summary>Opens all topics, and removes what a creation or deletion left unfinished.</summary>
    /// <exception cref="LogDamagedException">A topic.json is damaged.</exception>
    public static TopicCatalog Open(string folder, TimeProvider clock, KafkaLog log)
    {
        var catalog = new TopicCatalog(Directory.CreateDirectory(folder).FullName, clock, log);
        var topics = new List<Topic>();
        foreach (var topicFolder in Directory.GetDirectories(folder))
        {
            if (topicFolder.EndsWith(Unfinished, StringComparison.Ordinal) || topicFolder.EndsWith(Deleted, StringComparison.Ordinal))
            {
                Directory.Delete(topicFolder, recursive: true);
            }
            else
            {
                topics.Add(catalog.OpenTopic(topicFolder));
            }
        }
        catalog.Publish(topics);
        return catalog;
    }

    public Topic? Find(string name) => _byName.GetValueOrDefault(name);

    public Topic? Find(Guid id) => _byId.GetValueOrDefault(id);

    /// <summary>Makes the topic, or only says whether it could be made.</summary>
    /// <exception cref="RefusedException">It cannot be.</exception>
    /// <exception cref="IOException">The disk does not take it.</exception>
    public Topic? Create(string name, int partitions, IReadOnlyDictionary<string, string?> configs, bool validateOnly)
    {
        if (name is "." or ".." || !LegalName().IsMatch(name))
        {
            throw new RefusedException(ErrorCode.InvalidTopic, $"The topic name '{name}' is not legal: 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-'.");
        }
        if (partitions is < 1 or > PartitionsMax)
        {
            throw new RefusedException(ErrorCode.InvalidPartitions, $"{partitions} partitions cannot be: this broker makes 1 to {PartitionsMax}.");
        }
        if (configs.Select(c => TopicConfig.Fault(c.Key, c.Value)).FirstOrDefault(f => f is not null) is { } fault)
        {
            throw new RefusedException(ErrorCode.InvalidConfig, fault);
        }
        lock (_changes)
        {
            if (Find(name) is not null)
            {
                throw new RefusedException(ErrorCode.TopicAlreadyExists, $"Topic '{name}' already exists.");
            }
            if (validateOnly)
            {
                return null;
            }
            var topic = OpenTopic(MakeFolder(new TopicMetadata(1, name, Guid.NewGuid(), partitions, configs.ToDictionary(c => c.Key, c => c.Value!))));
            Publish([.. All, topic]);
            _log.TopicCreated(name, partitions);
            return topic;
        }
    }

    /// <summary>False when it is gone already.</summary>
    /// <exception cref="IOException">The disk does not let it go.</exception>
    public bool Delete(Topic topic)
    {
        lock (_changes)
        {
            if (Find(topic.Id) is null)
            {
                return false;
            }
            Directory.Move(topic.Folder, topic.Folder + Deleted);
            Publish(All.Where(t => t.Id != topic.Id));
        }
        foreach (var partition in topic.Partitions)
        {
            partition.Abandon();
        }
        Directory.Delete(topic.Folder + Deleted, recursive: true);
        _log.TopicDeleted(topic.Name);
        return true;
    }

    public void ApplyRetention()
    {
        foreach (var partition in All.SelectMany(t => t.Partitions))
        {
            partition.ApplyRetention();
        }
    }

    public void Close() => Parallel.ForEach(All.SelectMany(t => t.Partitions), p => p.Close());

    private void Publish(IEnumerable<Topic> topics)
    {
        var byName = topics.ToDictionary(t => t.Name);
        _byId = byName.Values.ToDictionary(t => t.Id);
        _byName = byName;
    }

    private string MakeFolder(TopicMetadata metadata)
    {
        // with the id, for file systems that take Orders and orders for the same
        var folder = Path.Combine(_folder, $"{metadata.Name}@{metadata.Id:n}");
        var unfinished = folder + Unfinished;
        for (var p = 0; p < metadata.Partitions; p++)
        {
            Directory.CreateDirectory(Path.Combine(unfinished, $"{p}"));
        }
        File.WriteAllBytes(Path.Combine(unfinished, MetadataFile), JsonSerializer.SerializeToUtf8Bytes(metadata, TopicMetadata.Json));
        Directory.Move(unfinished, folder);
        return folder;
    }

    private Topic OpenTopic(string folder)
    {
        var path = Path.Combine(folder, MetadataFile);
        try
        {
            var metadata = JsonSerializer.Deserialize<TopicMetadata>(File.ReadAllBytes(path), TopicMetadata.Json)!;
            var config = new TopicConfig(metadata.Configs);
            var partitions = new PartitionLog[metadata.Partitions];
            Parallel.For(0, partitions.Length, p => partitions[p] = PartitionLog.Open(Path.Combine(folder, $"{p}"), $"{metadata.Name}-{p}", config, _clock, _log));
            return new Topic(metadata.Name, metadata.Id, config, folder, partitions);
        }
        catch (Exception e) when (e is JsonException or FileNotFoundException)
        {
            throw new LogDamagedException($"{path} is damaged or gone. Put it back from a copy, or move its folder out of the data folder to start without this topic.");
        }
    }

    [GeneratedRegex("^[a-zA-Z0-9._-]{1,249}$(?!\n)", RegexOptions.ExplicitCapture)]
    private static partial Regex LegalName();

    /// <summary>The content of topic.json.</summary>
    private sealed record TopicMetadata(int Format, string Name, Guid Id, int Partitions, IReadOnlyDictionary<string, string> Configs)
    {
        public static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };
    }
}
