using System.Collections.Concurrent;
using System.Globalization;
using Confluent.Kafka;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Kafka;
using OrderPlatform.Engines.Processes;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Tests.Engines.Kafka;

/// <summary>A disk that is full in the middle of a write, by the operating system's own limit on the size of a file.</summary>
public sealed class FullDiskTests(EngineFixture engines)
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Producers_get_a_storage_error_reads_go_on_and_writing_works_again_when_there_is_space()
    {
        var cancellation = TestContext.Current.CancellationToken;
        await engines.KafkaClientAsync(cancellation);
        using var folder = new TemporaryFolder();
        var lines = new ConcurrentQueue<string>();
        const string Topic = "full";
        await using (var limited = await RunningEngine.StartAsync(new FileSizeLimited(kilobytes: 64), folder.Path, 0, lines.Enqueue, cancellation))
        {
            using var admin = new AdminClientBuilder(new AdminClientConfig { BootstrapServers = limited.Address }).Build();
            await admin.CreateTopicsAsync([new() { Name = Topic, NumPartitions = 2, ReplicationFactor = 1 }]);
            using var producer = Producer(limited.Address);
            for (var i = 0; i < 6; i++)
            {
                (await producer.ProduceAsync(new TopicPartition(Topic, 0), Message(i, 10_000), cancellation)).Offset.Value.ShouldBe(i);
            }

            var failed = await Should.ThrowAsync<ProduceException<Null, string>>(() => producer.ProduceAsync(new TopicPartition(Topic, 0), Message(6, 10_000)));

            failed.Error.Code.ShouldBe(ErrorCode.KafkaStorageError);
            Values(limited.Address, Topic, 6).ShouldBe(["0", "1", "2", "3", "4", "5"]);
            // what still fits, and other partitions, are taken; the torn bytes are not in the way
            (await producer.ProduceAsync(new TopicPartition(Topic, 0), Message(6, 100), cancellation)).Offset.Value.ShouldBe(6);
            (await producer.ProduceAsync(new TopicPartition(Topic, 1), Message(0, 100), cancellation)).Offset.Value.ShouldBe(0);
        }

        await using var broker = await RunningEngine.StartAsync(new KafkaEngine(), folder.Path, 0, lines.Enqueue, cancellation);
        using var again = Producer(broker.Address);
        (await again.ProduceAsync(new TopicPartition(Topic, 0), Message(7, 10_000), cancellation)).Offset.Value.ShouldBe(7);
        Values(broker.Address, Topic, 8).ShouldBe(["0", "1", "2", "3", "4", "5", "6", "7"]);
        string.Join('\n', lines).ShouldContain("full-0 answers KAFKA_STORAGE_ERROR");
        string.Join('\n', lines).ShouldContain("full-0: writing works again");
        string.Join('\n', lines).ShouldNotContain("cut off");
    }

    private static Message<Null, string> Message(int i, int size) => new() { Value = string.Create(CultureInfo.InvariantCulture, $"{i}").PadRight(size) };

    private static IProducer<Null, string> Producer(string address) =>
        new ProducerBuilder<Null, string>(new ProducerConfig { BootstrapServers = address, MessageSendMaxRetries = 0, MessageTimeoutMs = 10_000 }).Build();

    private static List<string> Values(string address, string topic, int count)
    {
        using var consumer = new ConsumerBuilder<Null, string>(new ConsumerConfig { BootstrapServers = address, GroupId = "full" }).Build();
        consumer.Assign(new TopicPartitionOffset(topic, 0, Offset.Beginning));
        return [.. Enumerable.Range(0, count).Select(_ => consumer.Consume(Bound).ShouldNotBeNull().Message.Value.TrimEnd())];
    }

    /// <summary>The broker under <c>ulimit -f</c>: a write beyond it stores what fits and fails, as on a full disk.</summary>
    private sealed class FileSizeLimited(int kilobytes) : IEngine
    {
        private readonly KafkaEngine _engine = new();

        public string Name => _engine.Name;

        public IReadOnlyList<string> Missing() => _engine.Missing();

        public Task GetAsync(CancellationToken cancellation) => _engine.GetAsync(cancellation);

        public async Task<ChildCommand> PrepareAsync(string dataFolder, int port, CancellationToken cancellation)
        {
            var command = await _engine.PrepareAsync(dataFolder, port, cancellation);
            // the shell counts blocks of 512 bytes
            return command with
            {
                FileName = "sh",
                Arguments = ["-c", $"trap '' XFSZ; ulimit -f {kilobytes * 2}; exec \"$@\"", "limited", command.FileName, .. command.Arguments],
                // the runtime's own double mapping of code would need a larger file
                Environment = new Dictionary<string, string>(command.Environment) { ["DOTNET_EnableWriteXorExecute"] = "0" },
            };
        }

        public Task<bool> IsReadyAsync(int port, CancellationToken cancellation) => _engine.IsReadyAsync(port, cancellation);
    }
}
