using System.Collections.Concurrent;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Tests.Engines.Kafka;

/// <summary>The broker through clients of other languages, by small scripts under <c>clients/</c> that check for themselves.</summary>
public sealed class OtherClientsTests(KafkaFixture broker, ITestOutputHelper output) : IClassFixture<KafkaFixture>
{
    // the distribution's python, which has the distribution's packages
    private const string Python = "/usr/bin/python3";
    private const string KafkaJs = "kafkajs@2.2.4";
    private const string Platformatic = "@platformatic/kafka@1.35.0";

    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(120);
    private static readonly string Scripts = Path.Combine(AppContext.BaseDirectory, "Engines", "Kafka", "clients");

    [Theory]
    [InlineData(KafkaJs, "kafkajs.mjs")]
    [InlineData(Platformatic, "platformatic.mjs")]
    public async Task Npm(string package, string script)
    {
        var folder = await InstalledAsync(package);
        File.Copy(Path.Combine(Scripts, script), Path.Combine(folder, script), overwrite: true);

        var (exit, lines) = await RunAsync(new ChildCommand("node", [script, broker.Address]) { WorkingDirectory = folder });

        lines.LastOrDefault().ShouldBe("ok", string.Join('\n', lines));
        exit.ShouldBe(0);
    }

    [Fact]
    public async Task Debians_kafka_python()
    {
        if (!File.Exists(Python) || (await RunAsync(new ChildCommand(Python, ["-c", "import kafka"]))).Exit != 0)
        {
            output.WriteLine("python3-kafka is not on this machine, so only its absence was seen: apt-get install python3-kafka.");
            return;
        }

        var (exit, lines) = await RunAsync(new ChildCommand(Python, [Path.Combine(Scripts, "python_kafka.py"), broker.Address]));

        lines.LastOrDefault().ShouldBe("ok", string.Join('\n', lines));
        exit.ShouldBe(0);
    }

    [Fact]
    public async Task Debians_kcat()
    {
        if (!File.Exists("/usr/bin/kcat"))
        {
            output.WriteLine("kcat is not on this machine, so only its absence was seen: apt-get install kcat.");
            return;
        }
        var topic = await broker.NewTopicAsync(1);
        async Task<string[]> Kcat(string arguments)
        {
            var (exit, lines) = await RunAsync(new ChildCommand("sh", ["-c", $"timeout 60 kcat -q -b {broker.Address} {arguments}"]));
            exit.ShouldBe(0, string.Join('\n', lines));
            return lines;
        }
        foreach (var codec in (string[])["none", "gzip", "snappy", "lz4"])
        {
            await Kcat($"-t {topic} -P -K: -z {codec} -X enable.idempotence=true -H index={codec} <<'END'\nkey:{codec}-1\nkey:{codec}-2\nEND");
        }

        (await Kcat($"-t {topic} -C -o beginning -e -f '%o %k %s %h\\n'")).ShouldBe(
        [
            "0 key none-1 index=none", "1 key none-2 index=none", "2 key gzip-1 index=gzip", "3 key gzip-2 index=gzip",
            "4 key snappy-1 index=snappy", "5 key snappy-2 index=snappy", "6 key lz4-1 index=lz4", "7 key lz4-2 index=lz4",
        ]);
        (await Kcat($"-G kcat-group -o beginning -c 8 {topic}")).Length.ShouldBe(8);
        (await Kcat($"-L -t {topic}")).ShouldContain(l => l.Contains("with 1 partitions"));
        (await Kcat($"-Q -t {topic}:0:0")).ShouldContain(l => l.Contains("[0] offset 0"));
    }

    // into a folder that later runs find again
    private static async Task<string> InstalledAsync(string package)
    {
        var folder = Directory.CreateDirectory(Path.Combine(Path.GetTempPath(), $"orderplatform-npm-{package.Replace('/', '-').Replace("@", "", StringComparison.Ordinal)}")).FullName;
        if (!File.Exists(Path.Combine(folder, "installed")))
        {
            var (exit, lines) = await RunAsync(new ChildCommand("npm", ["install", "--no-audit", "--no-fund", "--prefix", folder, package]) { WorkingDirectory = folder });
            exit.ShouldBe(0, string.Join('\n', lines));
            await File.WriteAllTextAsync(Path.Combine(folder, "installed"), package, TestContext.Current.CancellationToken);
        }
        return folder;
    }

    private static async Task<(int Exit, string[] Lines)> RunAsync(ChildCommand command)
    {
        var lines = new ConcurrentQueue<string>();
        await using var child = ChildProcess.Start("client", command, lines.Enqueue);
        var exit = await child.Exited.WaitAsync(Bound, TestContext.Current.CancellationToken);
        return (exit, [.. lines]);
    }
}
