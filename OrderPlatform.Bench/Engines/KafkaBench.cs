using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using Confluent.Kafka.Admin;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Kafka;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Bench.Engines;

/// <summary>
/// The Kafka-protocol broker against librdkafka's mock cluster, in turns in one run; then the broker alone with more than
/// any memory should hold. The mock runs in this process, beside the client; the broker is a process of its own.
/// </summary>
internal static class KafkaBench
{
    /// <summary>57.6 MB: the mock drops what is beyond 5 MB a partition.</summary>
    private const int ComparedRecords = 144_000;

    private const int Rounds = 7;
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true };

    private sealed record Pass(string Cluster, Rate Produce, Rate Consume);

    private sealed record Alone(int Records, Rate Produce, Rate Consume, double ResidentMegabytesMax);

    public static async Task<int> RunAsync(string resultsFolder, int aloneRecords)
    {
        KafkaLibrary.Load();
        var data = Directory.CreateTempSubdirectory("orderplatform-bench-kafka-");
        try
        {
            await using var broker = await RunningEngine.StartAsync(new KafkaEngine(), data.FullName, 0, Console.Error.WriteLine, CancellationToken.None);
            var passes = new List<Pass>();
            // the first round warms the just-in-time compilers of both processes and is not counted
            for (var round = 0; round <= Rounds; round++)
            {
                Pass[] both = round % 2 == 0
                    ? [MockPass(), await BrokerPassAsync(broker, $"bench-{round}")]
                    : [await BrokerPassAsync(broker, $"bench-{round}"), MockPass()];
                foreach (var pass in both)
                {
                    Console.WriteLine($"round {round}: {pass.Cluster,-6} produce {pass.Produce.MegabytesPerSecond,6:0} MB/s, consume {pass.Consume.MegabytesPerSecond,6:0} MB/s");
                }
                passes.AddRange(round == 0 ? [] : both);
            }
            var alone = await AloneAsync(broker, aloneRecords);
            await WriteAsync(resultsFolder, passes, alone);
            return Ratio(passes, p => p.Produce) >= 1 && Ratio(passes, p => p.Consume) >= 1 && alone.ResidentMegabytesMax < 200 ? 0 : 1;
        }
        finally
        {
            data.Delete(recursive: true);
        }
    }

    private static Pass MockPass()
    {
        using var mock = new MockCluster("bench", KafkaLoad.Partitions);
        return new Pass("mock", KafkaLoad.Produce(mock.Bootstrap, "bench", ComparedRecords), KafkaLoad.Consume(mock.Bootstrap, "bench", ComparedRecords));
    }

    private static async Task<Pass> BrokerPassAsync(RunningEngine broker, string topic)
    {
        using var admin = Admin(broker);
        await CreateAsync(admin, topic);
        var pass = new Pass("broker", KafkaLoad.Produce(broker.Address, topic, ComparedRecords), KafkaLoad.Consume(broker.Address, topic, ComparedRecords));
        await admin.DeleteTopicsAsync([topic]);
        return pass;
    }

    private static async Task<Alone> AloneAsync(RunningEngine broker, int records)
    {
        using var admin = Admin(broker);
        await CreateAsync(admin, "alone");
        using var stop = new CancellationTokenSource();
        var resident = WatchResidentAsync(broker.Process.Id, stop.Token);
        var produce = KafkaLoad.Produce(broker.Address, "alone", records);
        var consume = KafkaLoad.Consume(broker.Address, "alone", records);
        await stop.CancelAsync();
        return new Alone(records, produce, consume, await resident / 1e6);
    }

    // the largest of samples taken every 100 ms
    private static async Task<double> WatchResidentAsync(int pid, CancellationToken stop)
    {
        var largest = 0.0;
        while (!stop.IsCancellationRequested)
        {
            using var process = System.Diagnostics.Process.GetProcessById(pid);
            largest = Math.Max(largest, process.WorkingSet64);
            await Task.Delay(100, CancellationToken.None);
        }
        return largest;
    }

    private static IAdminClient Admin(RunningEngine broker) => new AdminClientBuilder(new AdminClientConfig { BootstrapServers = broker.Address }).Build();

    private static Task CreateAsync(IAdminClient admin, string topic) =>
        admin.CreateTopicsAsync([new TopicSpecification { Name = topic, NumPartitions = KafkaLoad.Partitions, ReplicationFactor = 1 }]);

    private static double Median(IEnumerable<double> values) => values.Order().ToArray() is var sorted ? sorted[sorted.Length / 2] : 0;

    private static double MedianOf(List<Pass> passes, string cluster, Func<Pass, Rate> of) => Median(passes.Where(p => p.Cluster == cluster).Select(p => of(p).MegabytesPerSecond));

    private static double Ratio(List<Pass> passes, Func<Pass, Rate> of) => MedianOf(passes, "broker", of) / MedianOf(passes, "mock", of);

    private static async Task WriteAsync(string folder, List<Pass> passes, Alone alone)
    {
        var machine = new
        {
            cores = Environment.ProcessorCount,
            processor = File.Exists("/proc/cpuinfo") ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(": ")[^1] : null,
            system = RuntimeInformation.OSDescription,
            runtime = RuntimeInformation.FrameworkDescription,
            librdkafka = Library.VersionString,
        };
        var text = new StringBuilder()
            .AppendLine("# Kafka broker against librdkafka's mock cluster")
            .AppendLine()
            .AppendLine(CultureInfo.InvariantCulture, $"`dotnet run -c Release --project OrderPlatform.Bench -- kafka-broker` on {machine.cores} cores ({machine.processor}), {machine.system}, {machine.runtime}, librdkafka {machine.librdkafka}.")
            .AppendLine(CultureInfo.InvariantCulture, $"{ComparedRecords:N0} records of {KafkaLoad.RecordBytes} bytes (key, value and 3 headers together), {KafkaLoad.Partitions} partitions, medians of {Rounds} alternating rounds after one to warm up. Client, broker and mock share the cores; the mock keeps all in memory inside the client's process, the broker is a process of its own and writes to disk.")
            .AppendLine(CultureInfo.InvariantCulture, $"Client settings of both: {KafkaLoad.Settings}.")
            .AppendLine()
            .AppendLine("| | broker MB/s | mock MB/s | broker records/s | mock records/s | broker / mock |")
            .AppendLine("|---|---|---|---|---|---|");
        foreach (var (name, of) in ((string, Func<Pass, Rate>)[])[("produce", p => p.Produce), ("consume", p => p.Consume)])
        {
            var (broker, mock) = (MedianOf(passes, "broker", of), MedianOf(passes, "mock", of));
            text.AppendLine(CultureInfo.InvariantCulture, $"| {name} | {broker:0} | {mock:0} | {broker * 1e6 / KafkaLoad.RecordBytes:N0} | {mock * 1e6 / KafkaLoad.RecordBytes:N0} | {broker / mock:0.00} |");
        }
        text.AppendLine()
            .AppendLine(CultureInfo.InvariantCulture, $"Alone with {alone.Records:N0} records ({alone.Records * (double)KafkaLoad.RecordBytes / 1e9:0.0} GB), all kept and read back in order: produce {alone.Produce.MegabytesPerSecond:0} MB/s ({alone.Produce.RecordsPerSecond:N0} records/s), consume {alone.Consume.MegabytesPerSecond:0} MB/s ({alone.Consume.RecordsPerSecond:N0} records/s), the broker's resident memory at most {alone.ResidentMegabytesMax:0} MB.");
        Console.WriteLine(text);
        Directory.CreateDirectory(folder);
        await File.WriteAllTextAsync(Path.Combine(folder, "kafka-broker.md"), text.ToString());
        var results = new
        {
            machine,
            settings = KafkaLoad.Settings,
            rounds = passes.Select(p => new { p.Cluster, produceMBps = p.Produce.MegabytesPerSecond, consumeMBps = p.Consume.MegabytesPerSecond }),
            ratio = new { produce = Ratio(passes, p => p.Produce), consume = Ratio(passes, p => p.Consume) },
            alone = new { alone.Records, produceMBps = alone.Produce.MegabytesPerSecond, consumeMBps = alone.Consume.MegabytesPerSecond, alone.ResidentMegabytesMax },
        };
        await File.WriteAllTextAsync(Path.Combine(folder, "kafka-broker.json"), JsonSerializer.Serialize(results, Json));
    }
}
