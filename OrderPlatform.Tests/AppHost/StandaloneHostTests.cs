using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Confluent.Kafka;
using Npgsql;
using OrderPlatform.Contracts;
using OrderPlatform.Engines;
using OrderPlatform.ServiceDefaults.Clients;
using StackExchange.Redis;

namespace OrderPlatform.Tests.AppHost;

public sealed class StandaloneHostTests(EngineFixture engines) : IDisposable
{
    private static readonly string[] Services = ["api", "relay", "projections"];
    private static readonly string[] Engines = ["postgres", "kafka", "redis", "clickhouse"];
    private static readonly TimeSpan GoneBound = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan BackBound = TimeSpan.FromSeconds(30);

    private readonly TemporaryFolder _data = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _data.Dispose();

    [Fact]
    public async Task One_command_brings_up_engines_databases_topics_and_services()
    {
        await using var host = Start();

        var run = await host.UpAsync(Cancellation);

        // each was healthy once before the host said so; a check that a busy machine keeps waiting beyond its bound says otherwise for a moment
        await UntilHealthyAsync(host, run, "healthy services");
        await using var postgres = NpgsqlDataSource.Create((string)run["postgres"]!);
        (await postgres.CreateCommand("SELECT count(*) FROM pg_database WHERE datname IN ('orders', 'views')").ExecuteScalarAsync(Cancellation)).ShouldBe(2L);
        (await postgres.CreateCommand("SHOW wal_level").ExecuteScalarAsync(Cancellation)).ShouldBe("logical");

        await engines.KafkaClientAsync(Cancellation);
        using var kafka = KafkaClients.Admin((string)run["kafka"]!);
        kafka.GetMetadata(BackBound).Topics.ToDictionary(topic => topic.Topic, topic => topic.Partitions.Count)
            .ShouldBe(Topics.All.ToDictionary(topic => topic, _ => Topics.Partitions), ignoreOrder: true);

        using var redis = await ConnectionMultiplexer.ConnectAsync((string)run["redis"]!);
        (await redis.GetDatabase().PingAsync()).ShouldBeGreaterThan(TimeSpan.Zero);

        using var http = new HttpClient(new SocketsHttpHandler());
        (await http.GetStringAsync((string)run["clickhouse"]! + "/?query=EXISTS+DATABASE+analytics", Cancellation)).Trim().ShouldBe("1");

        ((string)run["apiKey"]!).Length.ShouldBeGreaterThan(20);
        File.GetUnixFileMode(host.RunFile).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    [Fact]
    public async Task Whatever_is_killed_is_started_again_on_its_own_port_with_its_data()
    {
        await using var host = Start();
        var before = await host.UpAsync(Cancellation);
        await using (var postgres = NpgsqlDataSource.Create((string)before["postgres"]!))
        {
            await postgres.CreateCommand("CREATE TABLE kept AS SELECT 42 AS answer").ExecuteNonQueryAsync(Cancellation);
        }

        foreach (var name in (string[])[.. Engines, .. Services])
        {
            await KillAsync(host, name);
        }
        await KillAsync(host, "relay", "projections");
        await KillAsync(host, "relay", "projections"); // those that ended at the same moment are kept running too

        var after = await host.UpAsync(Cancellation);
        foreach (var address in (string[])["api", "relay", "projections", "clickhouse", "kafka", "redis", "postgres"])
        {
            ((string)after[address]!).ShouldBe((string)before[address]!);
        }
        await UntilHealthyAsync(host, after, "health after all restarts");
        await using var again = NpgsqlDataSource.Create((string)after["postgres"]!);
        (await again.CreateCommand("SELECT answer FROM kept").ExecuteScalarAsync(Cancellation)).ShouldBe(42);
    }

    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    [InlineData("KILL")]
    public async Task No_process_is_left_behind_when_the_host_ends_by(string signal)
    {
        await using var host = Start();
        await host.UpAsync(Cancellation);
        var family = ProcessTree.Below(host.Id);
        family.Count.ShouldBeGreaterThanOrEqualTo(Engines.Length + Services.Length);

        ProcessTree.Signal(host.Id, signal);

        await Eventually.TrueAsync(() => ProcessTree.StillRunning(family).Count == 0, GoneBound, () => $"left: {string.Join(' ', ProcessTree.StillRunning(family))}", Cancellation);
        File.Exists(host.RunFile).ShouldBe(signal == "KILL");
    }

    [Fact]
    public async Task A_host_killed_and_started_again_at_once_finds_its_data_and_its_port()
    {
        var port = LoopbackPort.Free().ToString();
        await using (var first = StandaloneHost.Start(_data.Path, "--api-port", port))
        {
            await first.UpAsync(Cancellation);
            ProcessTree.Signal(first.Id, "KILL");
        }

        await using var second = StandaloneHost.Start(_data.Path, "--api-port", port);
        await second.EventuallyAsync(() => second.Output.Contains("The order platform is up", StringComparison.Ordinal), TimeSpan.FromSeconds(60), "the second start", Cancellation);
    }

    [Fact]
    public async Task A_Redis_that_cannot_read_its_data_starts_empty_and_says_where_they_are()
    {
        var port = LoopbackPort.Free().ToString();
        await using (var first = StandaloneHost.Start(_data.Path, "--api-port", port))
        {
            var run = await first.UpAsync(Cancellation);
            using var redis = await ConnectionMultiplexer.ConnectAsync((string)run["redis"]!);
            (await redis.GetDatabase().ExecuteAsync("SAVE")).ToString().ShouldBe("OK");
        }
        foreach (var index in Directory.GetFiles(_data["redis"], "ht.dat*", SearchOption.AllDirectories))
        {
            await using var file = File.OpenWrite(index);
            file.SetLength(100);
        }

        await using var second = StandaloneHost.Start(_data.Path, "--api-port", port);
        await second.EventuallyAsync(() => second.Output.Contains("The order platform is up", StringComparison.Ordinal), TimeSpan.FromSeconds(60), "the second start", Cancellation);

        second.Output.ShouldContain("redis cannot read its data any more. They are put aside in ");
        Directory.GetDirectories(_data.Path, "redis.unreadable-*").ShouldHaveSingleItem();
    }

    [Fact]
    public async Task A_second_host_on_the_same_data_is_refused_with_the_mend()
    {
        await using var first = Start();
        await first.UpAsync(Cancellation);

        await using var second = Start();

        (await second.Exited.WaitAsync(BackBound, Cancellation)).ShouldBe(1);
        second.Output.ShouldContain("--data DIR");
        File.Exists(first.RunFile).ShouldBeTrue();
    }

    [Fact]
    public async Task A_busy_api_port_is_named_with_the_mend()
    {
        using var busy = new TcpListener(IPAddress.Loopback, 0);
        busy.Start();
        var port = ((IPEndPoint)busy.LocalEndpoint).Port;

        await using var host = StandaloneHost.Start(_data.Path, "--api-port", $"{port}");

        (await host.Exited.WaitAsync(BackBound, Cancellation)).ShouldBe(1);
        host.Output.ShouldContain($"Port {port} is in use");
        host.Output.ShouldContain("--api-port");
    }

    [Theory]
    [InlineData("--port", "80")]
    [InlineData("--api-port", "none")]
    [InlineData("--api-port", "70000")]
    public async Task An_option_that_does_not_exist_or_fit_is_refused(string option, string value)
    {
        await using var host = StandaloneHost.Start(_data.Path, option, value);

        (await host.Exited.WaitAsync(BackBound, Cancellation)).ShouldBe(2);
        host.Output.ShouldContain(option);
    }

    private static async Task KillAsync(StandaloneHost host, params IReadOnlyList<string> names)
    {
        var before = names.ToDictionary(name => name, name => PidOf(host, name)!.Value);
        foreach (var pid in before.Values)
        {
            Process.GetProcessById(pid).Kill();
        }
        await host.EventuallyAsync(() => names.All(name => PidOf(host, name) is { } pid && pid != before[name]), BackBound, $"the restart of {string.Join(" and ", names)}", Cancellation);
    }

    private StandaloneHost Start() => StandaloneHost.Start(_data.Path, "--api-port", $"{LoopbackPort.Free()}");

    private static int? PidOf(StandaloneHost host, string name) => (int?)JsonNode.Parse(File.ReadAllText(host.RunFile))!["processes"]![name];

    private static Task UntilHealthyAsync(StandaloneHost host, JsonObject run, string what) =>
        host.EventuallyAsync(() => Services.All(service => HealthAsync((string)run[service]!).GetAwaiter().GetResult() == HttpStatusCode.OK), BackBound, what, Cancellation);

    private static async Task<HttpStatusCode> HealthAsync(string url)
    {
        using var http = new HttpClient(new SocketsHttpHandler());
        try
        {
            using var response = await http.GetAsync(url + "/health", Cancellation);
            return response.StatusCode;
        }
        catch (HttpRequestException)
        {
            return HttpStatusCode.ServiceUnavailable;
        }
    }
}
