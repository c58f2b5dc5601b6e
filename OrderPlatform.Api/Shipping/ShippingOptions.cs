namespace OrderPlatform.Api.Shipping;

/// <summary>Configuration <c>Shipping</c>: how fast the built-in couriers are.</summary>
public sealed class ShippingOptions
{
    /// <summary>From an order's confirmation to the courier's visit.</summary>
    public TimeSpan DispatchAfter { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>From the courier's leaving to the delivery.</summary>
    public TimeSpan DeliverAfter { get; set; } = TimeSpan.FromSeconds(2);
}
