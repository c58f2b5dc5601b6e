namespace OrderPlatform.Api.Orders;

/// <summary>Configuration <c>Orders</c>.</summary>
public sealed class OrderOptions
{
    /// <summary>How long after its placing an order is left alone, so that the customer can change or cancel it before anything is reserved.</summary>
    public TimeSpan ChangeWindow { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>A pending order that is not paid this long after its window, or after its last change, is cancelled.</summary>
    public TimeSpan PaymentBound { get; set; } = TimeSpan.FromMinutes(5);
}
