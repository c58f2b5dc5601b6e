using System.Text.Json.Serialization;

namespace OrderPlatform.Api.Inventory;

/// <summary>How many pieces of a product there are.</summary>
/// <param name="OnHand">In the warehouse, the reserved ones included.</param>
/// <param name="Reserved">Of these, promised to orders.</param>
/// <param name="Version">The sequence of its last event.</param>
public sealed record Stock(string ProductId, long OnHand, long Reserved, [property: JsonPropertyOrder(1)] int Version)
{
    /// <summary>What can still be promised.</summary>
    public long Available => OnHand - Reserved;
}
