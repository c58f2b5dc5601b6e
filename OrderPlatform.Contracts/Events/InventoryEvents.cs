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
