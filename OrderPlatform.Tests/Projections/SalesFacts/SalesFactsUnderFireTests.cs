using System.Net;
using System.Text.Json.Nodes;
using Npgsql;
using OrderPlatform.Engines;
using OrderPlatform.ServiceDefaults.Clients;
using OrderPlatform.Tests.Api;
using OrderPlatform.Tests.AppHost;

namespace OrderPlatform.Tests.Projections.SalesFacts;

/// <summary>Orders flow while ClickHouse and the Projections process are killed; the host starts them again.</summary>
public sealed class SalesFactsUnderFireTests : IDisposable
{
    private const int Kills = 6;
    private const int Clients = 4;
    private static readonly TimeSpan BackBound = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan AgreeBound = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder _data = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ClickHouse_agrees_with_PostgreSQL_to_the_cent_after_kill_nine()
    {
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        await using var host = StandaloneHost.StartWithoutSaga(_data.Path, "--api-port", $"{LoopbackPort.Free()}");
        var run = await host.UpAsync(Cancellation);
        using var api = new HttpClient(new SocketsHttpHandler()) { BaseAddress = new Uri((string)run["api"]!) };
        api.DefaultRequestHeaders.Add("X-Api-Key", (string)run["apiKey"]!);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var clients = Enumerable.Range(0, Clients).Select(client => OrderAsync(api, new Random(seed + client), ending.Token)).ToList();

        var random = new Random(seed);
        for (var kill = 0; kill < Kills; kill++)
        {
            await Task.Delay(random.Next(200, 1500), Cancellation);
            await KillAsync(host, kill % 2 == 0 ? "clickhouse" : "projections");
        }
        await ending.CancelAsync();
        var placed = (await Task.WhenAll(clients)).Sum();

        placed.ShouldBeGreaterThan(100);
        await AgreeAsync(host, (string)run["postgres"]!, (string)run["clickhouse"]!);
        host.Output.ShouldNotContain("events in between are missing");
    }

    public void Dispose() => _data.Dispose();

    private static async Task<int> OrderAsync(HttpClient api, Random random, CancellationToken ending)
    {
        var placed = 0;
        for (; !ending.IsCancellationRequested; placed++)
        {
            var body = $$"""{"customerId":"c-1","currency":"USD","items":[{"productId":"p-{{random.Next(9)}}","quantity":{{random.Next(1, 4)}},"unitPrice":{{random.Next(5)}}.{{random.Next(10, 99)}}}]}""";
            using var answer = await api.SendAsync(OrderRequests.Post("/orders", body), Cancellation);
            answer.StatusCode.ShouldBe(HttpStatusCode.Created);
            if (random.Next(3) == 0)
            {
                using var cancelled = await api.SendAsync(OrderRequests.Post($"{answer.Headers.Location}/cancel", "{}"), Cancellation);
                cancelled.StatusCode.ShouldBe(HttpStatusCode.OK);
            }
        }
        return placed;
    }

    private static async Task KillAsync(StandaloneHost host, string name)
    {
        var pid = PidOf(host, name);
        ProcessTree.Signal(pid, "KILL");
        await host.EventuallyAsync(() => PidOf(host, name) is var now && now != 0 && now != pid, BackBound, $"{name} again", Cancellation);
    }

    private static int PidOf(StandaloneHost host, string name)
    {
        try
        {
            return (int)JsonNode.Parse(File.ReadAllText(host.RunFile))!["processes"]![name]!;
        }
        catch (FileNotFoundException)
        {
            return 0; // it is being replaced
        }
    }

    private static async Task AgreeAsync(StandaloneHost host, string postgres, string clickHouse)
    {
        await using var orders = NpgsqlDataSource.Create(postgres);
        await using var source = orders.CreateCommand(
            """
            SELECT concat_ws(' ', count(*) FILTER (WHERE status != 'Cancelled'), (100 * sum(total_amount) FILTER (WHERE status != 'Cancelled'))::bigint, count(*), count(*) FILTER (WHERE status = 'Cancelled')) FROM orders
            """);
        var expected = (string)(await source.ExecuteScalarAsync(Cancellation))!;
        using var http = new HttpClient(new SocketsHttpHandler());
        var client = new ClickHouseClient(http, new ClickHouseConnection(new Uri(clickHouse), "default", "", "analytics"));
        var actual = "";
        var since = System.Diagnostics.Stopwatch.GetTimestamp();
        while (actual != expected)
        {
            System.Diagnostics.Stopwatch.GetElapsedTime(since).ShouldBeLessThan(AgreeBound, $"PostgreSQL {expected}, ClickHouse {actual}\n{host.Output}");
            await Task.Delay(100, Cancellation);
            actual = (await client.QueryAsync(
                """
                SELECT concat(sum(orders), ' ', toInt64(100 * sum(revenue)), ' ', (SELECT uniqExact(order_id) FROM orders_analytics), ' ', (SELECT sum(orders) FROM orders_by_status WHERE status = 'Cancelled')) FROM sales_daily
                """,
                parameters: null, Cancellation)).Trim();
        }
        (await client.QueryAsync("SELECT count() - uniqExact(order_id, sequence) FROM orders_analytics", parameters: null, Cancellation)).Trim().ShouldBe("0");
    }
}
