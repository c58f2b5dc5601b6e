namespace OrderPlatform.Contracts.Events;

/// <summary>What every event of a payment says. A payment is for one version of an order.</summary>
public abstract record PaymentEvent
{
    /// <summary>The order.</summary>
    public required string OrderId { get; init; }

    /// <summary>The sequence of the order's event whose items are paid.</summary>
    public required int OrderVersion { get; init; }

    /// <summary>What was to be paid.</summary>
    public required decimal Amount { get; init; }

    /// <summary>ISO 4217 code of the amount.</summary>
    public required string Currency { get; init; }
}

/// <summary>The money was taken.</summary>
public sealed record PaymentCompleted : PaymentEvent
{
    /// <summary>The gateway's number of the payment.</summary>
    public required string Reference { get; init; }
}

/// <summary>The gateway refused: no money was taken.</summary>
public sealed record PaymentFailed : PaymentEvent
{
    /// <summary>Why, in words.</summary>
    public required string Reason { get; init; }
}

/// <summary>The money was given back: the order was cancelled, or changed to other items.</summary>
public sealed record PaymentRefunded : PaymentEvent
{
    /// <summary>The gateway's number of the payment.</summary>
    public required string Reference { get; init; }
}
