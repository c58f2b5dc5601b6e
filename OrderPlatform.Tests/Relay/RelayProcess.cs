using System.Collections.Concurrent;
using System.Net;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Tests.Relay;

/// <summary>A relay as a process of its own, that can be stopped and killed.</summary>
internal sealed class RelayProcess : IAsyncDisposable
{
    private readonly ChildProcess _process;
    private readonly HttpClient _http;
    private readonly ConcurrentQueue<string> _lines;

    private RelayProcess(ChildProcess process, int port, ConcurrentQueue<string> lines)
    {
        _process = process;
        _lines = lines;
        _http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = new Uri($"http://127.0.0.1:{port}"), Timeout = TimeSpan.FromSeconds(5) };
    }

    public int Id => _process.Id;

    public static RelayProcess Start(OrdersDatabase database, string kafka, params (string Name, string Value)[] settings)
    {
        var port = LoopbackPort.Free();
        // the names of slots are the whole cluster's
        var environment = new Dictionary<string, string> { ["Relay__Slot"] = database.Name, ["Relay__TablesSlot"] = database.Name + "_tables", ["Relay__Tables"] = "false" };
        foreach (var (name, value) in settings)
        {
            environment[name] = value;
        }
        environment["ConnectionStrings__orders"] = database.ConnectionString;
        environment["ConnectionStrings__kafka"] = kafka;
        var command = ChildCommand.DotNet(typeof(OrderPlatform.Relay.RelayOptions).Assembly.Location, "--urls", $"http://127.0.0.1:{port}") with { Environment = environment };
        var lines = new ConcurrentQueue<string>();
        var process = ChildProcess.Start("relay", command, line =>
        {
            lines.Enqueue(line);
            TestContext.Current.SendDiagnosticMessage("relay: {0}", line);
        });
        return new RelayProcess(process, port, lines);
    }

    /// <summary>What it has logged.</summary>
    public string Output => string.Join('\n', _lines);

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
