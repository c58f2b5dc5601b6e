using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Projections.Auditing.Replay;

/// <summary>An order after some of its events, as every copy of it must be: an event says all of the order but its lines, which stay those of the last event that has some.</summary>
/// <param name="Version">Sequence of the last event.</param>
/// <param name="Cents">The total.</param>
/// <param name="CreatedAt">UTC.</param>
/// <param name="UpdatedAt">UTC: when the last event happened.</param>
/// <param name="Items">Hash of the lines.</param>
internal readonly record struct OrderState(int Version, OrderStatus Status, long Cents, string Currency, string CustomerId, DateTime CreatedAt, DateTime UpdatedAt, ulong Items)
{
    /// <summary>The UTC date on which it counts.</summary>
    public DateOnly Day => DateOnly.FromDateTime(CreatedAt);

    /// <summary>The part of its total that counts.</summary>
    public long CountedCents => Status == OrderStatus.Cancelled ? 0 : Cents;

    /// <summary>Hash of the whole.</summary>
    public ulong Hash => Digest.Of(ToString());

    /// <summary>The order after one event more.</summary>
    public static OrderState After(OrderState? before, OrderEvent happened, int sequence, DateTimeOffset occurredAt) => new(
        sequence, happened.NewStatus, CentsOf(happened.TotalAmount), happened.Currency, happened.CustomerId, happened.OrderedAt.UtcDateTime, occurredAt.UtcDateTime,
        ItemsOf(happened) is { } items ? HashOf(items) : before?.Items ?? 0);

    /// <summary>The lines that an event sets; null when it leaves them.</summary>
    public static IReadOnlyList<OrderItem>? ItemsOf(OrderEvent happened) => happened switch
    {
        OrderCreated created => created.Items,
        OrderImported imported => imported.Items,
        OrderItemsChanged changed => changed.Items,
        _ => null,
    };

    /// <summary>Hash of lines.</summary>
    public static ulong HashOf(IReadOnlyList<OrderItem> items) => Digest.Of(string.Join('\n', items.Select(item => $"{item.Quantity} {item.UnitPrice:F2} {item.ProductId}")));

    /// <summary>Whole cents of an amount.</summary>
    public static long CentsOf(decimal amount) => (long)(amount * 100);

    /// <inheritdoc />
    public override string ToString() =>
        $"version {Version}, {Status}, {Cents / 100m:F2} {Currency}, customer {CustomerId}, created {CreatedAt:yyyy-MM-ddTHH:mm:ss.FFFFFF}Z, updated {UpdatedAt:yyyy-MM-ddTHH:mm:ss.FFFFFF}Z, items {Items:x16}";
}
