using Microsoft.Extensions.Options;
using Npgsql;
using OrderPlatform.Api.EventLog;
using OrderPlatform.Api.Saga;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Orders;

/// <summary>Confirms, ships, delivers and cancels orders, as the other participants tell.</summary>
internal sealed class OrdersParticipant(
    [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, OrderHints hints, IOptions<OrderOptions> options, TimeProvider clock)
    : Participant("saga-orders", source, typeof(StockRejected), typeof(PaymentCompleted), typeof(PaymentFailed), typeof(DispatchShipped), typeof(DispatchDelivered)), ITimed
{
    private const int MaxDue = 100;

    private IReadOnlyList<string> _changed = [];

    /// <summary>Cancels orders that were not paid in time.</summary>
    public async Task<bool> TickAsync(CancellationToken cancellation)
    {
        var now = clock.GetUtcNow().Truncated();
        await using var connection = await Source.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        var late = await OrderStore.LockPendingSinceAsync(connection, now - options.Value.ChangeWindow - options.Value.PaymentBound, MaxDue, cancellation);
        if (late.Count == 0)
        {
            return false;
        }
        await OrderStore.AppendAsync(connection, [.. late.SelectMany(order => OrderSaga.OnTimeOut(order).Select(happened => (Order.Apply(order, happened, now), happened, (string?)null)))], cancellation);
        await transaction.CommitAsync(cancellation);
        late.ForEach(order => hints.Announce(order.Id));
        return late.Count == MaxDue;
    }

    protected override async Task HandleAsync(NpgsqlConnection connection, IReadOnlyList<Record> messages, CancellationToken cancellation)
    {
        var now = clock.GetUtcNow().Truncated();
        var orders = (await OrderStore.LockAsync(connection, [.. messages.Select(message => Guid.Parse(message.Key)).Distinct()], cancellation)).ToDictionary(order => order.Id);
        var changes = new List<(Order After, OrderEvent Happened, string? TraceParent)>();
        foreach (var message in messages.Where(message => orders.ContainsKey(message.Key)))
        {
            foreach (var happened in OrderSaga.On(orders[message.Key], new Message(message.Read<object>(), message.Sequence)))
            {
                orders[message.Key] = Order.Apply(orders[message.Key], happened, now);
                changes.Add((orders[message.Key], happened, message.TraceParent));
            }
        }
        await OrderStore.AppendAsync(connection, changes, cancellation);
        _changed = [.. changes.Select(change => change.After.Id).Distinct()];
    }

    protected override void Committed()
    {
        foreach (var id in _changed)
        {
            hints.Announce(id);
        }
        _changed = [];
    }
}
