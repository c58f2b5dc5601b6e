using OrderPlatform.Api.Inventory;
using OrderPlatform.Api.Orders;
using OrderPlatform.Api.Payments;
using OrderPlatform.Api.Saga;
using OrderPlatform.Api.Shipping;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Tests.Saga;

/// <summary>What a participant makes of a message in a state: by name, with the function that decides.</summary>
internal sealed record StateTable<TState>(
    string Title, IReadOnlyList<(string Name, TState State)> States, IReadOnlyList<(string Name, Func<TState, Decision<TState>> Decide)> Messages, Func<TState, string> StatusOf)
{
    /// <summary>As Markdown: a row for each message, a column for each state; a dot where nothing happens.</summary>
    public string Text() => string.Join('\n',
    [
        $"## {Title}", "",
        $"| message | {string.Join(" | ", States.Select(state => state.Name))} |",
        $"|---|{string.Concat(States.Select(_ => "---|"))}",
        .. Messages.Select(message => $"| {message.Name} | {string.Join(" | ", States.Select(state => Cell(state.State, message.Decide(state.State))))} |"),
    ]);

    private string Cell(TState before, Decision<TState> decision)
    {
        var tells = string.Join(", ", decision.Events.Select(happened => $"**{happened.GetType().Name}**"));
        return ReferenceEquals(before, decision.State) && decision.Events.Count == 0 ? "·"
            : decision.Events.Count == 0 ? StatusOf(decision.State)
            : $"{StatusOf(decision.State)}: {tells}";
    }
}

/// <summary>The states and messages of each participant that its table shows. Version 3 of an order is the one of the states.</summary>
internal static class StateTables
{
    public const string OrderId = "01a1f82f-f4b9-7745-9e99-09b284939c8f";
    public static readonly DateTimeOffset Now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private const int Version = 3;
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(3);
    private static readonly OrderItem[] Items = [new("p-1", 2, 10m), new("p-2", 1, 5m), new("p-1", 1, 10m)];
    private static readonly Order Placed = Order.Apply(null, Order.Place(OrderId, "c-1", "USD", Items, Now), Now);
    private static readonly OrderCreated Created = Order.Place(OrderId, "c-1", "USD", Items, Now);
    private static readonly Bill Bill = new(Version, "c-1", 35m, "USD");

    public static StateTable<Order> Orders { get; } = new(
        "Orders",
        [
            ("Pending", Placed with { Version = Version }),
            ("Confirmed", Placed with { Version = Version + 1, Status = OrderStatus.Confirmed }),
            ("Shipped", Placed with { Version = Version + 2, Status = OrderStatus.Shipped }),
            ("Delivered", Placed with { Version = Version + 3, Status = OrderStatus.Delivered }),
            ("Cancelled", Placed with { Version = Version + 1, Status = OrderStatus.Cancelled }),
        ],
        [
            ("StockRejected, of this version", On(Rejected(Version))),
            ("StockRejected, of an earlier version", On(Rejected(Version - 1))),
            ("PaymentCompleted, of this version", On(Paid(Version, Bill.Amount))),
            ("PaymentCompleted, of an earlier version", On(Paid(Version - 1, Bill.Amount))),
            ("PaymentCompleted, of another amount", On(Paid(Version, Bill.Amount - 1))),
            ("PaymentFailed, of this version", On(Failed(Version))),
            ("PaymentFailed, of an earlier version", On(Failed(Version - 1))),
            ("DispatchShipped", On(new DispatchShipped { OrderId = OrderId, OrderVersion = Version + 1, Courier = "courier", TrackingNumber = "number" })),
            ("DispatchDelivered", On(new DispatchDelivered { OrderId = OrderId, OrderVersion = Version + 1, Courier = "courier", TrackingNumber = "number" })),
            ("*not paid in time*", order => Applied(order, OrderSaga.OnTimeOut(order))),
        ],
        order => order.Status.ToString());

    public static StateTable<Reservation> Reservations { get; } = new(
        "Inventory: reservation",
        [
            ("None", Reservation.New(OrderId)),
            ("Requested", Requested),
            ("Requested, holding an earlier version's", Requested with { OrderVersion = Version, Held = [new ProductQuantity("p-1", 1)], Sequence = 1 }),
            ("Reserved", Requested with { Status = ReservationStatus.Reserved, DueAt = null, Held = Requested.Items, Sequence = 1 }),
            ("Rejected", Requested with { Status = ReservationStatus.Rejected, DueAt = null, Sequence = 1 }),
            ("Shipped", Requested with { Status = ReservationStatus.Shipped, DueAt = null, Sequence = 1 }),
            ("Cancelled", Requested with { Status = ReservationStatus.Cancelled, DueAt = null, Sequence = 2 }),
        ],
        [
            ("OrderCreated", state => Reservation.On(state, new Message(Created, 1), Window)),
            ("OrderItemsChanged, to a later version", state => Reservation.On(state, new Message(Placed.ChangeItems([new OrderItem("p-3", 1, 1m)]), Version + 1), Window)),
            ("OrderItemsChanged, to an earlier version", state => Reservation.On(state, new Message(Placed.ChangeItems([new OrderItem("p-3", 1, 1m)]), Version - 1), Window)),
            ("OrderCancelled", state => Reservation.On(state, new Message(Placed.Cancel(null), Version + 1), Window)),
            ("OrderShipped", state => Reservation.On(state, new Message(Placed.Ship("courier", "number"), Version + 2), Window)),
            ("*window over*, enough in stock", state => Reservation.Take(state, _ => 3)),
            ("*window over*, too little in stock", state => Reservation.Take(state, _ => 0)),
            ("*window over*, unknown product", state => Reservation.Take(state, _ => null)),
        ],
        state => state.Status.ToString());

    public static StateTable<Payment> Payments { get; } = new(
        "Payments: payment",
        [
            ("None", Payment.New(OrderId)),
            ("Charging", Charging),
            ("Completed", Charging with { Status = PaymentStatus.Completed, Reference = "r", DueAt = null, Sequence = 1 }),
            ("Failed", Charging with { Status = PaymentStatus.Failed, DueAt = null, Sequence = 1 }),
            ("Replacing, not known to be paid", Charging with { Status = PaymentStatus.Replacing, Next = Bill with { OrderVersion = Version + 1 } }),
            ("Replacing, paid", Charging with { Status = PaymentStatus.Replacing, Reference = "r", Next = Bill with { OrderVersion = Version + 1 }, Sequence = 1 }),
            ("Refunding, not known to be paid", Charging with { Status = PaymentStatus.Refunding }),
            ("Refunding, paid", Charging with { Status = PaymentStatus.Refunding, Reference = "r", Sequence = 1 }),
            ("Refunded", Charging with { Status = PaymentStatus.Refunded, Reference = "r", DueAt = null, Sequence = 2 }),
            ("Cancelled", Charging with { Status = PaymentStatus.Cancelled, DueAt = null }),
        ],
        [
            ("StockReserved, of this version", Pays(Reserved(Version))),
            ("StockReserved, of an earlier version", Pays(Reserved(Version - 1))),
            ("StockReserved, of a later version", Pays(Reserved(Version + 2))),
            ("OrderCancelled", Pays(Placed.Cancel(null))),
            ("gateway: charged", Pays(new ChargeAnswered(Version, "r", null))),
            ("gateway: declined", Pays(new ChargeAnswered(Version, null, "declined"))),
            ("gateway: given back", Pays(new RefundAnswered(Version, "r"))),
            ("gateway: nothing to give back", Pays(new RefundAnswered(Version, null))),
            ("gateway: an answer about an earlier version", Pays(new ChargeAnswered(Version - 1, "r", null))),
            ("gateway: no answer to a charge", Pays(new GatewaySilent(Version, Refund: false))),
            ("gateway: no answer to a refund", Pays(new GatewaySilent(Version, Refund: true))),
        ],
        state => state.Status.ToString());

    public static StateTable<Dispatch> Dispatches { get; } = new(
        "Shipping: dispatch",
        [
            ("None", Dispatch.New(OrderId)),
            ("Waiting", Waiting),
            ("Shipped", Waiting with { Status = DispatchStatus.Shipped, DueAt = null, Sequence = 1 }),
            ("UnderWay", Waiting with { Status = DispatchStatus.UnderWay, Sequence = 1 }),
            ("Delivered", Waiting with { Status = DispatchStatus.Delivered, DueAt = null, Sequence = 2 }),
            ("CalledOff", Waiting with { Status = DispatchStatus.CalledOff, DueAt = null }),
            ("Recalled", Waiting with { Status = DispatchStatus.Recalled, DueAt = null, Sequence = 2 }),
        ],
        [
            ("OrderConfirmed", Ships(Placed.Confirm())),
            ("OrderShipped", Ships(Placed.Ship("courier", "number"))),
            ("OrderCancelled", Ships(Placed.Cancel(null))),
            ("*courier comes, or arrives*", Dispatch.OnDue),
        ],
        state => state.Status.ToString());

    private static Reservation Requested => (Reservation.On(Reservation.New(OrderId), new Message(Created, 1), Window).State) with { OrderVersion = Version };

    private static Payment Charging => new() { OrderId = OrderId, Status = PaymentStatus.Charging, Bill = Bill, DueAt = Now };

    private static Dispatch Waiting => new() { OrderId = OrderId, Status = DispatchStatus.Waiting, OrderVersion = Version + 1, DueAt = Now };

    private static Func<Order, Decision<Order>> On(object happened) => order => Applied(order, OrderSaga.On(order, new Message(happened, 1)));

    private static Decision<Order> Applied(Order order, IReadOnlyList<OrderEvent> events) => new(events.Aggregate(order, (before, happened) => Order.Apply(before, happened, Now)), events);

    private static Func<Payment, Decision<Payment>> Pays(object happened) => state => Payment.On(state, new Message(happened, 1), Now);

    private static Func<Dispatch, Decision<Dispatch>> Ships(object happened) => state => Dispatch.On(state, new Message(happened, Version + 1), new ShippingOptions(), Now);

    private static StockRejected Rejected(int version) => new() { OrderId = OrderId, OrderVersion = version, Reason = "out of stock: p-1", Products = ["p-1"] };

    private static StockReserved Reserved(int version) => new() { OrderId = OrderId, OrderVersion = version, CustomerId = "c-1", Currency = "USD", Amount = 35m, Items = [] };

    private static PaymentCompleted Paid(int version, decimal amount) => new() { OrderId = OrderId, OrderVersion = version, Amount = amount, Currency = "USD", Reference = "r" };

    private static PaymentFailed Failed(int version) => new() { OrderId = OrderId, OrderVersion = version, Amount = Bill.Amount, Currency = "USD", Reason = "declined" };
}
