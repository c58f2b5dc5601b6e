namespace OrderPlatform.Contracts.Events;

/// <summary>Where an order stands.</summary>
public enum OrderStatus
{
    /// <summary>Placed; stock and payment are being seen to. Its items can still be changed.</summary>
    Pending,

    /// <summary>Stock is reserved and the payment taken.</summary>
    Confirmed,

    /// <summary>Handed to a courier. It cannot be cancelled any more.</summary>
    Shipped,

    /// <summary>Delivered: the end.</summary>
    Delivered,

    /// <summary>Cancelled: the other end.</summary>
    Cancelled,
}

/// <summary>One line of an order.</summary>
/// <param name="ProductId">The product.</param>
/// <param name="Quantity">Pieces, at least 1.</param>
/// <param name="UnitPrice">Price of one piece in the order's currency, two decimals.</param>
public sealed record OrderItem(string ProductId, int Quantity, decimal UnitPrice)
{
    /// <summary>Quantity times price.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public decimal Amount => Quantity * UnitPrice;
}

/// <summary>What an event changed of one product's sales.</summary>
/// <param name="ProductId">The product.</param>
/// <param name="Quantity">Pieces more (or less, negative).</param>
/// <param name="Amount">Revenue more (or less, negative), in the order's currency.</param>
public sealed record ProductDifference(string ProductId, int Quantity, decimal Amount);

/// <summary>
/// What every event of an order says: who, when ordered, and every number's difference, so that a consumer can book it
/// without a state of its own.
/// </summary>
public abstract record OrderEvent
{
    /// <summary>The order.</summary>
    public required string OrderId { get; init; }

    /// <summary>Whose order it is.</summary>
    public required string CustomerId { get; init; }

    /// <summary>ISO 4217 code of every amount in the event.</summary>
    public required string Currency { get; init; }

    /// <summary>When the order was placed: the date on which all of its differences are booked.</summary>
    public required DateTimeOffset OrderedAt { get; init; }

    /// <summary>The status before; null for the order's first event.</summary>
    public required OrderStatus? OldStatus { get; init; }

    /// <summary>The status after.</summary>
    public required OrderStatus NewStatus { get; init; }

    /// <summary>The order's total after the event; a cancelled order keeps the total it had.</summary>
    public required decimal TotalAmount { get; init; }

    /// <summary>Orders that count: 1 more, 1 less, or 0.</summary>
    public required int OrdersDifference { get; init; }

    /// <summary>Revenue more or less.</summary>
    public required decimal AmountDifference { get; init; }

    /// <summary>The same by product; products that did not change are left out.</summary>
    public required IReadOnlyList<ProductDifference> Products { get; init; }
}

/// <summary>An order was placed.</summary>
public sealed record OrderCreated : OrderEvent
{
    /// <summary>Its lines.</summary>
    public required IReadOnlyList<OrderItem> Items { get; init; }
}

/// <summary>An order of the past was loaded, complete and delivered, at its own date. No saga participant acts on it.</summary>
public sealed record OrderImported : OrderEvent
{
    /// <summary>Its lines.</summary>
    public required IReadOnlyList<OrderItem> Items { get; init; }
}

/// <summary>The lines of a pending order were replaced.</summary>
public sealed record OrderItemsChanged : OrderEvent
{
    /// <summary>The lines from now on.</summary>
    public required IReadOnlyList<OrderItem> Items { get; init; }
}

/// <summary>An order's stock is reserved and its payment taken, for the very items that it has. They cannot be changed any more.</summary>
public sealed record OrderConfirmed : OrderEvent;

/// <summary>An order is on its way. It cannot be cancelled any more.</summary>
public sealed record OrderShipped : OrderEvent
{
    /// <summary>Who carries it.</summary>
    public required string Courier { get; init; }

    /// <summary>The courier's number of the parcel.</summary>
    public required string TrackingNumber { get; init; }
}

/// <summary>An order has arrived: its end.</summary>
public sealed record OrderDelivered : OrderEvent;

/// <summary>An order was cancelled; its sales are taken back.</summary>
public sealed record OrderCancelled : OrderEvent
{
    /// <summary>Why, in the words of whoever cancelled, or what the platform cancelled it for: "out of stock: cd-1", "payment declined"; null when nothing was said.</summary>
    public string? Reason { get; init; }
}
