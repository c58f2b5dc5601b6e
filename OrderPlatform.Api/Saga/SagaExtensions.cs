using OrderPlatform.Api.Inventory;
using OrderPlatform.Api.Notifications;
using OrderPlatform.Api.Orders;
using OrderPlatform.Api.Payments;
using OrderPlatform.Api.Shipping;
using OrderPlatform.Consuming;

namespace OrderPlatform.Api.Saga;

/// <summary>Registration of the participants.</summary>
internal static class SagaExtensions
{
    /// <summary>The participants run in this process unless <c>Api:Participants</c> is false: then it serves HTTP only, and another replica must run them.</summary>
    public static void AddSaga(this WebApplicationBuilder builder)
    {
        if (!builder.Configuration.GetValue("Api:Participants", defaultValue: true))
        {
            return;
        }
        var services = builder.Services;
        services.AddOptions<SimulatorOptions>().BindConfiguration("Payments:Simulator")
            .Validate(simulator => simulator.Rates.All(rate => rate is >= 0 and <= 1), "The rates of Payments:Simulator are from 0 to 1.").ValidateOnStart();
        services.AddOptions<ShippingOptions>().BindConfiguration("Shipping")
            .Validate(shipping => shipping.DispatchAfter >= TimeSpan.Zero && shipping.DeliverAfter >= TimeSpan.Zero, "Shipping:DispatchAfter and Shipping:DeliverAfter must not be negative.").ValidateOnStart();
        builder.AddNotifications();
        services.AddSingleton<IPaymentGateway, GatewaySimulator>();
        services.AddSingleton<ProjectionState>().AddHealthChecks().AddCheck<ProjectionHealthCheck>("participants");
        services.AddHostedService<InboxCleanup>();
        services.AddParticipant<OrdersParticipant>();
        services.AddParticipant<InventoryParticipant>();
        services.AddParticipant<PaymentsParticipant>();
        services.AddParticipant<ShippingParticipant>();
        services.AddParticipant<NotificationsParticipant>();
    }

    private static void AddParticipant<TParticipant>(this IServiceCollection services)
        where TParticipant : Participant, ITimed
    {
        services.AddProjection<TParticipant>();
        services.AddSingleton<IHostedService>(provider => new TimerLoop(
            provider.GetRequiredService<TParticipant>(), provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<TimerLoop>>()));
    }
}
