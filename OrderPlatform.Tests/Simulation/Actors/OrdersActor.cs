using OrderPlatform.Api.Orders;
using OrderPlatform.Api.Saga;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>Orders/OrdersParticipant: the order's row decides.</summary>
internal sealed class OrdersActor(World world, string replica)
    : Participant(world, "saga-orders", replica, typeof(StockRejected), typeof(PaymentCompleted), typeof(PaymentFailed), typeof(DispatchShipped), typeof(DispatchDelivered))
{
    protected override IEnumerable<Turn> Handle(Transaction transaction, IReadOnlyList<KafkaRecord> messages)
    {
        foreach (var id in messages.Select(message => message.Key).Distinct().Order(StringComparer.Ordinal))
        {
            while (!transaction.TryLock(World.Orders, id))
            {
                yield return Turn.Idle;
            }
        }
        foreach (var message in messages)
        {
            var order = transaction.Get(World.Orders, message.Key)!;
            World.Happens(transaction, order, OrderSaga.On(order, new Message(message.Event, message.Sequence)));
        }
    }
}
