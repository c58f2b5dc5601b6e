using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace OrderPlatform.Tests;

/// <summary>Takes whatever is posted to it, as an OTLP collector would, and keeps it by path.</summary>
internal sealed class TelemetryReceiver : IAsyncDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    private readonly ConcurrentQueue<Push> _pushes = [];
    private readonly WebApplication _app;

    private TelemetryReceiver()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.MapPost("{**path}", TakeAsync);
    }

    public string Address => _app.Urls.First();

    public static async Task<TelemetryReceiver> StartAsync(CancellationToken cancellation)
    {
        var receiver = new TelemetryReceiver();
        await receiver._app.StartAsync(cancellation);
        return receiver;
    }

    /// <summary>The first that comes to a path with this in it: not every metric has a value at the first export.</summary>
    public async Task<Push> FirstAsync(string path, string containing)
    {
        bool Has(Push push) => push.Body.Contains(containing, StringComparison.Ordinal);
        await Eventually.TrueAsync(() => To(path).Any(Has), Bound, () => $"no {containing} was sent to {path}", CancellationToken.None);
        return To(path).First(Has);
    }

    /// <summary>All that has come to a path.</summary>
    public IEnumerable<Push> To(string path) => _pushes.Where(push => push.Path == path);

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task TakeAsync(HttpRequest request)
    {
        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body, request.HttpContext.RequestAborted);
        // names are UTF-8 in the protobuf message, and an id's bytes stay apart in Latin-1: either can be looked for
        _pushes.Enqueue(new Push(request.Path.Value!, request.Headers["x-otlp-api-key"], Encoding.Latin1.GetString(body.ToArray())));
    }

    /// <param name="Body">As Latin-1: a character a byte.</param>
    internal sealed record Push(string Path, string? Key, string Body);
}
