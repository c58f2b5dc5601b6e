using OrderPlatform.Api.Inventory;
using OrderPlatform.Api.Saga;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Tests.Simulation.Stores;

namespace OrderPlatform.Tests.Simulation.Actors;

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
