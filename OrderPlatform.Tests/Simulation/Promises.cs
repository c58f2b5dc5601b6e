using OrderPlatform.Api.Inventory;
using OrderPlatform.Api.Orders;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Projections.Rankings;
using OrderPlatform.Tests.Simulation.Actors;
using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation;

/// <summary>The platform has broken a promise.</summary>
internal sealed class PromiseBrokenException(string message) : Exception(message);

/// <summary>What the platform promises: some of it at every step, the rest once everything has drained.</summary>
internal sealed class Promises(World world)
{
    private readonly Dictionary<string, int> _logged = [];
    private readonly Dictionary<(string Topic, string Stream), int> _published = [];
    private readonly Dictionary<string, Answer> _answers = [];
    private readonly HashSet<string> _customers = [];

    /// <summary>What the warehouse receives, each once.</summary>
    public IReadOnlyList<(string ProductId, int Quantity)> Receipts { get; } = [.. Enumerable.Repeat(("plenty", 20), 6), ("scarce", 2), ("plenty", 20), ("scarce", 1), ("plenty", 20)];

    /// <summary>CHECK stock_covers_reservations.</summary>
    public static void StockCoversReservations(Stock stock) =>
        Keep(stock.OnHand >= stock.Reserved && stock.Reserved >= 0, $"{stock.OnHand} pieces of {stock.ProductId} are on hand and {stock.Reserved} reserved");

    /// <summary>An event is committed: its stream has no gap, and no customer has a second order.</summary>
    public void Logged(LoggedRow row)
    {
        Keep(row.Sequence == _logged.GetValueOrDefault(row.Stream) + 1, $"{row.Stream} goes on with sequence {row.Sequence} in the log after {_logged.GetValueOrDefault(row.Stream)}");
        _logged[row.Stream] = row.Sequence;
        Keep(row.Event is not OrderCreated created || _customers.Add(created.CustomerId), $"{row.Stream} is a second order of somebody who has placed one");
    }

    /// <summary>A record reaches Kafka: it is a repeat, or the next of its aggregate.</summary>
    public void Published(Partition partition, KafkaRecord record)
    {
        var last = _published.GetValueOrDefault((partition.Topic, record.Stream));
        Keep(record.Sequence <= last + 1, $"{record} reaches {partition.Name} after sequence {last}");
        _published[(partition.Topic, record.Stream)] = Math.Max(last, record.Sequence);
    }

    /// <summary>The relay's checkpoint only moves forward.</summary>
    public void CheckpointMoves(LogCheckpoint? before, LogCheckpoint after) =>
        Keep(before is null || world.Postgres.Log.TrueForAll(row => after.Covers(row) || !before.Covers(row)), $"the relay's checkpoint moves back from {before} to {after}");

    /// <summary>A client has its answer: the same one whenever it asks with the same key.</summary>
    public void Answered(string key, Answer answer)
    {
        Keep(!_answers.TryGetValue(key, out var before) || before == answer, $"the key '{key}' is answered with {answer} after {before}");
        Keep(answer.Status != 201 || world.Orders.Find(answer.Id) is not null, $"{key} is told of {answer.Id}, which is not there");
        _answers[key] = answer;
    }

    /// <summary>The gateway takes money: no more than one charge of an order is kept at any time.</summary>
    public void Charged(string orderId) =>
        Keep(world.Gateway.Books.Values.Count(charge => charge.OrderId == orderId && charge.IsKept) <= 1, $"two charges of {orderId} are kept");

    /// <summary>What is still to be done; null when everything has drained.</summary>
    public string? StillOpen() =>
        world.HasOpenWork || world.Gateway.HasLateRequests ? "a client or a call is at work"
        : world.Postgres.Log.Exists(row => row.Sequence > _published.GetValueOrDefault((row.Topic, row.Stream))) ? "events wait for the relay"
        : world.Orders.Committed.Any(order => order.Value.Status == OrderStatus.Pending) ? "an order is pending"
        : world.Reservations.Committed.Any(row => row.Value.DueAt is not null) || world.Payments.Committed.Any(row => row.Value.DueAt is not null) || world.Dispatches.Committed.Any(row => row.Value.DueAt is not null) ? "a timer runs"
        : Lagging() ?? (world.Redis.Plan is not null || world.FactsPlan.Find(SalesFactsSink.ConsumerName)?.Pending is not null ? "a plan is pending" : null);

    /// <summary>Everything has drained: all books agree.</summary>
    public void AtTheEnd()
    {
        var events = world.Postgres.Log.Where(row => row.Topic == Topics.OrderEvents).GroupBy(row => row.Key)
            .ToDictionary(order => order.Key, order => order.OrderBy(row => row.Sequence).Select(row => (OrderEvent)row.Event).ToList());
        foreach (var (id, history) in events)
        {
            OrderIsItsEvents(world.Orders.Find(id)!, history);
            MoneyIsRight(world.Orders.Find(id)!);
        }
        AnsweredOrdersExist();
        StockIsRight();
        OrderViewIsTheLog(events);
        RankingsAreTheLog(events);
        FactsAreTheLog(events);
    }

    private string? Lagging()
    {
        var lagging = new[]
            {
                ("saga-orders", [Topics.InventoryEvents, Topics.PaymentEvents, Topics.ShippingEvents]), ("saga-inventory", [Topics.OrderEvents]),
                ("saga-payments", [Topics.InventoryEvents, Topics.OrderEvents]), ("saga-shipping", [Topics.OrderEvents]),
                (OrderViewSink.ConsumerName, [Topics.OrderEvents]), (SalesFactsSink.ConsumerName, new[] { Topics.OrdersAnalytics }),
            }
            .SelectMany(consumer => world.Kafka.PartitionsOf(consumer.Item2).Select(partition => (Name: consumer.Item1, Partition: partition, Next: world.Progress.Find(TransactionalConsumer.ProgressOf(consumer.Item1, partition)))))
            .Concat(world.Kafka.PartitionsOf([Topics.OrderEvents]).SelectMany(partition => new[]
            {
                (Name: "transformer", Partition: partition, Next: world.Transformer.Committed[partition]), (Name: "rankings", Partition: partition, Next: world.Redis.Offsets.GetValueOrDefault(partition)),
            }))
            .FirstOrDefault(consumer => consumer.Next < consumer.Partition.Records.Count);
        return lagging.Name is null ? null : $"{lagging.Name} has not read all of {lagging.Partition.Name}";
    }

    private static void OrderIsItsEvents(Order order, List<OrderEvent> history)
    {
        Keep(order.Status is OrderStatus.Delivered or OrderStatus.Cancelled, $"{order.Id} ends as {order.Status}");
        Keep(order.Version == history.Count && order.Status == history[^1].NewStatus && order.TotalAmount == history[^1].TotalAmount, $"{order.Id} is not what its events make it");
        Keep(!(history.Exists(happened => happened is OrderShipped) && history.Exists(happened => happened is OrderCancelled)), $"{order.Id} is both shipped and cancelled");
    }

    private void MoneyIsRight(Order order)
    {
        var charges = world.Gateway.Books.Values.Where(charge => charge.OrderId == order.Id).ToList();
        var kept = charges.Where(charge => charge.IsKept).Sum(charge => charge.Amount);
        Keep(kept == (order.Status == OrderStatus.Delivered ? order.TotalAmount : 0), $"{kept} is kept of {order.Id}, which is {order.Status} and comes to {order.TotalAmount}");
        var payments = world.Postgres.Log.Where(row => row.Topic == Topics.PaymentEvents && row.Key == order.Id).Select(row => row.Event).ToList();
        Keep(charges.Count(charge => charge.Refusal is null) == payments.Count(happened => happened is PaymentCompleted), $"the payments told of {order.Id} are not the gateway's");
        Keep(charges.Count(charge => charge.IsRefunded) == payments.Count(happened => happened is PaymentRefunded), $"the refunds told of {order.Id} are not the gateway's");
    }

    private void AnsweredOrdersExist()
    {
        foreach (var (key, answer) in _answers.Where(answer => answer.Value.Status == 201))
        {
            Keep(world.Orders.Find(answer.Id)?.CustomerId == key, $"{key} was told of {answer.Id}, which is not there");
        }
    }

    private void StockIsRight()
    {
        foreach (var product in Receipts.GroupBy(receipt => receipt.ProductId, receipt => receipt.Quantity))
        {
            var stock = world.Stock.Find(product.Key)!;
            var shipped = world.Orders.Committed.Where(order => order.Value.Status == OrderStatus.Delivered).SelectMany(order => order.Value.Items).Where(item => item.ProductId == product.Key).Sum(item => item.Quantity);
            Keep(stock.OnHand == product.Sum() - shipped, $"{stock.OnHand} pieces of {product.Key} are on hand; {product.Sum()} were received and {shipped} shipped");
            Keep(stock.Reserved == 0, $"{stock.Reserved} pieces of {product.Key} stay reserved");
        }
    }

    private void OrderViewIsTheLog(Dictionary<string, List<OrderEvent>> events)
    {
        foreach (var (id, history) in events)
        {
            var (expected, row) = (new OrderViewRow(history.Count, history[^1].NewStatus, history[^1].TotalAmount, history.Count), world.OrderView.Find(id));
            Keep(row == expected, $"the view has {id} as {row} instead of {expected}");
        }
    }

    private void RankingsAreTheLog(Dictionary<string, List<OrderEvent>> events)
    {
        var changes = new RankingChanges(DateOnly.FromDateTime(World.Beginning.UtcDateTime));
        events.Values.SelectMany(history => history).ToList().ForEach(changes.Add);
        foreach (var (kind, window, id, change) in changes.Rankings.SelectMany(ranking => ranking.Value.Select(change => (ranking.Key.Kind, ranking.Key.Window, change.Key, change.Value))))
        {
            var ranked = world.Redis.Rankings.GetValueOrDefault($"{kind} {window} {id}");
            Keep(ranked == (change.Cents, change.Orders), $"Redis has {ranked} for {kind} {window} {id} instead of ({change.Cents}, {change.Orders})");
        }
    }

    private void FactsAreTheLog(Dictionary<string, List<OrderEvent>> events)
    {
        var facts = world.ClickHouse.Facts.GroupBy(fact => fact.OrderId).ToDictionary(order => order.Key, order => order.Select(fact => fact.Sequence).Order().ToList());
        foreach (var (id, history) in events)
        {
            Keep(facts.TryGetValue(id, out var sequences) && sequences.SequenceEqual(Enumerable.Range(1, history.Count)), $"ClickHouse has the facts {string.Join(", ", sequences ?? [])} of {id}, which has {history.Count}");
        }
        var expected = (events.Values.Sum(history => history.Count), events.Values.Sum(history => history.Sum(happened => happened.OrdersDifference)), events.Values.Sum(history => history.Sum(happened => happened.AmountDifference)));
        Keep(world.ClickHouse.Sums == expected, $"ClickHouse's view says {world.ClickHouse.Sums} instead of {expected}");
    }

    private static void Keep(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new PromiseBrokenException(otherwise);
        }
    }
}
