using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Api.Orders;

/// <summary>An order as its events make it. Nothing else makes one: the stored row is this record after the same events.</summary>
/// <param name="Version">The sequence of its last event.</param>
/// <param name="CreatedAt">When it was placed; for an imported order, its own date.</param>
/// <param name="UpdatedAt">When its last event happened.</param>
public sealed record Order(
    string Id,
    string CustomerId,
    string Currency,
    OrderStatus Status,
    decimal TotalAmount,
    int Version,
    IReadOnlyList<OrderItem> Items,
    DateTimeOffset CreatedAt,
    DateTimeOffset UpdatedAt)
{
    /// <summary>The order after one event; <paramref name="before"/> is null for its first.</summary>
    public static Order Apply(Order? before, OrderEvent happened, DateTimeOffset occurredAt) => new(
        happened.OrderId,
        happened.CustomerId,
        happened.Currency,
        happened.NewStatus,
        happened.TotalAmount,
        (before?.Version ?? 0) + 1,
        happened switch
        {
            OrderCreated created => created.Items,
            OrderImported imported => imported.Items,
            OrderItemsChanged changed => changed.Items,
            _ => before!.Items,
        },
        happened.OrderedAt,
        occurredAt);

    /// <summary>A new order.</summary>
    public static OrderCreated Place(string id, string customerId, string currency, IReadOnlyList<OrderItem> items, DateTimeOffset now) => new()
    {
        OrderId = id,
        CustomerId = customerId,
        Currency = currency,
        OrderedAt = now,
        OldStatus = null,
        NewStatus = OrderStatus.Pending,
        TotalAmount = Total(items),
        OrdersDifference = 1,
        AmountDifference = Total(items),
        Products = Differences([], items),
        Items = items,
    };

    /// <summary>An order of the past, complete and delivered.</summary>
    public static OrderImported Import(string id, string customerId, string currency, IReadOnlyList<OrderItem> items, DateTimeOffset occurredAt) => new()
    {
        OrderId = id,
        CustomerId = customerId,
        Currency = currency,
        OrderedAt = occurredAt,
        OldStatus = null,
        NewStatus = OrderStatus.Delivered,
        TotalAmount = Total(items),
        OrdersDifference = 1,
        AmountDifference = Total(items),
        Products = Differences([], items),
        Items = items,
    };

    /// <summary>Other lines for a pending order.</summary>
    public OrderItemsChanged ChangeItems(IReadOnlyList<OrderItem> items) => new()
    {
        OrderId = Id,
        CustomerId = CustomerId,
        Currency = Currency,
        OrderedAt = CreatedAt,
        OldStatus = Status,
        NewStatus = Status,
        TotalAmount = Total(items),
        OrdersDifference = 0,
        AmountDifference = Total(items) - TotalAmount,
        Products = Differences(Items, items),
        Items = items,
    };

    /// <summary>Its stock is reserved and it is paid.</summary>
    public OrderConfirmed Confirm() => new()
    {
        OrderId = Id,
        CustomerId = CustomerId,
        Currency = Currency,
        OrderedAt = CreatedAt,
        OldStatus = Status,
        NewStatus = OrderStatus.Confirmed,
        TotalAmount = TotalAmount,
        OrdersDifference = 0,
        AmountDifference = 0,
        Products = [],
    };

    /// <summary>It is on its way.</summary>
    public OrderShipped Ship(string courier, string trackingNumber) => new()
    {
        OrderId = Id,
        CustomerId = CustomerId,
        Currency = Currency,
        OrderedAt = CreatedAt,
        OldStatus = Status,
        NewStatus = OrderStatus.Shipped,
        TotalAmount = TotalAmount,
        OrdersDifference = 0,
        AmountDifference = 0,
        Products = [],
        Courier = courier,
        TrackingNumber = trackingNumber,
    };

    /// <summary>It has arrived.</summary>
    public OrderDelivered Deliver() => new()
    {
        OrderId = Id,
        CustomerId = CustomerId,
        Currency = Currency,
        OrderedAt = CreatedAt,
        OldStatus = Status,
        NewStatus = OrderStatus.Delivered,
        TotalAmount = TotalAmount,
        OrdersDifference = 0,
        AmountDifference = 0,
        Products = [],
    };

    /// <summary>The end of an order that has not been shipped: its sales are taken back.</summary>
    public OrderCancelled Cancel(string? reason) => new()
    {
        OrderId = Id,
        CustomerId = CustomerId,
        Currency = Currency,
        OrderedAt = CreatedAt,
        OldStatus = Status,
        NewStatus = OrderStatus.Cancelled,
        TotalAmount = TotalAmount,
        OrdersDifference = -1,
        AmountDifference = -TotalAmount,
        Products = Differences(Items, []),
        Reason = reason,
    };

    private static decimal Total(IReadOnlyList<OrderItem> items) => items.Sum(item => item.Amount);

    private static List<ProductDifference> Differences(IReadOnlyList<OrderItem> before, IReadOnlyList<OrderItem> after) =>
        [.. before.Select(item => (item.ProductId, Quantity: -item.Quantity, Amount: -item.Amount))
            .Concat(after.Select(item => (item.ProductId, item.Quantity, item.Amount)))
            .GroupBy(change => change.ProductId)
            .Select(product => new ProductDifference(product.Key, product.Sum(change => change.Quantity), product.Sum(change => change.Amount)))
            .Where(product => product.Quantity != 0 || product.Amount != 0)];
}
