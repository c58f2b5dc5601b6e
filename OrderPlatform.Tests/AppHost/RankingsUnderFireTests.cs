using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using Npgsql;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Processes;
using OrderPlatform.Tests.Api;
using StackExchange.Redis;

namespace OrderPlatform.Tests.AppHost;

/// <summary>The whole platform, broken on purpose while orders come in; afterwards the rankings must be those of the orders in PostgreSQL.</summary>
public sealed class RankingsUnderFireTests(EngineFixture engines) : IAsyncLifetime
{
    private const int Seed = 8;
    private static readonly TimeSpan EqualBound = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder _data = new();
    private readonly Random _random = new(Seed);
    private readonly HttpClient _http = new(new SocketsHttpHandler());
    private StandaloneHost _host = null!;
    private JsonObject _run = null!;
    private NpgsqlDataSource _orders = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _host = StandaloneHost.StartWithoutSaga(_data.Path, "--api-port", $"{LoopbackPort.Free()}");
        _run = await _host.UpAsync(Cancellation);
        _orders = NpgsqlDataSource.Create((string)_run["postgres"]!);
        _http.BaseAddress = new Uri((string)_run["api"]!);
        _http.DefaultRequestHeaders.Add("X-Api-Key", (string)_run["apiKey"]!);
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _orders.DisposeAsync();
        await _host.DisposeAsync();
        _data.Dispose();
    }

    [Fact]
    public async Task Kills_an_emptied_Redis_and_a_stopped_replica_change_no_number()
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var load = Task.WhenAll(Enumerable.Range(0, 4).Select(client => LoadAsync(new Random(Seed + client), enough.Token)));

        for (var kill = 0; kill < 4; kill++)
        {
            await KillAsync(_random.Next(2) == 0 ? "redis" : "projections");
        }
        await StatusIsAnsweredWithoutRedisAsync();

        // a second replica shares the partitions; stopped, it loses them, and goes on later with what it held
        await using var replica = await StartReplicaAsync();
        await UntilMembersAsync(2);
        ProcessTree.Signal(replica.Id, "STOP");
        await UntilMembersAsync(1);
        ProcessTree.Signal(replica.Id, "CONT");
        await enough.CancelAsync();
        await load;
        await RankingsEqualOrdersAsync();

        using (var redis = await ConnectionMultiplexer.ConnectAsync((string)_run["redis"]!))
        {
            await redis.GetDatabase().ExecuteAsync("FLUSHALL");
        }
        await RankingsEqualOrdersAsync();
    }

    private async Task LoadAsync(Random random, CancellationToken enough)
    {
        while (!enough.IsCancellationRequested)
        {
            var items = string.Join(',', Enumerable.Range(0, random.Next(1, 4)).Select(_ => $$"""{"productId":"p-{{random.Next(30)}}","quantity":{{random.Next(1, 4)}},"unitPrice":{{random.Next(400)}}.25}"""));
            var id = (string?)(await SendAsync(OrderRequests.Post("/orders", $$"""{"customerId":"c-{{random.Next(40)}}","currency":"USD","items":[{{items}}]}""")))?["id"];
            if (id is not null && random.Next(4) == 0)
            {
                await SendAsync(OrderRequests.Patch($"/orders/{id}/items", """{"items":[{"productId":"p-1","quantity":1,"unitPrice":5.5}]}""", "*"));
            }
            if (id is not null && random.Next(4) == 0)
            {
                await SendAsync(OrderRequests.Post($"/orders/{id}/cancel", "{}"));
            }
        }
    }

    private async Task<JsonObject?> SendAsync(HttpRequestMessage request)
    {
        using (request)
        using (var response = await _http.SendAsync(request, Cancellation))
        {
            return response.IsSuccessStatusCode ? await response.ReadObjectAsync() : null;
        }
    }

    private int PidOf(string name) => (int)JsonNode.Parse(File.ReadAllText(_host.RunFile))!["processes"]![name]!;

    private async Task KillAsync(string name)
    {
        var pid = PidOf(name);
        ProcessTree.Signal(pid, "KILL");
        await _host.EventuallyAsync(() => PidOf(name) != pid, TimeSpan.FromSeconds(30), $"the restart of {name}", Cancellation);
    }

    private Task UntilMembersAsync(int members) => _host.EventuallyAsync(
        () => _host.Output.Split('\n').LastOrDefault(line => line.Contains("Group projection-rankings is at", StringComparison.Ordinal))?.EndsWith($"with {members} members", StringComparison.Ordinal) == true,
        TimeSpan.FromSeconds(40), $"a group of {members}", Cancellation);

    private async Task StatusIsAnsweredWithoutRedisAsync()
    {
        var id = (string)(await _orders.CreateCommand("SELECT id::text FROM orders ORDER BY created_at DESC LIMIT 1").ExecuteScalarAsync(Cancellation))!;
        var redis = PidOf("redis");
        ProcessTree.Signal(redis, "STOP");
        try
        {
            using var response = await _http.GetAsync($"/orders/{id}/status", Cancellation);
            response.StatusCode.ShouldBe(HttpStatusCode.OK);
            ((string)(await response.ReadObjectAsync())["id"]!).ShouldBe(id);
        }
        finally
        {
            ProcessTree.Signal(redis, "CONT");
        }
    }

    private async Task<ChildProcess> StartReplicaAsync()
    {
        await engines.KafkaClientAsync(Cancellation);
        var postgres = (string)_run["postgres"]!;
        var folder = Path.Combine(AppContext.BaseDirectory, "../../OrderPlatform.Projections", Path.GetFileName(AppContext.BaseDirectory.TrimEnd('/')));
        return ChildProcess.Start("replica", ChildCommand.DotNet(Path.Combine(folder, "OrderPlatform.Projections.dll"), "--urls", $"http://127.0.0.1:{LoopbackPort.Free()}") with
        {
            WorkingDirectory = folder,
            Environment = new Dictionary<string, string>
            {
                ["ConnectionStrings__orders"] = postgres,
                ["ConnectionStrings__views"] = new NpgsqlConnectionStringBuilder(postgres) { Database = "views" }.ToString(),
                ["ConnectionStrings__kafka"] = (string)_run["kafka"]!,
                ["ConnectionStrings__redis"] = (string)_run["redis"]!,
                ["ConnectionStrings__clickhouse"] = $"Host=127.0.0.1;Port={new Uri((string)_run["clickhouse"]!).Port};Database=analytics",
            },
        }, TestContext.Current.SendDiagnosticMessage);
    }

    private async Task RankingsEqualOrdersAsync()
    {
        var products = await SourceAsync("SELECT item ->> 'productId', sum((item ->> 'quantity')::int * (item ->> 'unitPrice')::numeric), count(DISTINCT id) FROM orders, jsonb_array_elements(items) item WHERE status <> 'Cancelled' GROUP BY 1");
        var customers = await SourceAsync("SELECT customer_id, sum(total_amount), count(*) FROM orders WHERE status <> 'Cancelled' GROUP BY 1");
        var since = Stopwatch.GetTimestamp();
        while (await DifferenceAsync("products", products) is var difference && (difference ?? await DifferenceAsync("customers", customers)) is { } different)
        {
            Stopwatch.GetElapsedTime(since).ShouldBeLessThan(EqualBound, different + "\n" + _host.Output);
            await Task.Delay(100, Cancellation);
        }
    }

    private async Task<string?> DifferenceAsync(string kind, List<string> expected)
    {
        var rankings = new List<string>();
        foreach (var window in (string[])["all", "30d", "today"])
        {
            using var response = await _http.GetAsync($"/analytics/rankings/{kind}?window={window}&limit=100", Cancellation);
            if (response.StatusCode != HttpStatusCode.OK)
            {
                return $"{kind}: {response.StatusCode}";
            }
            var ranking = await response.ReadObjectAsync();
            var rows = ranking["rows"]!.AsArray().Select(row => $"{row!["id"]} {row["revenue"]!.ToJsonString()} {row["orders"]}").ToList();
            if (!(bool)ranking["complete"]! || !rows.SequenceEqual(expected))
            {
                return $"{kind} {window} (complete: {ranking["complete"]}):\n{string.Join('\n', rows.Except(expected))}\nexpected:\n{string.Join('\n', expected.Except(rows))}";
            }
        }
        return null;
    }

    private async Task<List<string>> SourceAsync(string sql)
    {
        await using var reader = await _orders.CreateCommand(sql).ExecuteReaderAsync(Cancellation);
        var rows = new List<(string Id, decimal Revenue, long Orders)>();
        while (await reader.ReadAsync(Cancellation))
        {
            rows.Add((reader.GetString(0), reader.GetDecimal(1), reader.GetInt64(2)));
        }
        return [.. rows.OrderByDescending(row => row.Revenue).ThenBy(row => row.Id, StringComparer.Ordinal).Select(row => FormattableString.Invariant($"{row.Id} {row.Revenue:F2} {row.Orders}"))];
    }
}
