using OrderPlatform.Api.Http;
using OrderPlatform.Api.Idempotency;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Api.Orders;

/// <summary>What a caller may say when cancelling.</summary>
public sealed record CancelOrderRequest(string? Reason = null);

/// <summary>POST /orders/{id}/cancel: ends an order that has not been shipped. One that is cancelled already stays as it is.</summary>
internal static class CancelOrder
{
    private const int MaxReasonLength = 500;

    public static async Task<IResult> HandleAsync(HttpContext http, string id, JsonBody<CancelOrderRequest> body, IdempotentWrites writes, OrderHints hints, TimeProvider clock)
    {
        var reason = Check.Text(body.Value?.Reason, "reason", MaxReasonLength);
        var answer = await writes.RunAsync(http, body.Bytes, forGood: false, async (connection, cancellation) =>
        {
            while (true)
            {
                var order = await OrderStore.FindAsync(connection, id, cancellation) ?? throw ProblemException.NotFound($"order {id}");
                switch (order.Status)
                {
                    case OrderStatus.Cancelled:
                        return OrderAnswer.Ok(order);
                    case OrderStatus.Shipped or OrderStatus.Delivered:
                        throw new ProblemException(StatusCodes.Status409Conflict, $"The order is {order.Status} and cannot be cancelled any more.");
                }
                var happened = order.Cancel(reason);
                var after = Order.Apply(order, happened, clock.GetUtcNow().Truncated());
                if (await OrderStore.UpdateAsync(connection, after, happened, cancellation))
                {
                    return OrderAnswer.Ok(after);
                }
                // somebody changed it between reading and writing: decide again on what it is now
            }
        });
        hints.Announce(id);
        return answer;
    }
}
