namespace OrderPlatform.Contracts;

/// <summary>Kafka's topics. The key of every record is the aggregate's id, so that an aggregate's events keep their order within one partition.</summary>
public static class Topics
{
    /// <summary>Partitions of every topic: the bound on how far a consumer group spreads.</summary>
    public const int Partitions = 12;

    /// <summary>What happened to orders.</summary>
    public const string OrderEvents = "order.events";

    /// <summary>What happened to payments.</summary>
    public const string PaymentEvents = "payment.events";

    /// <summary>What happened to stock.</summary>
    public const string InventoryEvents = "inventory.events";

    /// <summary>What happened to dispatches.</summary>
    public const string ShippingEvents = "shipping.events";

    /// <summary>What happened to customers.</summary>
    public const string CustomerEvents = "customer.events";

    /// <summary>Signed sales facts, derived from order and payment events.</summary>
    public const string OrdersAnalytics = "orders_analytics";

    /// <summary>Changes of the table of customers, in Debezium's envelope.</summary>
    public const string CustomerRows = "cdc.public.customers";

    /// <summary>Topics that carry the platform's messages.</summary>
    public static IReadOnlyList<string> Sources { get; } = [OrderEvents, PaymentEvents, InventoryEvents, ShippingEvents, CustomerEvents, OrdersAnalytics];

    /// <summary>Topics that carry the changes of tables, in Debezium's envelope: their keys are primary keys.</summary>
    public static IReadOnlyList<string> Tables { get; } = [.. CapturedTables.All.Select(table => OfTable(CapturedTables.Schema, table))];

    /// <summary>Every topic, and the dead-letter topic of each that the platform consumes.</summary>
    public static IReadOnlyList<string> All { get; } = [.. Sources, .. Tables, .. Sources.Append(CustomerRows).Select(DeadLetters)];

    /// <summary>The topic of a table's changes: Debezium's default, topic prefix, schema and table.</summary>
    public static string OfTable(string schema, string table) => $"cdc.{schema}.{table}";

    /// <summary>The topic that holds what could not be processed of <paramref name="topic"/>.</summary>
    public static string DeadLetters(string topic) => topic + ".dlq";
}
