using OrderPlatform.Api.Inventory;
using OrderPlatform.Api.Orders;
using OrderPlatform.Api.Payments;
using OrderPlatform.Api.Saga;
using OrderPlatform.Api.Shipping;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>Acts on what is due in a table (Api/Saga/TimerLoop, SagaParticipant.OnDueAsync); what somebody else has locked is passed over.</summary>
internal abstract class SagaTimer<TState>(World world, string name, Table<TState> table) : Actor(world, name)
    where TState : class, ISagaState<TState>
{
    private const int MaxDue = 2;

    protected override IEnumerable<Turn> Run()
    {
        while (true)
        {
            if (!table.Any(state => state.DueAt <= World.Now))
            {
                yield return Turn.Idle;
                continue;
            }
            using var transaction = World.Postgres.Begin();
            var due = table.Committed.Where(row => row.Value.DueAt <= World.Now).OrderBy(row => row.Value.DueAt).Select(row => row.Key)
                .Where(id => transaction.TryLock(table, id)).Take(MaxDue).ToList();
            if (due.Count == 0)
            {
                transaction.Dispose();
                yield return Turn.Idle;
                continue;
            }
            var batch = new SagaBatch<TState>([.. due.Select(id => (transaction.Get(table, id)!, (string?)null))]);
            yield return Turn.Did;
            foreach (var turn in Decide(transaction, batch))
            {
                yield return turn;
            }
            batch.Save(transaction, table);
            yield return Turn.Did;
            transaction.Commit();
            Trace?.Say(Name, $"has moved {string.Join(", ", batch.Changes.Select(change => $"{change.Now.OrderId} to {change.Now.StatusName}"))}");
            yield return Turn.Did;
            Committed(batch.States);
        }
    }

    protected abstract IEnumerable<Turn> Decide(Transaction transaction, SagaBatch<TState> batch);

    protected virtual void Committed(IReadOnlyList<TState> states)
    {
    }
}

/// <summary>Reserves for the orders whose change window is over.</summary>
internal sealed class ReservationTimer(World world) : SagaTimer<Reservation>(world, "reserving", world.Reservations)
{
    protected override IEnumerable<Turn> Decide(Transaction transaction, SagaBatch<Reservation> batch)
    {
        var products = batch.States.SelectMany(order => order.Items.Concat(order.Held)).Select(item => item.ProductId).Distinct().Order(StringComparer.Ordinal).ToList();
        foreach (var turn in StockMoves.Lock(World, transaction, products))
        {
            yield return turn;
        }
        var stock = StockMoves.Levels(World, transaction, products);
        foreach (var before in batch.States)
        {
            var after = batch.Decide(before.OrderId, order => Reservation.Take(order, stock.Available), World.Now);
            stock.Book(Reservation.Difference(before, after));
        }
        StockMoves.Save(World, transaction, stock);
    }
}

/// <summary>Claims payments that are due, and lets the gateway be asked for them outside of any transaction.</summary>
internal sealed class PaymentTimer(World world) : SagaTimer<Payment>(world, "claiming", world.Payments)
{
    protected override IEnumerable<Turn> Decide(Transaction transaction, SagaBatch<Payment> batch)
    {
        foreach (var payment in batch.States)
        {
            batch.Decide(payment.OrderId, before => Payment.Ask(before, World.Now), World.Now);
        }
        return [];
    }

    protected override void Committed(IReadOnlyList<Payment> states)
    {
        foreach (var payment in states)
        {
            World.Add(new PaymentCall(World, payment));
        }
    }
}

/// <summary>Lets the couriers come and arrive who are due.</summary>
internal sealed class DispatchTimer(World world) : SagaTimer<Dispatch>(world, "couriers", world.Dispatches)
{
    protected override IEnumerable<Turn> Decide(Transaction transaction, SagaBatch<Dispatch> batch)
    {
        foreach (var dispatch in batch.States)
        {
            batch.Decide(dispatch.OrderId, Dispatch.OnDue, World.Now);
        }
        return [];
    }
}

/// <summary>Cancels orders that were not paid in time (Orders/OrdersParticipant.TickAsync).</summary>
internal sealed class PaymentBoundTimer(World world) : Actor(world, "payment-bound")
{
    protected override IEnumerable<Turn> Run()
    {
        while (true)
        {
            var since = World.Now - World.ChangeWindow - World.PaymentBound;
            if (!World.Orders.Any(order => order.Status == OrderStatus.Pending && order.UpdatedAt < since))
            {
                yield return Turn.Idle;
                continue;
            }
            using var transaction = World.Postgres.Begin();
            var late = World.Orders.Committed.Where(order => order.Value.Status == OrderStatus.Pending && order.Value.UpdatedAt < since).Select(order => order.Key)
                .Where(id => transaction.TryLock(World.Orders, id)).ToList();
            if (late.Count == 0)
            {
                transaction.Dispose();
                yield return Turn.Idle;
                continue;
            }
            yield return Turn.Did;
            foreach (var order in late.Select(id => transaction.Get(World.Orders, id)!))
            {
                World.Happens(transaction, order, OrderSaga.OnTimeOut(order));
            }
            yield return Turn.Did;
            transaction.Commit();
            Trace?.Say(Name, $"has cancelled {string.Join(", ", late)}");
            yield return Turn.Did;
        }
    }
}
