using OrderPlatform.Api.Saga;
using OrderPlatform.Api.Shipping;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>Shipping/ShippingParticipant: couriers are sent, called off and recalled.</summary>
internal sealed class ShippingActor(World world, string replica)
    : SagaParticipant<Dispatch>(world, "saga-shipping", replica, world.Dispatches, typeof(OrderConfirmed), typeof(OrderShipped), typeof(OrderCancelled))
{
    private static readonly ShippingOptions Options = new();

    protected override Decision<Dispatch> On(Dispatch before, Message message) => Dispatch.On(before, message, Options, World.Now);
}
