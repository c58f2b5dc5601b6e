namespace OrderPlatform.Contracts.Auditing;

/// <summary>The audits there are, by the names that the Api takes and shows.</summary>
public static class AuditNames
{
    /// <summary>The event log's streams are whole and in order, and PostgreSQL's orders are their replay.</summary>
    public const string Orders = "orders";

    /// <summary>Kafka holds the event log, and nothing else.</summary>
    public const string Kafka = "kafka";

    /// <summary>The order view.</summary>
    public const string OrderView = "order-view";

    /// <summary>The customer view.</summary>
    public const string CustomerView = "customer-view";

    /// <summary>Redis.</summary>
    public const string Rankings = "rankings";

    /// <summary>ClickHouse: the facts, and what is summed from them.</summary>
    public const string SalesFacts = "sales-facts";

    /// <summary>Stock is what came in less what was shipped, and reserved is what orders hold.</summary>
    public const string Stock = "stock";

    /// <summary>Payments are those of the confirmed orders.</summary>
    public const string Payments = "payments";

    /// <summary>No order is dispatched twice, or without being shipped.</summary>
    public const string Dispatch = "dispatch";

    /// <summary>No order is on its way for longer than its bound.</summary>
    public const string StuckOrders = "stuck-orders";

    /// <summary>All of them, in the order in which they run.</summary>
    public static IReadOnlyList<string> All { get; } = [Orders, Kafka, OrderView, CustomerView, Rankings, SalesFacts, Stock, Payments, Dispatch, StuckOrders];
}
