using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace OrderPlatform.Engines.Faults;

/// <summary>
/// A way to each engine that can be made to fail, and the HTTP interface that tells it to: <c>PUT /{engine}</c> with a
/// <see cref="NetworkFault"/> as JSON, <c>DELETE /{engine}/connections</c> to cut them all.
/// </summary>
public sealed class FaultyNetwork : IAsyncDisposable
{
    private readonly Dictionary<string, FaultProxy> _ways;
    private readonly WebApplication _control;

    private FaultyNetwork(Dictionary<string, FaultProxy> ways, WebApplication control)
    {
        _ways = ways;
        _control = control;
        _control.Run(ControlAsync);
    }

    /// <summary>Opens the ways and the interface.</summary>
    /// <param name="ways">The port to listen on and the engine's own, by the engine's name.</param>
    /// <param name="controlPort">Loopback port of the interface.</param>
    public static async Task<FaultyNetwork> StartAsync(IEnumerable<(string Engine, int Port, int Target)> ways, int controlPort, CancellationToken cancellation)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, controlPort));
        var network = new FaultyNetwork(ways.ToDictionary(way => way.Engine, way => new FaultProxy(way.Port, way.Target)), builder.Build());
        await network._control.StartAsync(cancellation);
        return network;
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _control.DisposeAsync();
        foreach (var way in _ways.Values)
        {
            await way.DisposeAsync();
        }
    }

    private async Task ControlAsync(HttpContext http)
    {
        var path = http.Request.Path.Value!.Split('/', StringSplitOptions.RemoveEmptyEntries);
        var way = path.Length > 0 ? _ways.GetValueOrDefault(path[0]) : null;
        switch (http.Request.Method, path, way)
        {
            case ("PUT", [_], { }):
                way.Fault = await JsonSerializer.DeserializeAsync<NetworkFault>(http.Request.Body, JsonSerializerOptions.Web, http.RequestAborted) ?? NetworkFault.None;
                break;
            case ("DELETE", [_, "connections"], { }):
                way.Cut();
                break;
            default:
                http.Response.StatusCode = StatusCodes.Status404NotFound;
                break;
        }
    }
}
