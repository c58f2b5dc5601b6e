using System.Globalization;
using System.Threading.RateLimiting;
using Npgsql;
using OrderPlatform.Api.EventLog;
using OrderPlatform.Api.Http;
using OrderPlatform.Contracts.Events;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Orders;

/// <summary>
/// GET /orders/{id}/stream: the order's status as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html),
/// from its first event or from the one after Last-Event-ID, up to Delivered or Cancelled.
/// </summary>
internal static class StreamOrder
{
    /// <summary>Each open stream reads the log once a second.</summary>
    private static readonly ConcurrencyLimiter OpenStreams = new(new ConcurrencyLimiterOptions { PermitLimit = 1000, QueueLimit = 0 });

    private static readonly TimeSpan RetryWhenFull = TimeSpan.FromSeconds(5);

    public static async Task<IResult> HandleAsync(
        HttpContext http, string id, [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source,
        EventLogReader log, OrderHints hints, TimeProvider clock, IHostApplicationLifetime lifetime, CancellationToken cancellation)
    {
        var seen = LastEventId(http);
        var order = await FindAsync(source, id, cancellation);
        if (seen > order.Version)
        {
            throw ProblemException.Invalid("Last-Event-ID", $"must be an id of an earlier event of this order, which has {order.Version}.");
        }
        if (seen == order.Version && StatusStream.IsLast(order.Status))
        {
            return Results.NoContent(); // tells an EventSource not to come back
        }
        using var place = OpenStreams.AttemptAcquire();
        if (!place.IsAcquired)
        {
            throw new ProblemException(StatusCodes.Status503ServiceUnavailable, "Too many streams are open. Try again in a moment.") { RetryAfter = RetryWhenFull };
        }
        await new StatusStream(http.Response, log, hints, clock).WriteAsync(order.Id, seen, cancellation, lifetime.ApplicationStopping);
        return Results.Empty;
    }

    private static int LastEventId(HttpContext http) => http.Request.Headers["Last-Event-ID"] switch
    {
        [] => 0,
        [var text] when int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var sequence) => sequence,
        _ => throw ProblemException.Invalid("Last-Event-ID", "must be the id of the last event that you have seen."),
    };

    private static async Task<Order> FindAsync(NpgsqlDataSource source, string id, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        return await OrderStore.FindAsync(connection, id, cancellation) ?? throw ProblemException.NotFound($"order {id}");
    }
}
