using System.Net;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Tests.Relay;

/// <summary>A relay as a process of its own, that can be stopped and killed.</summary>
internal sealed class RelayProcess : IAsyncDisposable
{
    private readonly ChildProcess _process;
    private readonly HttpClient _http;

    private RelayProcess(ChildProcess process, int port)
    {
        _process = process;
        _http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = new Uri($"http://127.0.0.1:{port}"), Timeout = TimeSpan.FromSeconds(5) };
    }

    public int Id => _process.Id;

    public static RelayProcess Start(OrdersDatabase database, string kafka, params (string Name, string Value)[] settings)
    {
        var port = LoopbackPort.Free();
        var environment = settings.ToDictionary(setting => setting.Name, setting => setting.Value);
        environment["ConnectionStrings__orders"] = database.ConnectionString;
        environment["ConnectionStrings__kafka"] = kafka;
        var command = ChildCommand.DotNet(typeof(OrderPlatform.Relay.PollingRelay).Assembly.Location, "--urls", $"http://127.0.0.1:{port}") with { Environment = environment };
        return new RelayProcess(ChildProcess.Start("relay", command, line => TestContext.Current.SendDiagnosticMessage("relay: {0}", line)), port);
    }

    /// <summary>What its /health says; null while it does not answer.</summary>
    public async Task<(HttpStatusCode Status, string Text)?> HealthAsync(CancellationToken cancellation)
    {
        try
        {
            using var response = await _http.GetAsync("/health", cancellation);
            return (response.StatusCode, await response.Content.ReadAsStringAsync(cancellation));
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            return null;
        }
    }

    public Task KillAsync() => _process.KillAsync();

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _process.DisposeAsync();
    }
}
