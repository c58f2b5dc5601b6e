using OrderPlatform.Consuming;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>A row of the order view.</summary>
/// <param name="Events">How many events it was written by: one for each sequence.</param>
internal sealed record OrderViewRow(int Version, OrderStatus Status, decimal TotalAmount, int Events);

/// <summary>order.events -> the order view (OrderView/OrderViewProjection): rows and progress in one transaction of PostgreSQL.</summary>
internal sealed class OrderViewSink(World world, string replica) : TransactionalConsumer(world, Consumer, replica, Topics.OrderEvents)
{
    public new const string Consumer = "order-view";

    protected override IEnumerable<Turn> Write(Transaction transaction, IReadOnlyList<KafkaRecord> batch)
    {
        var versions = new Dictionary<string, int>();
        foreach (var id in batch.Select(record => record.Key).Distinct().Order(StringComparer.Ordinal))
        {
            while (!transaction.TryLock(World.OrderView, id))
            {
                yield return Turn.Idle;
            }
            versions[id] = transaction.Get(World.OrderView, id)?.Version ?? 0;
        }
        foreach (var record in batch)
        {
            if (versions.TakeNew(record.Key, record.Sequence, out _) || World.Bug == Bug.RepeatsTaken)
            {
                var happened = (OrderEvent)record.Event;
                var events = (transaction.Get(World.OrderView, record.Key)?.Events ?? 0) + 1;
                transaction.Set(World.OrderView, record.Key, new OrderViewRow(record.Sequence, happened.NewStatus, happened.TotalAmount, events));
            }
        }
    }
}
