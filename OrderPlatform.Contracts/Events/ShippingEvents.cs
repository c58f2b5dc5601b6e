namespace OrderPlatform.Contracts.Events;

/// <summary>What every event of a dispatch says. An order has one dispatch.</summary>
public abstract record DispatchEvent
{
    /// <summary>The order.</summary>
    public required string OrderId { get; init; }

    /// <summary>The sequence of the order's event that confirmed it.</summary>
    public required int OrderVersion { get; init; }

    /// <summary>Who carries it.</summary>
    public required string Courier { get; init; }

    /// <summary>The courier's number of the parcel.</summary>
    public required string TrackingNumber { get; init; }
}

/// <summary>The parcel is with the courier, who leaves with it once the order says that it is shipped.</summary>
public sealed record DispatchShipped : DispatchEvent;

/// <summary>The parcel has arrived.</summary>
public sealed record DispatchDelivered : DispatchEvent;

/// <summary>The courier gave the parcel back: the order was cancelled before it was shipped.</summary>
public sealed record DispatchRecalled : DispatchEvent;
