using System.Text.Json.Nodes;
using Npgsql;
using OrderPlatform.Bench.Load;
using OrderPlatform.Tests.Api;

namespace OrderPlatform.Tests.AppHost;

/// <summary>The same with each order in a transaction of its own: a second Api on the platform's stores, without <c>Orders:MicroBatch</c>.</summary>
public sealed class PlaceOrderAloneTests(PlatformFixture platform, AloneApi alone) : PlaceOrderTests(platform), IClassFixture<AloneApi>
{
    private readonly PlatformFixture _platform = platform;

    protected override async Task<HttpClient> ApiAsync() => await alone.OnAsync(await _platform.RunFileAsync());
}

/// <summary>An Api that writes each order in a transaction of its own.</summary>
public sealed class AloneApi : IAsyncDisposable
{
    private ApiProcess? _process;
    private HttpClient? _client;

    /// <summary>On the stores of that run.json; started when it is asked for the first time.</summary>
    public async Task<HttpClient> OnAsync(JsonObject run)
    {
        if (_client is null)
        {
            // two Apis share the connections that PostgreSQL has
            var orders = new NpgsqlConnectionStringBuilder((string)run["postgres"]!) { MaxPoolSize = 40 };
            var clickHouse = new Uri((string)run["clickhouse"]!);
            _process = await ApiProcess.StartAsync(
                new Dictionary<string, string>
                {
                    ["ConnectionStrings__orders"] = orders.ConnectionString,
                    ["ConnectionStrings__views"] = new NpgsqlConnectionStringBuilder(orders.ConnectionString) { Database = "views" }.ConnectionString,
                    ["ConnectionStrings__kafka"] = (string)run["kafka"]!,
                    ["ConnectionStrings__redis"] = (string)run["redis"]!,
                    ["ConnectionStrings__clickhouse"] = $"Host={clickHouse.Host};Port={clickHouse.Port};Protocol=http;Database=analytics",
                    ["Privacy__MasterKey"] = new string('k', 64),
                    ["Orders__MicroBatch"] = "false",
                },
                line => TestContext.Current.SendDiagnosticMessage("api: {0}", line),
                CancellationToken.None);
            _client = new HttpClient(new SocketsHttpHandler()) { BaseAddress = _process.Address };
            _client.DefaultRequestHeaders.Add("X-Api-Key", (string)run["apiKey"]!);
        }
        return _client;
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        _client?.Dispose();
        if (_process is not null)
        {
            await _process.DisposeAsync();
        }
    }
}
