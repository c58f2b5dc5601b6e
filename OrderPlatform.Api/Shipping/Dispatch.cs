using System.Security.Cryptography;
using System.Text;
using OrderPlatform.Api.Saga;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Api.Shipping;

/// <summary>Where an order's dispatch stands.</summary>
public enum DispatchStatus
{
    /// <summary>Nothing is known of the order.</summary>
    None,

    /// <summary>A courier was asked to come.</summary>
    Waiting,

    /// <summary>The courier has the parcel, and leaves once the order says that it is shipped.</summary>
    Shipped,

    /// <summary>The courier is under way.</summary>
    UnderWay,

    /// <summary>The parcel has arrived: an end.</summary>
    Delivered,

    /// <summary>The order was cancelled before the courier came, or before anything was known of it: an end.</summary>
    CalledOff,

    /// <summary>The order was cancelled before the courier left, who gave the parcel back: an end.</summary>
    Recalled,
}

/// <summary>What shipping knows of one order. Pure.</summary>
public sealed record Dispatch : ISagaState<Dispatch>
{
    private static readonly string[] Couriers = ["Swift Bicycles", "Harbour Express", "Night Mail"];

    /// <inheritdoc />
    public required string OrderId { get; init; }

    /// <summary>Where it stands.</summary>
    public DispatchStatus Status { get; init; }

    /// <inheritdoc />
    public int Sequence { get; init; }

    /// <inheritdoc />
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>The sequence of the order's event that confirmed it; 0 before that.</summary>
    public int OrderVersion { get; init; }

    string ISagaState<Dispatch>.StatusName => Status.ToString();

    /// <summary>Who carries it: by rule, so that it is the same whoever asks.</summary>
    internal string Courier => Couriers[HashOf(OrderId)[0] % Couriers.Length];

    /// <summary>The courier's number of the parcel.</summary>
    internal string TrackingNumber => Convert.ToHexString(HashOf(OrderId)[1..7]);

    /// <inheritdoc />
    public static Dispatch New(string orderId) => new() { OrderId = orderId };

    /// <inheritdoc />
    public Dispatch After(int events) => this with { Sequence = Sequence + events };

    /// <summary>What a message makes of it.</summary>
    public static Decision<Dispatch> On(Dispatch before, Message message, ShippingOptions options, DateTimeOffset now) => (before.Status, message.Event) switch
    {
        (DispatchStatus.None, OrderConfirmed) => before with { Status = DispatchStatus.Waiting, OrderVersion = message.Sequence, DueAt = now + options.DispatchAfter },
        (DispatchStatus.Shipped, OrderShipped) => before with { Status = DispatchStatus.UnderWay, DueAt = now + options.DeliverAfter },
        (DispatchStatus.None or DispatchStatus.Waiting, OrderCancelled) => before with { Status = DispatchStatus.CalledOff, DueAt = null },
        (DispatchStatus.Shipped, OrderCancelled) => (before with { Status = DispatchStatus.Recalled }).Tells(
            new DispatchRecalled { OrderId = before.OrderId, OrderVersion = before.OrderVersion, Courier = before.Courier, TrackingNumber = before.TrackingNumber }),
        _ => before,
    };

    /// <summary>It is due: the courier comes, or arrives.</summary>
    public static Decision<Dispatch> OnDue(Dispatch before) => before.Status switch
    {
        DispatchStatus.Waiting => (before with { Status = DispatchStatus.Shipped, DueAt = null }).Tells(
            new DispatchShipped { OrderId = before.OrderId, OrderVersion = before.OrderVersion, Courier = before.Courier, TrackingNumber = before.TrackingNumber }),
        DispatchStatus.UnderWay => (before with { Status = DispatchStatus.Delivered, DueAt = null }).Tells(
            new DispatchDelivered { OrderId = before.OrderId, OrderVersion = before.OrderVersion, Courier = before.Courier, TrackingNumber = before.TrackingNumber }),
        _ => before,
    };

    private static byte[] HashOf(string orderId) => SHA256.HashData(Encoding.UTF8.GetBytes(orderId));
}
