using OrderPlatform.Api.EventLog;
using OrderPlatform.Api.Inventory;
using OrderPlatform.Api.Orders;
using OrderPlatform.Api.Payments;
using OrderPlatform.Api.Shipping;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Tests.Simulation.Actors;
using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation;

/// <summary>The whole platform, its stores and its customers, in one thread: everything that happens follows from the seed.</summary>
internal sealed class World
{
    /// <summary>Part of payments that are declined.</summary>
    public const int DeclinePercent = 10;

    /// <summary>When every schedule begins.</summary>
    public static readonly DateTimeOffset Beginning = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    /// <summary>Orders:ChangeWindow.</summary>
    public static readonly TimeSpan ChangeWindow = TimeSpan.FromSeconds(3);

    /// <summary>Orders:PaymentBound.</summary>
    public static readonly TimeSpan PaymentBound = TimeSpan.FromMinutes(5);

    private static readonly Faults[] Sudden = [Faults.Crash, Faults.DatabaseKilled, Faults.Doubled, Faults.ClockJump, Faults.RedisEmptied, Faults.Paused, Faults.Paused];

    private readonly Scenario _scenario;
    private readonly List<Actor> _actors = [];
    private readonly HashSet<string> _silent = [];
    private int _orders;
    private int _step;

    public World(Scenario scenario, Trace? trace)
    {
        (_scenario, Trace, Random) = (scenario, trace, new Random(scenario.Seed));
        trace?.World = this;
        Promises = new Promises(this);
        Postgres = new Postgres(Promises);
        Kafka = new Kafka(this);
        Redis = new Redis(this);
        ClickHouse = new ClickHouse(this);
        Gateway = new Gateway(this);
        Transformer = new Transformer(this);
        Populate();
    }

    public Random Random { get; }

    public Trace? Trace { get; }

    public Bug Bug => _scenario.Bug;

    public DateTimeOffset Now { get; private set; } = Beginning;

    /// <summary>Faults strike; afterwards everything is given the time to drain.</summary>
    public bool IsChaos { get; private set; } = true;

    public Promises Promises { get; }

    public Postgres Postgres { get; }

    public Kafka Kafka { get; }

    public Redis Redis { get; }

    public ClickHouse ClickHouse { get; }

    public Gateway Gateway { get; }

    public Transformer Transformer { get; }

    public Table<Order> Orders { get; } = new();

    public Table<Answer> Answers { get; } = new();

    public Table<Reservation> Reservations { get; } = new();

    public Table<Payment> Payments { get; } = new();

    public Table<Dispatch> Dispatches { get; } = new();

    public Table<Stock> Stock { get; } = new(Promises.StockCoversReservations);

    public Table<bool> Inbox { get; } = new();

    public Table<long> Progress { get; } = new();

    public Table<LeaseRow> Lease { get; } = new();

    public Table<LogCheckpoint> Checkpoint { get; } = new();

    public Table<FactsPlan> FactsPlan { get; } = new();

    public Table<OrderViewRow> OrderView { get; } = new();

    /// <summary>Orders that the Api's next batch takes.</summary>
    public List<Actors.PlaceOrder> WaitingOrders { get; } = [];

    /// <summary>Clients, requests and calls that have not come to their end.</summary>
    public bool HasOpenWork => _actors.Exists(actor => actor is Client or Request or PaymentCall);

    public string NewOrderId() => $"order-{++_orders}";

    /// <summary>The gateway never answers a charge of this customer.</summary>
    public bool IsSilent(string customerId) => _silent.Contains(customerId);

    public void Add(Actor actor) => _actors.Add(actor);

    /// <summary>Whether a fault strikes now.</summary>
    public bool Strikes(Faults fault) => IsChaos && _scenario.Faults.HasFlag(fault) && Random.Next(100) < 4;

    /// <summary>Some lines: of a product that there is enough of, of a scarce one, or of one that nobody knows.</summary>
    public IReadOnlyList<OrderItem> SomeItems() => [.. Enumerable.Range(0, 1 + Random.Next(2)).Select(_ => new OrderItem(SomeProduct(), 1 + Random.Next(2), 5 + Random.Next(20)))];

    /// <summary>Writes what happens to an order: its row, and its events.</summary>
    public void Happens(Transaction transaction, Order? before, IReadOnlyList<OrderEvent> events)
    {
        foreach (var happened in events)
        {
            var after = Order.Apply(before, happened, Now);
            transaction.Set(Orders, after.Id, after);
            transaction.Append(new NewEvent(after.Id, after.Version, Now, happened, TraceParent: null));
            before = after;
        }
    }

    /// <summary>One step of somebody, chosen by chance among those that can make one.</summary>
    /// <returns>False when nobody can.</returns>
    public bool Step()
    {
        _step++;
        var (first, count) = (Random.Next(_actors.Count), _actors.Count);
        for (var i = 0; i < count; i++)
        {
            var actor = _actors[(first + i) % count];
            if (!(IsChaos && _step < actor.PausedUntil) && actor.Step() == Turn.Did)
            {
                if (actor.IsOver)
                {
                    _actors.Remove(actor);
                }
                return true;
            }
        }
        return false;
    }

    public void Pass(TimeSpan time) => Now += time;

    public void EndChaos() => IsChaos = false;

    /// <summary>What goes wrong between two steps, if anything does.</summary>
    public void StrikeSomebody()
    {
        var fault = Random.Next(20) == 0 ? Sudden[Random.Next(Sudden.Length)] : Faults.None;
        switch (fault & _scenario.Faults)
        {
            case Faults.Crash:
                Crash(_actors[Random.Next(_actors.Count)]);
                break;
            case Faults.Paused:
                _actors[Random.Next(_actors.Count)].PausedUntil = _step + 10 + Random.Next(100);
                break;
            case Faults.DatabaseKilled when Random.Next(4) == 0:
                Trace?.Say("postgres", "IS KILLED");
                Postgres.Kill(Random);
                break;
            case Faults.Doubled:
                Kafka.RepeatSome();
                break;
            case Faults.ClockJump:
                Pass(Random.Next(8) == 0 ? PaymentBound : Random.NextDouble() * TimeSpan.FromSeconds(40));
                Trace?.Say("clock", "JUMPS");
                break;
            case Faults.RedisEmptied when Random.Next(4) == 0:
                Redis.Empty();
                break;
        }
    }

    private void Crash(Actor actor)
    {
        if (actor is not (Client or Stores.Kafka or Stores.Gateway))
        {
            actor.Crash();
            _actors.RemoveAll(other => other.IsOver);
        }
    }

    private string SomeProduct() => Random.Next(100) switch
    {
        < 75 => "plenty",
        < 97 => "scarce",
        _ => "unknown",
    };

    private void Populate()
    {
        Add(Kafka);
        Add(Gateway);
        Add(Transformer);
        Add(new RelayActor(this, "relay-1"));
        Add(new RelayActor(this, "relay-2"));
        Add(new ReservationTimer(this));
        Add(new PaymentTimer(this));
        Add(new DispatchTimer(this));
        Add(new PaymentBoundTimer(this));
        Add(new Straggler(this));
        var replicas = 1 + Random.Next(2);
        for (var replica = 1; replica <= replicas; replica++)
        {
            Add(new Actors.OrderBatches(this, $"order-batches-{replica}"));
            Add(new OrdersActor(this, $"orders-{replica}"));
            Add(new InventoryActor(this, $"inventory-{replica}"));
            Add(new PaymentsActor(this, $"payments-{replica}"));
            Add(new ShippingActor(this, $"shipping-{replica}"));
            Add(new OrderViewSink(this, $"order-view-{replica}"));
            Add(new RankingsSink(this, $"rankings-{replica}"));
            Add(new SalesFactsSink(this, $"sales-facts-{replica}"));
        }
        Add(new Warehouse(this, Promises.Receipts));
        for (var customer = 1; customer <= _scenario.Orders; customer++)
        {
            Add(new Customer(this, $"customer-{customer}"));
            if (Random.Next(20) == 0)
            {
                _silent.Add($"customer-{customer}");
            }
        }
    }
}
