namespace OrderPlatform.Contracts.Events;

/// <summary>
/// What one event of an order changed of the sales: signed, so that a sum over all facts is the truth of now. Its sequence is
/// the event's own, so that a consumer can tell a repeat and a gap.
/// </summary>
public sealed record SalesFact
{
    /// <summary>The order.</summary>
    public required string OrderId { get; init; }

    /// <summary>Whose order it is.</summary>
    public required string CustomerId { get; init; }

    /// <summary>ISO 4217 code of every amount.</summary>
    public required string Currency { get; init; }

    /// <summary>When the order was placed: the date on which the fact is booked, whenever it happened.</summary>
    public required DateTimeOffset OrderedAt { get; init; }

    /// <summary>Orders more or less: 1, 0 or -1.</summary>
    public required int Orders { get; init; }

    /// <summary>Revenue more or less.</summary>
    public required decimal Amount { get; init; }

    /// <summary>The same by product.</summary>
    public required IReadOnlyList<ProductDifference> Products { get; init; }

    /// <summary>The order's status before; null for its first event.</summary>
    public required OrderStatus? OldStatus { get; init; }

    /// <summary>Its status after.</summary>
    public required OrderStatus NewStatus { get; init; }

    /// <summary>The fact that an order's event tells.</summary>
    public static SalesFact Of(OrderEvent happened) => new()
    {
        OrderId = happened.OrderId,
        CustomerId = happened.CustomerId,
        Currency = happened.Currency,
        OrderedAt = happened.OrderedAt,
        Orders = happened.OrdersDifference,
        Amount = happened.AmountDifference,
        Products = happened.Products,
        OldStatus = happened.OldStatus,
        NewStatus = happened.NewStatus,
    };
}
