using OrderPlatform.Engines.Kafka.Groups;
using OrderPlatform.Engines.Kafka.Storage;

namespace OrderPlatform.Engines.Kafka.Server;

/// <summary>All that one broker is: its topics, groups and ids on one data folder, which it holds alone.</summary>
internal sealed class Broker : IDisposable
{
    /// <summary>The only node of its cluster.</summary>
    public const int NodeId = 1;

    private readonly FileStream _folderLock;

    private Broker(FileStream folderLock, KafkaOptions options, KafkaLog log)
    {
        _folderLock = folderLock;
        (Options, Port) = (options, options.Port);
        Log = log;
        ClusterId = ReadClusterId(Path.Combine(options.DataFolder, "cluster-id"));
        Topics = TopicCatalog.Open(Path.Combine(options.DataFolder, "topics"), options.Clock, log);
        Offsets = OffsetStore.Open(options.DataFolder, id => Topics.Find(id) is not null, log);
        Groups = new GroupCoordinator(Offsets, options.Clock, log);
        ProducerIds = new ProducerIds(options.DataFolder);
    }

    public KafkaOptions Options { get; }
    public KafkaLog Log { get; }
    public string ClusterId { get; }
    public TopicCatalog Topics { get; }
    public OffsetStore Offsets { get; }
    public GroupCoordinator Groups { get; }
    public ProducerIds ProducerIds { get; }

    /// <summary>Where clients find it, on 127.0.0.1.</summary>
    public int Port { get; set; }

    /// <exception cref="EngineException">The data folder is in use, or what is in it is damaged.</exception>
    public static Broker Open(KafkaOptions options, KafkaLog log)
    {
        Directory.CreateDirectory(options.DataFolder);
        FileStream folderLock;
        try
        {
            folderLock = new FileStream(Path.Combine(options.DataFolder, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e)
        {
            throw new EngineException($"{options.DataFolder} is in use by another broker: stop that one, or give this one another folder with --data.", e);
        }
        try
        {
            return new Broker(folderLock, options, log);
        }
        catch (LogDamagedException e)
        {
            folderLock.Dispose();
            throw new EngineException(e.Message, e);
        }
    }

    public void Dispose()
    {
        Groups.Dispose();
        Topics.Close();
        Offsets.Dispose();
        _folderLock.Dispose();
    }

    // 22 characters of base64, as Apache Kafka's
    private static string ReadClusterId(string path)
    {
        if (!File.Exists(path))
        {
            SealedFile.Replace(path, System.Text.Encoding.ASCII.GetBytes(System.Buffers.Text.Base64Url.EncodeToString(Guid.NewGuid().ToByteArray())));
        }
        return File.ReadAllText(path);
    }
}
