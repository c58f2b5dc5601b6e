using Npgsql;
using OrderPlatform.Api.Http;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Orders;

/// <summary>The lines that replace an order's.</summary>
public sealed record ChangeItemsRequest(IReadOnlyList<OrderItemRequest?>? Items);

/// <summary>PATCH /orders/{id}/items: replaces the lines of a pending order that the caller has seen in its latest version.</summary>
internal static class ChangeItems
{
    public static async Task<IResult> HandleAsync(
        HttpContext http, string id, JsonBody<ChangeItemsRequest> body, [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, OrderHints hints, TimeProvider clock, CancellationToken cancellation)
    {
        var ifMatch = http.RequireIfMatch();
        var items = OrderItemRequest.Checked(body.Value?.Items);

        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        var order = await OrderStore.FindAsync(connection, id, cancellation) ?? throw ProblemException.NotFound($"order {id}");
        ifMatch.Require(order.Version);
        if (order.Status != OrderStatus.Pending)
        {
            throw new ProblemException(StatusCodes.Status409Conflict, $"The order is {order.Status}; only a Pending order's items can be changed.");
        }
        var happened = order.ChangeItems(items);
        var after = Order.Apply(order, happened, clock.GetUtcNow().Truncated());
        if (!await OrderStore.UpdateAsync(connection, after, happened, cancellation))
        {
            throw IfMatch.Stale();
        }
        await transaction.CommitAsync(CancellationToken.None);
        hints.Announce(id);
        return OrderAnswer.Ok(after);
    }
}
