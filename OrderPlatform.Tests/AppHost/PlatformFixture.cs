using System.Text.Json.Nodes;
using OrderPlatform.Engines;
using OrderPlatform.Tests;
using OrderPlatform.Tests.AppHost;

[assembly: AssemblyFixture(typeof(PlatformFixture))]

namespace OrderPlatform.Tests;

/// <summary>The whole platform, started as a user starts it when the first test asks for it, for every test that does not break it. In containers: Aspire/PlatformFixture.cs.</summary>
public sealed class PlatformFixture : IAsyncLifetime
{
    private readonly TemporaryFolder _data = new();
    private readonly Lazy<Task<Running>> _running;

    /// <summary>Starts nothing yet.</summary>
    public PlatformFixture() => _running = new(StartAsync);

    /// <summary>The Api, with the development key in every request.</summary>
    public async Task<HttpClient> ApiAsync() => (await _running.Value).Api;

    /// <summary>Npgsql connection string of the orders database.</summary>
    public async Task<string> PostgresAsync() => (string)(await RunFileAsync())["postgres"]!;

    /// <summary>Kafka's host:port.</summary>
    public async Task<string> KafkaAsync() => (string)(await RunFileAsync())["kafka"]!;

    /// <summary>Where Projections answers.</summary>
    public async Task<string> ProjectionsAsync() => (string)(await RunFileAsync())["projections"]!;

    /// <summary>What run.json says.</summary>
    public async Task<JsonObject> RunFileAsync() => (await _running.Value).RunFile;

    /// <inheritdoc />
    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        if (_running.IsValueCreated)
        {
            var running = await _running.Value;
            running.Api.Dispose();
            await running.Host.DisposeAsync();
        }
        _data.Dispose();
    }

    private async Task<Running> StartAsync()
    {
        var host = StandaloneHost.StartWithoutSaga(_data.Path, "--api-port", $"{LoopbackPort.Free()}");
        var runFile = await host.UpAsync(CancellationToken.None);
        var api = new HttpClient(new SocketsHttpHandler()) { BaseAddress = new Uri((string)runFile["api"]!) };
        api.DefaultRequestHeaders.Add("X-Api-Key", (string)runFile["apiKey"]!);
        return new Running(host, runFile, api);
    }

    private sealed record Running(StandaloneHost Host, JsonObject RunFile, HttpClient Api);
}
