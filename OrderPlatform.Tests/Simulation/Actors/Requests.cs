using OrderPlatform.Api.EventLog;
using OrderPlatform.Api.Inventory;
using OrderPlatform.Api.Orders;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation.Actors;

/// <summary>What the Api answers.</summary>
internal sealed record Answer(int Status, string Id, int Version)
{
    /// <summary>409: a request with the same key is being worked on. Ask again.</summary>
    public static Answer InProgress { get; } = new(409, "", 0);

    public bool IsSuccess => Status is >= 200 and < 300;

    public override string ToString() => $"{Status} {Id} version {Version}";
}

/// <summary>A request that the Api is working on. It goes on when its client has left, and dies with the Api.</summary>
internal abstract class Request(World world, string name) : Actor(world, name)
{
    /// <summary>The answer; null while there is none.</summary>
    public Answer? Answer { get; protected set; }

    protected override bool IsService => false;
}

/// <summary>A POST (Api/Idempotency/IdempotentWrites): the answer is recorded in the transaction of the work, so either both are there or neither.</summary>
internal abstract class IdempotentRequest(World world, string name, string key) : Request(world, name)
{
    /// <summary>The header Idempotency-Key.</summary>
    public string Key => key;

    protected Answer? Work { get; set; }

    /// <summary>Works in the transaction and leaves its answer in <see cref="Work"/>.</summary>
    protected abstract IEnumerable<Turn> RunWork(Transaction transaction);

    protected override IEnumerable<Turn> Run()
    {
        var transaction = World.Postgres.Begin();
        try
        {
            if (!transaction.TryAdvisoryLock(World.Answers, key))
            {
                Answer = Answer.InProgress;
                yield break;
            }
            if (transaction.Get(World.Answers, key) is { } before)
            {
                Answer = before;
                yield break;
            }
            yield return Turn.Did;
            foreach (var turn in RunWork(transaction))
            {
                yield return turn;
            }
            if (!Work!.IsSuccess)
            {
                Answer = Work; // a problem rolls everything back and is not kept
                yield break;
            }
            if (World.Bug == Bug.AnswerRecordedApart)
            {
                transaction.Commit();
                Trace?.Say(Name, $"has committed its work, and not its answer yet: {Work}");
                yield return Turn.Did;
                transaction = World.Postgres.Begin();
                if (!transaction.TryAdvisoryLock(World.Answers, key))
                {
                    yield break;
                }
            }
            transaction.Set(World.Answers, key, Work);
            yield return Turn.Did;
            transaction.Commit();
            Trace?.Say(Name, $"is done: {Work}");
            yield return Turn.Did;
            Answer = Work;
        }
        finally
        {
            transaction.Dispose();
        }
    }
}

/// <summary>POST /orders (Orders/PlaceOrder): in a batch or alone, whichever its replica does (Orders:MicroBatch).</summary>
internal sealed class PlaceOrder(World world, string key, string customerId, IReadOnlyList<OrderItem> items) : IdempotentRequest(world, $"place {key}", key)
{
    private readonly string _id = world.NewOrderId();

    /// <summary>What its client gets once it is written.</summary>
    public Answer Decided => new(201, _id, 1);

    /// <summary>What became of it in a batch; null while it waits there.</summary>
    public BatchOutcome? Outcome { get; set; }

    /// <summary>Writes the order and its event.</summary>
    public void Write(Transaction transaction)
    {
        transaction.TryLock(World.Orders, _id);
        World.Happens(transaction, null, [Order.Place(_id, customerId, "EUR", items, World.Now)]);
    }

    protected override IEnumerable<Turn> Run()
    {
        if (World.Random.Next(2) == 0)
        {
            World.WaitingOrders.Add(this);
            yield return Turn.Did;
            while (Outcome is null)
            {
                yield return Turn.Idle;
            }
            Answer = Outcome == BatchOutcome.Written ? Decided : null;
        }
        foreach (var turn in Outcome is null or BatchOutcome.Left ? base.Run() : [])
        {
            yield return turn;
        }
    }

    protected override IEnumerable<Turn> RunWork(Transaction transaction)
    {
        Write(transaction);
        Work = Decided;
        yield return Turn.Did;
    }
}

/// <summary>POST /orders/{id}/cancel (Orders/CancelOrder): it waits for the order's row, and decides again when somebody was faster.</summary>
internal sealed class CancelOrder(World world, string key, string id) : IdempotentRequest(world, $"cancel {id}", key)
{
    protected override IEnumerable<Turn> RunWork(Transaction transaction)
    {
        while (true)
        {
            var order = transaction.Get(World.Orders, id)!;
            if (order.Status is OrderStatus.Cancelled or OrderStatus.Shipped or OrderStatus.Delivered)
            {
                Work = new Answer(order.Status == OrderStatus.Cancelled ? 200 : 409, id, order.Version);
                yield break;
            }
            yield return Turn.Did;
            while (!transaction.TryLock(World.Orders, id))
            {
                yield return Turn.Idle;
            }
            if (transaction.Get(World.Orders, id)!.Version == order.Version)
            {
                World.Happens(transaction, order, [order.Cancel("the customer does not want it")]);
                Work = new Answer(200, id, order.Version + 1);
                yield return Turn.Did;
                yield break;
            }
        }
    }
}

/// <summary>POST /inventory/{productId}/receipts (Inventory/ReceiveStock).</summary>
internal sealed class ReceiveStock(World world, string key, string productId, int quantity) : IdempotentRequest(world, $"receive {key}", key)
{
    protected override IEnumerable<Turn> RunWork(Transaction transaction)
    {
        while (!transaction.TryLock(World.Stock, productId))
        {
            yield return Turn.Idle;
        }
        var before = transaction.Get(World.Stock, productId) ?? new Stock(productId, 0, 0, 0);
        var stock = before with { OnHand = before.OnHand + quantity, Version = before.Version + 1 };
        transaction.Set(World.Stock, productId, stock);
        transaction.Append(new NewEvent(productId, stock.Version, World.Now, new StockReceived { ProductId = productId, Quantity = quantity, OnHand = stock.OnHand, Reserved = stock.Reserved }, TraceParent: null));
        Work = new Answer(200, productId, stock.Version);
        yield return Turn.Did;
    }
}

/// <summary>PATCH /orders/{id}/items (Orders/ChangeItems): If-Match guards it.</summary>
internal sealed class ChangeItems(World world, string id, int ifMatch, IReadOnlyList<OrderItem> items) : Request(world, $"change {id}")
{
    protected override IEnumerable<Turn> Run()
    {
        using var transaction = World.Postgres.Begin();
        var order = transaction.Get(World.Orders, id)!;
        if (order.Version != ifMatch || order.Status != OrderStatus.Pending)
        {
            Answer = new Answer(order.Version != ifMatch ? 412 : 409, id, order.Version);
            yield break;
        }
        yield return Turn.Did;
        while (!transaction.TryLock(World.Orders, id))
        {
            yield return Turn.Idle;
        }
        if (transaction.Get(World.Orders, id)!.Version != order.Version)
        {
            Answer = new Answer(412, id, order.Version);
            yield break;
        }
        World.Happens(transaction, order, [order.ChangeItems(items)]);
        yield return Turn.Did;
        transaction.Commit();
        Trace?.Say(Name, $"is done, version {order.Version + 1}");
        yield return Turn.Did;
        Answer = new Answer(200, id, order.Version + 1);
    }
}
