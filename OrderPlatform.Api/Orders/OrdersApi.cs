using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.Description;
using OrderPlatform.Api.Http;
using OrderPlatform.Api.Saga;

namespace OrderPlatform.Api.Orders;

/// <summary>The endpoints of orders.</summary>
internal static class OrdersApi
{
    public static void AddOrders(this IServiceCollection services)
    {
        services.AddOptions<OrderOptions>().BindConfiguration("Orders")
            .Validate(orders => orders.ChangeWindow >= TimeSpan.Zero && orders.PaymentBound > TimeSpan.Zero, "Orders:ChangeWindow must not be negative, and Orders:PaymentBound must be positive.").ValidateOnStart();
        services.AddSingleton<OrderHints>().AddHostedService<OrderHintListener>();
        services.AddSingleton<OrderBatches>().AddHostedService(provider => provider.GetRequiredService<OrderBatches>());
    }

    public static void MapOrders(this WebApplication app)
    {
        var orders = app.MapGroup("/orders").WithTags("Orders");
        var read = orders.MapGroup("").RequireScope(Scopes.OrdersRead);
        var write = orders.MapGroup("").RequireScope(Scopes.OrdersWrite);

        write.MapPost("/", PlaceOrder.HandleAsync).WithName("PlaceOrder").WithSummary("Place an order").Produces<Order>(StatusCodes.Status201Created);
        read.MapGet("/", ListOrders.HandleAsync).WithName("ListOrders").WithSummary("List orders, newest first").Produces<Page<Order>>();
        read.MapGet("/search", SearchOrders.HandleAsync).WithName("SearchOrders").WithSummary("Search orders by words and parts of them, newest first").Produces<Page<Order>>();
        read.MapGet("/{id}", GetOrder.HandleAsync).WithName("GetOrder").WithSummary("Read an order, now or as it was").Produces<Order>().SendsVersionsOnce();
        read.MapGet("/{id}/events", GetOrderEvents.HandleAsync).WithName("GetOrderEvents").WithSummary("Read an order's history").Produces<Page<OrderEventView>>();
        read.MapGet("/{id}/saga", GetSaga.HandleAsync).WithName("GetSaga").WithSummary("Read what the saga's participants know of an order").Produces<SagaView>();
        read.MapGet("/{id}/status", GetOrderStatus.HandleAsync).WithName("GetOrderStatus").WithSummary("Read where an order stands").Produces<OrderStanding>();
        read.MapGet("/{id}/stream", StreamOrder.HandleAsync).WithName("StreamOrder").WithSummary("Follow an order's status")
            .Produces<OrderStatusView>(StatusCodes.Status200OK, "text/event-stream").Produces(StatusCodes.Status204NoContent)
            .TakesHeader("Last-Event-ID", "The id of the last event that was seen: what follows it is sent.").CanAnswer(StatusCodes.Status400BadRequest);
        write.MapPost("/{id}/cancel", CancelOrder.HandleAsync).WithName("CancelOrder").WithSummary("Cancel an order").Produces<Order>()
            .Accepts<CancelOrderRequest>(isOptional: true, "application/json");
        write.MapPatch("/{id}/items", ChangeItems.HandleAsync).WithName("ChangeItems").WithSummary("Replace a pending order's items").Produces<Order>()
            .CanAnswer(StatusCodes.Status409Conflict);
    }
}
