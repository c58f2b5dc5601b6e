namespace OrderPlatform.Contracts.Events;

/// <summary>Goods came in.</summary>
public sealed record StockReceived
{
    /// <summary>The product.</summary>
    public required string ProductId { get; init; }

    /// <summary>Pieces that came in, at least 1.</summary>
    public required int Quantity { get; init; }

    /// <summary>Pieces in the warehouse after it, the reserved ones included.</summary>
    public required long OnHand { get; init; }

    /// <summary>Pieces of these that orders have reserved.</summary>
    public required long Reserved { get; init; }
}

/// <summary>Orders have reserved, given back or taken out pieces of a product: one event for all of a transaction.</summary>
public sealed record StockLevelChanged
{
    /// <summary>The product.</summary>
    public required string ProductId { get; init; }

    /// <summary>Pieces in the warehouse more, or less (negative): less are shipped.</summary>
    public required long OnHandDifference { get; init; }

    /// <summary>Reserved pieces more, or less (negative).</summary>
    public required long ReservedDifference { get; init; }

    /// <summary>Pieces in the warehouse after it, the reserved ones included.</summary>
    public required long OnHand { get; init; }

    /// <summary>Pieces of these that orders have reserved.</summary>
    public required long Reserved { get; init; }
}

/// <summary>Pieces of one product.</summary>
/// <param name="ProductId">The product.</param>
/// <param name="Quantity">Pieces, at least 1.</param>
public sealed record ProductQuantity(string ProductId, int Quantity);

/// <summary>All items of one version of an order are reserved: it can be paid. What an earlier version held is replaced.</summary>
public sealed record StockReserved
{
    /// <summary>The order.</summary>
    public required string OrderId { get; init; }

    /// <summary>The sequence of the order's event that asked for these items.</summary>
    public required int OrderVersion { get; init; }

    /// <summary>Whose order it is.</summary>
    public required string CustomerId { get; init; }

    /// <summary>ISO 4217 code of the amount.</summary>
    public required string Currency { get; init; }

    /// <summary>The order's total in that version: what is to be paid.</summary>
    public required decimal Amount { get; init; }

    /// <summary>What is reserved, each product once.</summary>
    public required IReadOnlyList<ProductQuantity> Items { get; init; }
}

/// <summary>A version of an order cannot be had. Nothing is reserved for the order.</summary>
public sealed record StockRejected
{
    /// <summary>The order.</summary>
    public required string OrderId { get; init; }

    /// <summary>The sequence of the order's event that asked for the items.</summary>
    public required int OrderVersion { get; init; }

    /// <summary>What is wrong, in words.</summary>
    public required string Reason { get; init; }

    /// <summary>The products that lack.</summary>
    public required IReadOnlyList<string> Products { get; init; }
}

/// <summary>What was reserved for an order is given back: it was cancelled.</summary>
public sealed record StockReleased
{
    /// <summary>The order.</summary>
    public required string OrderId { get; init; }

    /// <summary>The latest version of the order that had asked for items.</summary>
    public required int OrderVersion { get; init; }

    /// <summary>What is no longer reserved.</summary>
    public required IReadOnlyList<ProductQuantity> Items { get; init; }
}
