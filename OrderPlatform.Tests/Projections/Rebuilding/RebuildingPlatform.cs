using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using Npgsql;
using OrderPlatform.Engines;
using OrderPlatform.Tests.Api;
using OrderPlatform.Tests.AppHost;
using OrderPlatform.Tests.Fire;

namespace OrderPlatform.Tests.Projections.Rebuilding;

/// <summary>A platform of its own for rebuilds: orders, the stores side by side, and what is asked of the Api.</summary>
public sealed class RebuildingPlatform : IAsyncLifetime
{
    private static readonly TimeSpan EndBound = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan AgreeBound = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    // other tests may use the same machine
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(4);

    private readonly TemporaryFolder _data = new();
    private Stores _stores = null!;
    private StandaloneHost _host = null!;

    /// <summary>What run.json says.</summary>
    public JsonObject Run { get; private set; } = null!;

    /// <summary>The Api, with the development key in every request.</summary>
    public HttpClient Api { get; private set; } = null!;

    /// <summary>The database views.</summary>
    public NpgsqlDataSource Views { get; private set; } = null!;

    /// <summary>Where the data are: a test may put some there before it is started.</summary>
    public string DataFolder => _data.Path;

    /// <summary>What the host has said so far.</summary>
    public string Output => _host.Output;

    /// <summary>Npgsql connection string of the orders database.</summary>
    public string OrdersConnection => (string)Run["postgres"]!;

    /// <summary>Npgsql connection string of the database views.</summary>
    public string ViewsConnection => new NpgsqlConnectionStringBuilder(OrdersConnection) { Database = "views" }.ConnectionString;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <inheritdoc />
    public async ValueTask InitializeAsync()
    {
        _host = StandaloneHost.StartWithoutSaga(_data.Path, "--api-port", $"{LoopbackPort.Free()}");
        Run = await _host.UpAsync(CancellationToken.None);
        Api = new HttpClient(new SocketsHttpHandler()) { BaseAddress = new Uri((string)Run["api"]!) };
        Api.DefaultRequestHeaders.Add("X-Api-Key", (string)Run["apiKey"]!);
        _stores = new Stores(Run, Api);
        Views = NpgsqlDataSource.Create(ViewsConnection);
    }

    /// <summary>Places orders and changes some; cancels some, too, if it is told to.</summary>
    public async Task PlaceAsync(int seed, int orders, bool cancels, CancellationToken enough)
    {
        var random = new Random(seed);
        for (var placed = 0; placed < orders && !enough.IsCancellationRequested; placed++)
        {
            await Task.Delay(Pace, Cancellation);
            var id = (string)(await SendAsync(OrderRequests.Post("/orders", $$"""{"customerId":"c-{{random.Next(40)}}","currency":"USD","items":{{Items(random)}}}""")))["id"]!;
            if (random.Next(5) == 0)
            {
                await SendAsync(OrderRequests.Patch($"/orders/{id}/items", $$"""{"items":{{Items(random)}}}""", "*"));
            }
            if (cancels && random.Next(6) == 0)
            {
                await SendAsync(OrderRequests.Post($"/orders/{id}/cancel", "{}"));
            }
        }
    }

    /// <summary>Asks for a rebuild and gives it as it ends.</summary>
    public async Task<JsonObject> RebuildAsync(string projection, bool onlyCompare = false) => await EndOfAsync(await RequestAsync(projection, onlyCompare));

    /// <summary>Asks for a rebuild and gives its id.</summary>
    public async Task<string> RequestAsync(string projection, bool onlyCompare = false) =>
        (string)(await SendAsync(OrderRequests.Post("/operations/rebuilds", $$"""{"projection":"{{projection}}","reason":"test","onlyCompare":{{(onlyCompare ? "true" : "false")}}}""")))["id"]!;

    /// <summary>Waits for the end of a rebuild or reset.</summary>
    public async Task<JsonObject> EndOfAsync(string id)
    {
        var since = Stopwatch.GetTimestamp();
        while (true)
        {
            var rebuild = await Api.GetObjectAsync($"/operations/rebuilds/{id}");
            if (rebuild["finishedAt"] is not null)
            {
                return rebuild;
            }
            Stopwatch.GetElapsedTime(since).ShouldBeLessThan(EndBound, $"{rebuild}\n{Output}");
            await Task.Delay(Poll, Cancellation);
        }
    }

    /// <summary>Every store says, by hash, what the orders in PostgreSQL are; waits for the live projections to come there.</summary>
    public async Task AgreeAsync()
    {
        var orders = await _stores.OrdersAsync();
        await AgreeAsync(_stores.OrderViewAsync, orders, "the order view");
        await AgreeAsync(_stores.FactsAsync, orders, "ClickHouse's facts");
        await AgreeAsync(_stores.SalesAsync, await _stores.SourceSalesAsync(), "ClickHouse's daily sales");
        await AgreeAsync(_stores.CustomerRankingAsync, await _stores.CustomersAsync(), "Redis' ranking");
    }

    /// <summary>Runs a statement in the database views.</summary>
    public async Task<object?> ViewsAsync(string sql)
    {
        await using var command = Views.CreateCommand(sql);
        return await command.ExecuteScalarAsync(Cancellation);
    }

    /// <summary>Runs a statement in ClickHouse's database analytics.</summary>
    public async Task<string> ClickHouseAsync(string sql)
    {
        using var http = new HttpClient(new SocketsHttpHandler());
        using var response = await http.PostAsync(new Uri($"{Run["clickhouse"]}/?database=analytics"), new StringContent(sql), Cancellation);
        var text = await response.Content.ReadAsStringAsync(Cancellation);
        response.StatusCode.ShouldBe(HttpStatusCode.OK, text);
        return text.Trim();
    }

    /// <summary>Kills a process of the host with -9 and waits until it is there again.</summary>
    public async Task KillAsync(string name)
    {
        int Pid() => (int)JsonNode.Parse(File.ReadAllText(_host.RunFile))!["processes"]![name]!;
        var pid = Pid();
        ProcessTree.Signal(pid, "KILL");
        await _host.EventuallyAsync(() => Pid() != pid, TimeSpan.FromSeconds(30), $"the restart of {name}", Cancellation);
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        Api.Dispose();
        await _stores.DisposeAsync();
        await Views.DisposeAsync();
        await _host.DisposeAsync();
        _data.Dispose();
    }

    private async Task AgreeAsync(Func<Task<string>> store, string orders, string what)
    {
        var since = Stopwatch.GetTimestamp();
        while (await store() is var says && says != orders)
        {
            Stopwatch.GetElapsedTime(since).ShouldBeLessThan(AgreeBound, $"{what} says {says}, the orders are {orders}\n{Output}");
            await Task.Delay(Poll, Cancellation);
        }
    }

    private async Task<JsonObject> SendAsync(HttpRequestMessage request)
    {
        using (request)
        using (var response = await Api.SendAsync(request, Cancellation))
        {
            response.IsSuccessStatusCode.ShouldBeTrue(await response.Content.ReadAsStringAsync(Cancellation));
            return await response.ReadObjectAsync();
        }
    }

    private static string Items(Random random) =>
        "[" + string.Join(',', Enumerable.Range(0, random.Next(1, 4)).Select(_ => $$"""{"productId":"p-{{random.Next(30)}}","quantity":{{random.Next(1, 4)}},"unitPrice":{{random.Next(400)}}.25}""")) + "]";
}
