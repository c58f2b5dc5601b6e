using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using OrderPlatform.Engines;
using OrderPlatform.Tests.AppHost;
using OrderPlatform.Tests.Relay;

namespace OrderPlatform.Tests.Fire;

/// <summary>The promise as a whole: whatever is killed, nothing is lost, nothing is doubled, and every store agrees.</summary>
public sealed class ExactlyOnceUnderFireTests(EngineFixture engines, ITestOutputHelper output) : IDisposable
{
    private const int Clients = 16;
    private const int Orders = 20_000;
    private const int Kills = 21;
    private static readonly string[] Targets = ["api", "relay", "projections", "postgres", "kafka", "redis", "clickhouse"];
    private static readonly TimeSpan BackBound = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan AgreeBound = TimeSpan.FromSeconds(90);

    private readonly TemporaryFolder _data = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _data.Dispose();

    /// <summary>ORDERPLATFORM_SEED repeats a schedule.</summary>
    [Fact]
    public async Task Every_answered_order_exists_once_and_all_stores_agree_after_kills_of_everything()
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("ORDERPLATFORM_SEED"), CultureInfo.InvariantCulture, out var given) ? given : Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        await engines.KafkaClientAsync(Cancellation);
        await using var host = StandaloneHost.StartWithoutSaga(_data.Path, "--api-port", $"{LoopbackPort.Free()}");
        var run = await host.UpAsync(Cancellation);
        using var api = new HttpClient(new SocketsHttpHandler()) { BaseAddress = new Uri((string)run["api"]!), Timeout = TimeSpan.FromSeconds(20) };
        api.DefaultRequestHeaders.Add("X-Api-Key", (string)run["apiKey"]!);

        var clients = Enumerable.Range(0, Clients).Select(number => new FireClient(api, seed, number)).ToList();
        var since = Stopwatch.GetTimestamp();
        var loading = Task.WhenAll(clients.Select(client => Task.Run(() => client.RunAsync(Orders / Clients, Cancellation), Cancellation)));
        await KillAsync(host, new Random(seed));
        output.WriteLine($"{Kills} kills in {Stopwatch.GetElapsedTime(since).TotalSeconds:0} s");
        await loading;
        output.WriteLine($"{Orders} orders in {Stopwatch.GetElapsedTime(since).TotalSeconds:0} s");

        await using var stores = new Stores(run, api);
        using var published = new PublishedEvents((string)run["kafka"]!);
        await CheckAsync(stores, published, [.. clients.SelectMany(client => client.Orders)]);
    }

    private static async Task KillAsync(StandaloneHost host, Random random)
    {
        // every target equally often, in an order and at moments that the seed gives
        var schedule = Enumerable.Range(0, Kills).Select(kill => (Target: Targets[kill % Targets.Length], Order: random.Next(), Wait: random.Next(200, 2500))).OrderBy(kill => kill.Order).ToList();
        foreach (var (target, _, wait) in schedule)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(wait), Cancellation);
            var pid = PidOf(host, target);
            ProcessTree.Signal(pid, "KILL");
            await host.EventuallyAsync(() => PidOf(host, target) != pid, BackBound, $"the restart of {target}", Cancellation);
        }
    }

    private static async Task CheckAsync(Stores stores, PublishedEvents published, IReadOnlyList<KnownOrder> known)
    {
        known.Select(order => order.Id).Distinct().Count().ShouldBe(known.Count, "two answers for one order");
        var promised = Stores.Summary(known.OrderBy(order => order.Id, StringComparer.Ordinal)
            .Select(order => string.Create(CultureInfo.InvariantCulture, $"{order.Id} {order.Version} {order.Status} {(order.Status == "Cancelled" ? 0m : order.TotalAmount):F2}")));

        (await stores.OrdersAsync()).ShouldBe(promised, "what was answered is what PostgreSQL has");
        (await stores.BrokenStreamsAsync()).ShouldBe(0);
        published.Until(read => known.All(order => read[order.Id].Contains(order.Version)));
        Stores.Published(published).ShouldBe(promised, "Kafka");
        await AgreeAsync(stores.OrderViewAsync, promised, "the order view");
        await AgreeAsync(stores.FactsAsync, promised, "ClickHouse's facts");
        await AgreeAsync(stores.SalesAsync, await stores.SourceSalesAsync(), "ClickHouse's daily sales");
        await AgreeAsync(stores.CustomerRankingAsync, await stores.CustomersAsync(), "Redis' ranking");
    }

    private static async Task AgreeAsync(Func<Task<string>> store, string promised, string what)
    {
        var since = Stopwatch.GetTimestamp();
        while (await store() is var says && says != promised)
        {
            Stopwatch.GetElapsedTime(since).ShouldBeLessThan(AgreeBound, $"{what} says {says}, promised is {promised}");
            await Task.Delay(TimeSpan.FromMilliseconds(200), Cancellation);
        }
    }

    private static int PidOf(StandaloneHost host, string name) => (int)JsonNode.Parse(File.ReadAllText(host.RunFile))!["processes"]![name]!;
}
