namespace OrderPlatform.Api.Orders;

/// <summary>Configuration <c>Orders</c>.</summary>
public sealed class OrderOptions
{
    /// <summary>How long after its placing an order is left alone, so that the customer can change or cancel it before anything is reserved.</summary>
    public TimeSpan ChangeWindow { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>A pending order that is not paid this long after its window, or after its last change, is cancelled.</summary>
    public TimeSpan PaymentBound { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Whether orders that are placed at the same time are written in one transaction (docs/decisions/0017). One that is placed alone
    /// does not wait for others.
    /// </summary>
    public bool MicroBatch { get; set; } = true;
}
