using OrderPlatform.Api.Saga;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Api.Inventory;

/// <summary>Where an order's reservation stands.</summary>
public enum ReservationStatus
{
    /// <summary>Nothing is known of the order.</summary>
    None,

    /// <summary>Its items are to be reserved when its change window is over. What an earlier version holds is held until then.</summary>
    Requested,

    /// <summary>All of its items are reserved.</summary>
    Reserved,

    /// <summary>Its items cannot be had; a later version may still ask for others.</summary>
    Rejected,

    /// <summary>Its items have left the warehouse: the end.</summary>
    Shipped,

    /// <summary>The order was cancelled, before or after it asked for anything: the other end.</summary>
    Cancelled,
}

/// <summary>What inventory knows of one order. Pure: the stock rows move by <see cref="Difference"/>, in the transaction of the state.</summary>
public sealed record Reservation : ISagaState<Reservation>
{
    private const int MaxNamed = 3;

    /// <inheritdoc />
    public required string OrderId { get; init; }

    /// <summary>Where it stands.</summary>
    public ReservationStatus Status { get; init; }

    /// <inheritdoc />
    public int Sequence { get; init; }

    /// <inheritdoc />
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>The latest version of the order that asked for items; 0 before the first.</summary>
    public int OrderVersion { get; init; }

    /// <summary>Whose order it is.</summary>
    public string CustomerId { get; init; } = "";

    /// <summary>ISO 4217 code of the amount.</summary>
    public string Currency { get; init; } = "";

    /// <summary>What that version is to be paid with.</summary>
    public decimal Amount { get; init; }

    /// <summary>What that version asks for, each product once.</summary>
    public IReadOnlyList<ProductQuantity> Items { get; init; } = [];

    /// <summary>What is reserved for the order at this moment, each product once.</summary>
    public IReadOnlyList<ProductQuantity> Held { get; init; } = [];

    string ISagaState<Reservation>.StatusName => Status.ToString();

    /// <inheritdoc />
    public static Reservation New(string orderId) => new() { OrderId = orderId };

    /// <inheritdoc />
    public Reservation After(int events) => this with { Sequence = Sequence + events };

    /// <summary>What a message makes of it.</summary>
    /// <param name="window">How long after its placing an order is left alone.</param>
    public static Decision<Reservation> On(Reservation before, Message message, TimeSpan window) => (before.Status, message.Event) switch
    {
        (ReservationStatus.Shipped or ReservationStatus.Cancelled, _) => before,
        (_, OrderCreated created) => before.Request(created, created.Items, message.Sequence, window),
        (_, OrderItemsChanged changed) => before.Request(changed, changed.Items, message.Sequence, window),
        (_, OrderCancelled) => before.Cancel(),
        (ReservationStatus.Reserved, OrderShipped) => before with { Status = ReservationStatus.Shipped, Held = [] },
        _ => before,
    };

    /// <summary>Reserves what was requested, all of it or nothing.</summary>
    /// <param name="available">Pieces of a product that can be promised, what this order holds not counted; null for a product that was never received.</param>
    public static Decision<Reservation> Take(Reservation before, Func<string, long?> available)
    {
        if (before.Status != ReservationStatus.Requested)
        {
            return before;
        }
        var held = before.Held.ToDictionary(item => item.ProductId, item => item.Quantity);
        var unknown = before.Items.Where(item => available(item.ProductId) is null).Select(item => item.ProductId).ToList();
        var lacking = before.Items.Where(item => available(item.ProductId) + held.GetValueOrDefault(item.ProductId) < item.Quantity).Select(item => item.ProductId).ToList();
        return unknown.Count > 0 ? before.Reject("unknown product", unknown)
            : lacking.Count > 0 ? before.Reject("out of stock", lacking)
            : (before with { Status = ReservationStatus.Reserved, DueAt = null, Held = before.Items }).Tells(
                new StockReserved { OrderId = before.OrderId, OrderVersion = before.OrderVersion, CustomerId = before.CustomerId, Currency = before.Currency, Amount = before.Amount, Items = before.Items });
    }

    /// <summary>What a step moves of each product's stock.</summary>
    public static IEnumerable<(string ProductId, long OnHand, long Reserved)> Difference(Reservation before, Reservation after)
    {
        var leaves = before.Status != ReservationStatus.Shipped && after.Status == ReservationStatus.Shipped;
        return before.Held.Select(item => (item.ProductId, OnHand: leaves ? -item.Quantity : 0L, Reserved: -(long)item.Quantity))
            .Concat(after.Held.Select(item => (item.ProductId, OnHand: 0L, Reserved: (long)item.Quantity)))
            .GroupBy(move => move.ProductId)
            .Select(product => (product.Key, product.Sum(move => move.OnHand), product.Sum(move => move.Reserved)))
            .Where(product => product is not (_, 0, 0));
    }

    // an earlier version that comes late is none of the order's any more
    private Reservation Request(OrderEvent happened, IReadOnlyList<OrderItem> items, int version, TimeSpan window) => version <= OrderVersion ? this : this with
    {
        Status = ReservationStatus.Requested,
        OrderVersion = version,
        CustomerId = happened.CustomerId,
        Currency = happened.Currency,
        Amount = happened.TotalAmount,
        Items = [.. items.GroupBy(item => item.ProductId).Select(product => new ProductQuantity(product.Key, product.Sum(item => item.Quantity)))],
        DueAt = happened.OrderedAt + window,
    };

    private Decision<Reservation> Cancel()
    {
        var cancelled = this with { Status = ReservationStatus.Cancelled, DueAt = null, Held = [] };
        return Held.Count == 0 ? cancelled : cancelled.Tells(new StockReleased { OrderId = OrderId, OrderVersion = OrderVersion, Items = Held });
    }

    private Decision<Reservation> Reject(string reason, List<string> products) => (this with { Status = ReservationStatus.Rejected, DueAt = null, Held = [] }).Tells(
        new StockRejected
        {
            OrderId = OrderId,
            OrderVersion = OrderVersion,
            Reason = $"{reason}: {string.Join(", ", products.Take(MaxNamed))}{(products.Count > MaxNamed ? $" and {products.Count - MaxNamed} more" : "")}",
            Products = products,
        });
}
