using OrderPlatform.Api.Payments;
using OrderPlatform.Api.Saga;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>Payments/PaymentsParticipant: what is to be charged or given back.</summary>
internal sealed class PaymentsActor(World world, string replica)
    : SagaParticipant<Payment>(world, "saga-payments", replica, world.Payments, typeof(StockReserved), typeof(OrderCancelled))
{
    protected override Decision<Payment> On(Payment before, Message message) =>
        World.Bug == Bug.RefundOmitted && message.Event is OrderCancelled && before.Status == PaymentStatus.Completed ? before : Payment.On(before, message, World.Now);
}
