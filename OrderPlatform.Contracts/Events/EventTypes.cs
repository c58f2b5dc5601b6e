namespace OrderPlatform.Contracts.Events;

/// <summary>What the platform knows of a type of event.</summary>
/// <param name="Name">Its name with its version, as in <c>ce_type</c> and in the event log: <c>OrderCreated.v1</c>.</param>
/// <param name="Payload">The record that its JSON is.</param>
/// <param name="Aggregate">The kind of aggregate that it belongs to: the first part of the stream's name.</param>
/// <param name="Topic">Where the relay publishes it.</param>
public sealed record EventType(string Name, Type Payload, string Aggregate, string Topic)
{
    /// <summary>Names the event's JSON Schema (CloudEvents <c>dataschema</c>); the file is schemas/{Name}.json.</summary>
    public string DataSchema => EventTypes.DataSchemaOf(Name);
}

/// <summary>Every type of event there is. A new one, or a new version of one, is a new row.</summary>
public static class EventTypes
{
    /// <summary>The aggregate kind of orders.</summary>
    public const string Order = "order";

    /// <summary>The aggregate kind of a product's stock.</summary>
    public const string Stock = "stock";

    /// <summary>The aggregate kind of what an order has reserved.</summary>
    public const string Reservation = "reservation";

    /// <summary>The aggregate kind of an order's payment.</summary>
    public const string Payment = "payment";

    /// <summary>The aggregate kind of an order's dispatch.</summary>
    public const string Dispatch = "dispatch";

    /// <summary>The aggregate kind of customers.</summary>
    public const string Customer = "customer";

    /// <summary>The kind of what is derived from orders for analytics: no aggregate of its own, it has the order's key and sequence.</summary>
    public const string Sales = "sales";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<EventType> All { get; } =
    [
        new("OrderCreated.v1", typeof(OrderCreated), Order, Topics.OrderEvents),
        new("OrderImported.v1", typeof(OrderImported), Order, Topics.OrderEvents),
        new("OrderItemsChanged.v1", typeof(OrderItemsChanged), Order, Topics.OrderEvents),
        new("OrderConfirmed.v1", typeof(OrderConfirmed), Order, Topics.OrderEvents),
        new("OrderShipped.v1", typeof(OrderShipped), Order, Topics.OrderEvents),
        new("OrderDelivered.v1", typeof(OrderDelivered), Order, Topics.OrderEvents),
        new("OrderCancelled.v1", typeof(OrderCancelled), Order, Topics.OrderEvents),
        new("StockReceived.v1", typeof(StockReceived), Stock, Topics.InventoryEvents),
        new("StockLevelChanged.v1", typeof(StockLevelChanged), Stock, Topics.InventoryEvents),
        new("StockReserved.v1", typeof(StockReserved), Reservation, Topics.InventoryEvents),
        new("StockRejected.v1", typeof(StockRejected), Reservation, Topics.InventoryEvents),
        new("StockReleased.v1", typeof(StockReleased), Reservation, Topics.InventoryEvents),
        new("PaymentCompleted.v1", typeof(PaymentCompleted), Payment, Topics.PaymentEvents),
        new("PaymentFailed.v1", typeof(PaymentFailed), Payment, Topics.PaymentEvents),
        new("PaymentRefunded.v1", typeof(PaymentRefunded), Payment, Topics.PaymentEvents),
        new("DispatchShipped.v1", typeof(DispatchShipped), Dispatch, Topics.ShippingEvents),
        new("DispatchDelivered.v1", typeof(DispatchDelivered), Dispatch, Topics.ShippingEvents),
        new("DispatchRecalled.v1", typeof(DispatchRecalled), Dispatch, Topics.ShippingEvents),
        new("CustomerRegistered.v1", typeof(CustomerRegistered), Customer, Topics.CustomerEvents),
        new("CustomerChanged.v1", typeof(CustomerChanged), Customer, Topics.CustomerEvents),
        new("SalesFact.v1", typeof(SalesFact), Sales, Topics.OrdersAnalytics),
    ];

    private static readonly Dictionary<string, EventType> ByName = All.ToDictionary(type => type.Name);
    private static readonly Dictionary<Type, EventType> ByPayload = All.ToDictionary(type => type.Payload);

    /// <summary>The type of that name; null for one that this build does not know, such as a newer version.</summary>
    public static EventType? Find(string name) => ByName.GetValueOrDefault(name);

    /// <summary>The name of the JSON Schema of a type, one that this build does not know included.</summary>
    public static string DataSchemaOf(string name) => "urn:orderplatform:schema:" + name;

    /// <summary>The type of that payload.</summary>
    /// <exception cref="KeyNotFoundException">The record has no row in <see cref="All"/>.</exception>
    public static EventType Of(object payload) => ByPayload[payload.GetType()];

    /// <inheritdoc cref="Of(object)"/>
    public static EventType Of<T>() => ByPayload[typeof(T)];
}
