using System.Diagnostics;
using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.Http;
using OrderPlatform.Api.Idempotency;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Api.Orders;

/// <summary>What a caller sends to place an order.</summary>
/// <param name="OccurredAt">For imports of the past only: the order's own date. It needs the import scope, and the order is complete from the start.</param>
public sealed record PlaceOrderRequest(string? CustomerId, string? Currency, IReadOnlyList<OrderItemRequest?>? Items, DateTimeOffset? OccurredAt = null);

/// <summary>POST /orders: writes an order once, with the event that tells of it.</summary>
internal static class PlaceOrder
{
    /// <summary>ClickHouse's dates begin here.</summary>
    private static readonly DateTimeOffset EarliestImport = DateTimeOffset.UnixEpoch;

    public static async Task<IResult> HandleAsync(HttpContext http, JsonBody<PlaceOrderRequest> body, IdempotentWrites writes, OrderBatches batches, TimeProvider clock)
    {
        var now = clock.GetUtcNow().Truncated();
        var request = body.Value ?? throw ProblemException.Invalid("$", "must be an order: customerId, currency and items.");
        var (order, happened) = Decide(request, now);
        if (happened is OrderImported)
        {
            http.Require(Scopes.OrdersImport);
        }
        var placed = new PlacedOrder(IdempotentRequest.Of(http, body.Bytes, forGood: happened is OrderImported), order, happened, Activity.Current?.Id, OrderAnswer.Created(order));
        return await batches.TryPlaceAsync(placed, http.RequestAborted) ?? await writes.RunAsync(placed.Request, async (connection, cancellation) =>
        {
            await OrderStore.InsertAsync(connection, [(placed.Order, placed.Happened, placed.TraceParent)], cancellation);
            return placed.Answer;
        }, http.RequestAborted);
    }

    private static (Order Order, OrderEvent Happened) Decide(PlaceOrderRequest request, DateTimeOffset now)
    {
        var customerId = Check.Id(request.CustomerId, "customerId");
        var currency = Check.Currency(request.Currency, "currency");
        var items = OrderItemRequest.Checked(request.Items);
        var id = Guid.CreateVersion7(now).ToString("D");
        if (request.OccurredAt is not { } occurredAt)
        {
            var created = Order.Place(id, customerId, currency, items, now);
            return (Order.Apply(null, created, now), created);
        }
        if (occurredAt > now || occurredAt < EarliestImport)
        {
            throw ProblemException.Invalid("occurredAt", $"must be from {UtcTime.Format(EarliestImport)} to now.");
        }
        var imported = Order.Import(id, customerId, currency, items, occurredAt.Truncated());
        return (Order.Apply(null, imported, imported.OrderedAt), imported);
    }
}
