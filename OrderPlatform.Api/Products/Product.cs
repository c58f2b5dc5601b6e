namespace OrderPlatform.Api.Products;

/// <summary>A product that can be ordered.</summary>
/// <param name="Price">List price of one piece; an order says its own.</param>
/// <param name="Version">1 when new, one more with each change: its ETag.</param>
public sealed record Product(string Id, string Name, string? Description, decimal Price, string Currency, int Version, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt);
