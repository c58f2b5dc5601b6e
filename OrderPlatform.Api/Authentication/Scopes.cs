namespace OrderPlatform.Api.Authentication;

/// <summary>What an API key may be allowed to do.</summary>
public static class Scopes
{
    public const string OrdersRead = "orders:read";
    public const string OrdersWrite = "orders:write";
    public const string OrdersImport = "orders:import";
    public const string AnalyticsRead = "analytics:read";
    public const string ProductsRead = "products:read";
    public const string PiiRead = "pii:read";
    public const string Operations = "operations";
}
