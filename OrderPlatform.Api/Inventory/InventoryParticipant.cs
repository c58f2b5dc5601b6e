using Microsoft.Extensions.Options;
using Npgsql;
using OrderPlatform.Api.Orders;
using OrderPlatform.Api.Saga;
using OrderPlatform.Contracts.Events;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Inventory;

/// <summary>Reserves, gives back and takes out what orders ask for. Locks are taken in one order: progress, reservations by order, stock by product.</summary>
internal sealed class InventoryParticipant([FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, IOptions<OrderOptions> options, TimeProvider clock)
    : SagaParticipant<Reservation>("saga-inventory", "reservation", source, clock, typeof(OrderCreated), typeof(OrderItemsChanged), typeof(OrderCancelled), typeof(OrderShipped))
{
    /// <summary>Reserves for the orders whose change window is over.</summary>
    public override async Task<bool> TickAsync(CancellationToken cancellation)
    {
        var due = await OnDueAsync(MaxDue, TakeAsync, cancellation);
        return due.Count == MaxDue;

        async Task TakeAsync(NpgsqlConnection connection, SagaBatch<Reservation> batch, DateTimeOffset now)
        {
            var stock = await StockLevels.LockAsync(connection, batch.States.SelectMany(order => order.Items.Concat(order.Held)).Select(item => item.ProductId), cancellation);
            foreach (var before in batch.States)
            {
                var after = batch.Decide(before.OrderId, order => Reservation.Take(order, stock.Available), now);
                stock.Book(Reservation.Difference(before, after));
            }
            await stock.SaveAsync(connection, now, cancellation);
        }
    }

    protected override Decision<Reservation> On(Reservation before, Message message, DateTimeOffset now) => Reservation.On(before, message, options.Value.ChangeWindow);

    protected override async Task BookAsync(NpgsqlConnection connection, SagaBatch<Reservation> batch, DateTimeOffset now, CancellationToken cancellation)
    {
        var moves = batch.Changes.SelectMany(change => Reservation.Difference(change.Before, change.Now)).ToList();
        if (moves.Count == 0)
        {
            return;
        }
        var stock = await StockLevels.LockAsync(connection, moves.Select(move => move.ProductId), cancellation);
        stock.Book(moves);
        await stock.SaveAsync(connection, now, cancellation);
    }
}
