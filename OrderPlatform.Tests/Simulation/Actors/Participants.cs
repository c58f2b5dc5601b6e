using OrderPlatform.Api.EventLog;
using OrderPlatform.Api.Inventory;
using OrderPlatform.Api.Orders;
using OrderPlatform.Api.Payments;
using OrderPlatform.Api.Saga;
using OrderPlatform.Api.Shipping;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>A participant of the saga (Api/Saga/Participant): progress, inbox, effects and events in one transaction.</summary>
internal abstract class Participant(World world, string consumer, string replica, params IReadOnlyList<Type> handled)
    : TransactionalConsumer(world, consumer, replica, [.. EventTypes.All.Where(type => handled.Contains(type.Payload)).Select(type => type.Topic).Distinct()])
{
    protected override IEnumerable<Turn> Write(Transaction transaction, IReadOnlyList<KafkaRecord> batch)
    {
        var fresh = new List<KafkaRecord>();
        foreach (var message in batch.Where(message => handled.Contains(message.Event.GetType())))
        {
            var key = $"{Consumer} {message.Id}";
            while (!transaction.TryLock(World.Inbox, key))
            {
                yield return Turn.Idle;
            }
            if (!transaction.Get(World.Inbox, key) || World.Bug is Bug.InboxOmitted or Bug.InboxTrustedAndOmitted)
            {
                transaction.Set(World.Inbox, key, true);
                fresh.Add(message);
            }
        }
        foreach (var turn in Handle(transaction, fresh))
        {
            yield return turn;
        }
    }

    /// <summary>Writes the effects of messages that were never taken before.</summary>
    protected abstract IEnumerable<Turn> Handle(Transaction transaction, IReadOnlyList<KafkaRecord> messages);
}

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

/// <summary>A participant that keeps a state of each order (Api/Saga/SagaParticipant), around the very functions that decide in the platform.</summary>
internal abstract class SagaParticipant<TState>(World world, string consumer, string replica, Table<TState> table, params IReadOnlyList<Type> handled)
    : Participant(world, consumer, replica, handled)
    where TState : class, ISagaState<TState>
{
    protected abstract Decision<TState> On(TState before, Message message);

    protected virtual IEnumerable<Turn> Book(Transaction transaction, SagaBatch<TState> batch, IReadOnlyList<KafkaRecord> messages) => [];

    protected override IEnumerable<Turn> Handle(Transaction transaction, IReadOnlyList<KafkaRecord> messages)
    {
        var ids = messages.Select(message => message.Key).Distinct().Order(StringComparer.Ordinal).ToList();
        foreach (var id in ids)
        {
            while (!transaction.TryLock(table, id))
            {
                yield return Turn.Idle;
            }
        }
        var batch = new SagaBatch<TState>([.. ids.Select(id => (transaction.Get(table, id) ?? TState.New(id), (string?)null))]);
        foreach (var message in messages)
        {
            batch.Decide(message.Key, before => On(before, new Message(message.Event, message.Sequence)), World.Now);
        }
        foreach (var turn in Book(transaction, batch, messages))
        {
            yield return turn;
        }
        batch.Save(transaction, table);
    }
}

/// <summary>How a batch of decisions is written down.</summary>
internal static class SagaBatches
{
    public static void Save<TState>(this SagaBatch<TState> batch, Transaction transaction, Table<TState> table)
        where TState : class, ISagaState<TState>
    {
        foreach (var (_, now) in batch.Changes)
        {
            transaction.Set(table, now.OrderId, now);
        }
        foreach (var happened in batch.Events)
        {
            transaction.Append(happened);
        }
    }
}

/// <summary>Inventory/InventoryParticipant: requests, releases, takes out.</summary>
internal sealed class InventoryActor(World world, string replica)
    : SagaParticipant<Reservation>(world, "saga-inventory", replica, world.Reservations, typeof(OrderCreated), typeof(OrderItemsChanged), typeof(OrderCancelled), typeof(OrderShipped))
{
    private bool TrustsInbox => World.Bug is Bug.InboxTrusted or Bug.InboxTrustedAndOmitted;

    protected override Decision<Reservation> On(Reservation before, Message message) =>
        World.Bug == Bug.ReleaseOmitted && message.Event is OrderCancelled ? before with { Status = ReservationStatus.Cancelled, DueAt = null } : Reservation.On(before, message, World.ChangeWindow);

    protected override IEnumerable<Turn> Book(Transaction transaction, SagaBatch<Reservation> batch, IReadOnlyList<KafkaRecord> messages)
    {
        var moves = TrustsInbox
            ? batch.Changes.Where(change => change.Now.Status != ReservationStatus.Shipped).SelectMany(change => Reservation.Difference(change.Before, change.Now))
                .Concat(messages.Where(message => message.Event is OrderShipped).SelectMany(message => TakenOut(batch.States.Single(state => state.OrderId == message.Key))))
            : batch.Changes.SelectMany(change => Reservation.Difference(change.Before, change.Now));
        return StockMoves.Book(World, transaction, [.. moves]);
    }

    // right when each OrderShipped comes once, and only then
    private static IEnumerable<(string ProductId, long OnHand, long Reserved)> TakenOut(Reservation shipped) =>
        shipped.Items.Select(item => (item.ProductId, -(long)item.Quantity, -(long)item.Quantity));
}

/// <summary>Inventory/StockLevels, on the simulated table.</summary>
internal static class StockMoves
{
    public static IEnumerable<Turn> Book(World world, Transaction transaction, IReadOnlyList<(string ProductId, long OnHand, long Reserved)> moves)
    {
        var products = moves.Select(move => move.ProductId).Distinct().Order(StringComparer.Ordinal).ToList();
        foreach (var turn in Lock(world, transaction, products))
        {
            yield return turn;
        }
        var levels = Levels(world, transaction, products);
        levels.Book(moves);
        Save(world, transaction, levels);
    }

    /// <summary>Locks products in one order, so that nobody waits in a circle.</summary>
    public static IEnumerable<Turn> Lock(World world, Transaction transaction, IEnumerable<string> products)
    {
        foreach (var product in products.Where(product => world.Stock.Find(product) is not null))
        {
            while (!transaction.TryLock(world.Stock, product))
            {
                yield return Turn.Idle;
            }
        }
    }

    public static StockLevels Levels(World world, Transaction transaction, IEnumerable<string> products) =>
        new(products.Select(product => transaction.Get(world.Stock, product)).OfType<Stock>());

    public static void Save(World world, Transaction transaction, StockLevels levels)
    {
        foreach (var (stock, happened) in levels.Changes)
        {
            transaction.Set(world.Stock, stock.ProductId, stock);
            transaction.Append(new NewEvent(stock.ProductId, stock.Version, world.Now, happened, TraceParent: null));
        }
    }
}

/// <summary>Payments/PaymentsParticipant: what is to be charged or given back.</summary>
internal sealed class PaymentsActor(World world, string replica)
    : SagaParticipant<Payment>(world, "saga-payments", replica, world.Payments, typeof(StockReserved), typeof(OrderCancelled))
{
    protected override Decision<Payment> On(Payment before, Message message) =>
        World.Bug == Bug.RefundOmitted && message.Event is OrderCancelled && before.Status == PaymentStatus.Completed ? before : Payment.On(before, message, World.Now);
}

/// <summary>Shipping/ShippingParticipant: couriers are sent, called off and recalled.</summary>
internal sealed class ShippingActor(World world, string replica)
    : SagaParticipant<Dispatch>(world, "saga-shipping", replica, world.Dispatches, typeof(OrderConfirmed), typeof(OrderShipped), typeof(OrderCancelled))
{
    private static readonly ShippingOptions Options = new();

    protected override Decision<Dispatch> On(Dispatch before, Message message) => Dispatch.On(before, message, Options, World.Now);
}
