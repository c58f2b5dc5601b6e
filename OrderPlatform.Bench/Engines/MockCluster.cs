using System.Runtime.InteropServices;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Bench.Engines;

/// <summary>
/// librdkafka's built-in mock cluster (src/rdkafka_mock.h), which keeps the last 5 MB of a partition in memory: the
/// yardstick of the broker.
/// </summary>
internal sealed partial class MockCluster : IDisposable
{
    private const string Librdkafka = "librdkafka";

    private readonly nint _client;
    private readonly nint _cluster;

    static MockCluster() => NativeLibrary.SetDllImportResolver(
        typeof(MockCluster).Assembly, (name, _, _) => name == Librdkafka && Environment.GetEnvironmentVariable(KafkaLibrary.PathVariable) is { Length: > 0 } path ? NativeLibrary.Load(path) : 0);

    public MockCluster(string topic, int partitions)
    {
        const int Producer = 0;
        var error = new byte[512];
        _client = New(Producer, NewConfig(), error, (nuint)error.Length);
        _cluster = NewCluster(_client, 1);
        if (CreateTopic(_cluster, topic, partitions, 1) != 0)
        {
            throw new InvalidOperationException("The mock cluster did not make its topic.");
        }
    }

    public string Bootstrap => Marshal.PtrToStringUTF8(Bootstraps(_cluster))!;

    public void Dispose()
    {
        DestroyCluster(_cluster);
        Destroy(_client);
    }

    [LibraryImport(Librdkafka, EntryPoint = "rd_kafka_conf_new")]
    private static partial nint NewConfig();

    [LibraryImport(Librdkafka, EntryPoint = "rd_kafka_new")]
    private static partial nint New(int type, nint config, [Out] byte[] error, nuint errorSize);

    [LibraryImport(Librdkafka, EntryPoint = "rd_kafka_destroy")]
    private static partial void Destroy(nint client);

    [LibraryImport(Librdkafka, EntryPoint = "rd_kafka_mock_cluster_new")]
    private static partial nint NewCluster(nint client, int brokers);

    [LibraryImport(Librdkafka, EntryPoint = "rd_kafka_mock_cluster_destroy")]
    private static partial void DestroyCluster(nint cluster);

    [LibraryImport(Librdkafka, EntryPoint = "rd_kafka_mock_cluster_bootstraps")]
    private static partial nint Bootstraps(nint cluster);

    [LibraryImport(Librdkafka, EntryPoint = "rd_kafka_mock_topic_create", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int CreateTopic(nint cluster, string topic, int partitions, int replicas);
}
