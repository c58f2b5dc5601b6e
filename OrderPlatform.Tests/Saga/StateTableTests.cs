using System.Runtime.CompilerServices;
using OrderPlatform.Api.Inventory;
using OrderPlatform.Api.Orders;
using OrderPlatform.Api.Payments;
using OrderPlatform.Api.Saga;
using OrderPlatform.Api.Shipping;
using OrderPlatform.Contracts.Events;
using static OrderPlatform.Tests.Saga.StateTables;

namespace OrderPlatform.Tests.Saga;

/// <summary>Every state of every participant has an answer to every message: the whole of them, as it is committed.</summary>
public sealed class StateTableTests
{
    private const string Preface =
        """
        # States and messages

        Made from the code by `StateTableTests`, and held against it. A cell says what a participant's state becomes and what it **tells**; a dot means
        that nothing happens: the message comes late, comes again, or is about something that the order no longer has. The order of the states is at version 3.
        What is *slanted* is no message but a timer.
        """;

    [Fact]
    public async Task The_committed_tables_are_those_of_the_code() =>
        await CommittedFile.ShouldBeAsync("docs/saga-states.md", string.Join("\n\n", Preface, Orders.Text(), Reservations.Text(), Payments.Text(), Dispatches.Text()));

    [Fact]
    public void A_message_that_comes_again_tells_nothing_and_moves_nothing()
    {
        NothingTwice(Orders);
        NothingTwice(Reservations);
        NothingTwice(Payments);
        NothingTwice(Dispatches);
    }

    [Fact]
    public void An_event_that_a_participant_does_not_know_changes_nothing()
    {
        foreach (var message in EventTypes.All.Select(type => new Message(RuntimeHelpers.GetUninitializedObject(type.Payload), 99)))
        {
            Unmoved(Orders, message, [typeof(StockRejected), typeof(PaymentCompleted), typeof(PaymentFailed), typeof(DispatchShipped), typeof(DispatchDelivered)], state => new Decision<Order>(state, OrderSaga.On(state, message)));
            Unmoved(Reservations, message, [typeof(OrderCreated), typeof(OrderItemsChanged), typeof(OrderCancelled), typeof(OrderShipped)], state => Reservation.On(state, message, TimeSpan.Zero));
            Unmoved(Payments, message, [typeof(StockReserved), typeof(OrderCancelled)], state => Payment.On(state, message, Now));
            Unmoved(Dispatches, message, [typeof(OrderConfirmed), typeof(OrderShipped), typeof(OrderCancelled)], state => Dispatch.On(state, message, new ShippingOptions(), Now));
        }
    }

    [Fact]
    public void Every_status_is_in_the_tables()
    {
        Orders.States.Select(state => state.State.Status).Distinct().ShouldBe(Enum.GetValues<OrderStatus>(), ignoreOrder: true);
        Reservations.States.Select(state => state.State.Status).Distinct().ShouldBe(Enum.GetValues<ReservationStatus>(), ignoreOrder: true);
        Payments.States.Select(state => state.State.Status).Distinct().ShouldBe(Enum.GetValues<PaymentStatus>(), ignoreOrder: true);
        Dispatches.States.Select(state => state.State.Status).Distinct().ShouldBe(Enum.GetValues<DispatchStatus>(), ignoreOrder: true);
    }

    [Fact]
    public void A_step_moves_as_much_stock_as_it_holds_more_or_less_and_shipping_takes_it_out()
    {
        var reserved = Reservations.States.Single(state => state.Name == "Reserved").State;
        var holding = Reservations.States.Single(state => state.State.Status == ReservationStatus.Requested && state.State.Held.Count > 0).State;

        Reservation.Difference(holding, Reservation.Take(holding, _ => 2).State).ShouldBe([("p-1", 0, 2), ("p-2", 0, 1)], "the piece that is held counts, three are wanted");
        Reservation.Take(holding, product => product == "p-1" ? 1 : 9).State.Status.ShouldBe(ReservationStatus.Rejected);
        Reservation.Difference(reserved, reserved with { Status = ReservationStatus.Shipped, Held = [] }).ShouldBe([("p-1", -3, -3), ("p-2", -1, -1)]);
        Reservation.Difference(reserved, reserved with { Status = ReservationStatus.Cancelled, Held = [] }).ShouldBe([("p-1", 0, -3), ("p-2", 0, -1)]);
    }

    private static void NothingTwice<TState>(StateTable<TState> table)
    {
        foreach (var (stateName, state) in table.States)
        {
            foreach (var (messageName, decide) in table.Messages)
            {
                var once = decide(state).State;
                var twice = decide(once);
                // a timer's second turn is a turn of its own
                if (!messageName.StartsWith('*'))
                {
                    twice.Events.ShouldBeEmpty($"{messageName} in {stateName}");
                    table.StatusOf(twice.State).ShouldBe(table.StatusOf(once), $"{messageName} in {stateName}");
                }
            }
        }
    }

    private static void Unmoved<TState>(StateTable<TState> table, Message message, Type[] known, Func<TState, Decision<TState>> decide)
        where TState : class
    {
        foreach (var (name, state) in table.States.Where(_ => !known.Contains(message.Event.GetType())))
        {
            decide(state).State.ShouldBeSameAs(state, $"{message.Event.GetType().Name} in {name}");
            decide(state).Events.ShouldBeEmpty();
        }
    }
}
