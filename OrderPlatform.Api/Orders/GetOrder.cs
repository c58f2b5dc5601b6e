using Npgsql;
using OrderPlatform.Api.EventLog;
using OrderPlatform.Api.Http;
using OrderPlatform.Contracts.Events;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Orders;

/// <summary>GET /orders/{id}: the order now, or with asOf as it was at a moment, replayed from its events.</summary>
internal static class GetOrder
{
    private const int ReplayPage = 500;

    public static async Task<IResult> HandleAsync(
        HttpContext http, string id, string? asOf, [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, EventLogReader log, CancellationToken cancellation)
    {
        if (Check.Time(asOf, "asOf") is { } moment)
        {
            return Answer.Json(StatusCodes.Status200OK, await ReplayAsync(log, id, moment, cancellation) ?? throw ProblemException.NotFound($"order {id} at that time"));
        }
        await using var connection = await source.OpenConnectionAsync(cancellation);
        var order = await OrderStore.FindAsync(connection, id, cancellation) ?? throw ProblemException.NotFound($"order {id}");
        return http.HasSeen(order.Version) ? http.NotModified(order.Version) : OrderAnswer.Ok(order);
    }

    /// <summary>The order after every event up to a moment; null before its first.</summary>
    internal static async Task<Order?> ReplayAsync(EventLogReader log, string id, DateTimeOffset moment, CancellationToken cancellation)
    {
        var stream = OrderStore.StreamOf(id);
        Order? order = null;
        while (true)
        {
            var events = await log.ReadAsync(stream, order?.Version ?? 0, ReplayPage, cancellation);
            foreach (var recorded in events)
            {
                if (recorded.OccurredAt > moment)
                {
                    return order;
                }
                order = Order.Apply(order, (OrderEvent)recorded.Read(), recorded.OccurredAt);
            }
            if (events.Count < ReplayPage)
            {
                return order;
            }
        }
    }
}
