namespace OrderPlatform.Contracts;

/// <summary>The projections that can be rebuilt and reset, by name.</summary>
public static class RebuildableProjections
{
    /// <summary>Orders for searching, in PostgreSQL.</summary>
    public const string OrderView = "order-view";

    /// <summary>Rankings, counters and statuses, in Redis.</summary>
    public const string Rankings = "rankings";

    /// <summary>Sales facts and their sums, in ClickHouse.</summary>
    public const string SalesFacts = "sales-facts";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } = [OrderView, Rankings, SalesFacts];
}
