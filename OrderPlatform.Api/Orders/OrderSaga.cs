using OrderPlatform.Api.Saga;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Api.Orders;

/// <summary>
/// The order's part in the saga. Its row decides: who was first, the customer who cancels or the courier who leaves. While an
/// order is pending its version is that of its items, so an answer about another version is about items that it no longer has.
/// </summary>
public static class OrderSaga
{
    /// <summary>What a message makes happen to an order.</summary>
    public static IReadOnlyList<OrderEvent> On(Order order, Message message) => (order.Status, message.Event) switch
    {
        (OrderStatus.Pending, StockRejected rejected) when rejected.OrderVersion == order.Version => [order.Cancel(rejected.Reason)],
        (OrderStatus.Pending, PaymentFailed failed) when failed.OrderVersion == order.Version => [order.Cancel("payment " + failed.Reason)],
        (OrderStatus.Pending, PaymentCompleted paid) when paid.OrderVersion == order.Version && paid.Amount == order.TotalAmount => [order.Confirm()],
        (OrderStatus.Confirmed, DispatchShipped shipped) => [order.Ship(shipped.Courier, shipped.TrackingNumber)],
        (OrderStatus.Shipped, DispatchDelivered) => [order.Deliver()],
        _ => [],
    };

    /// <summary>What happens to an order that was to be paid by now.</summary>
    public static IReadOnlyList<OrderEvent> OnTimeOut(Order order) => order.Status == OrderStatus.Pending ? [order.Cancel("payment timed out")] : [];
}
