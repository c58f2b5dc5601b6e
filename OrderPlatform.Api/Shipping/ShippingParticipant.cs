using Microsoft.Extensions.Options;
using Npgsql;
using OrderPlatform.Api.Saga;
using OrderPlatform.Contracts.Events;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Shipping;

/// <summary>Sends couriers for confirmed orders, and calls them off for cancelled ones.</summary>
internal sealed class ShippingParticipant([FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, IOptions<ShippingOptions> options, TimeProvider clock)
    : SagaParticipant<Dispatch>("saga-shipping", "dispatch", source, clock, typeof(OrderConfirmed), typeof(OrderShipped), typeof(OrderCancelled))
{
    /// <summary>Lets the couriers come and arrive who are due.</summary>
    public override async Task<bool> TickAsync(CancellationToken cancellation)
    {
        var due = await OnDueAsync(MaxDue, MoveAsync, cancellation);
        return due.Count == MaxDue;

        static Task MoveAsync(NpgsqlConnection connection, SagaBatch<Dispatch> batch, DateTimeOffset now)
        {
            foreach (var dispatch in batch.States)
            {
                batch.Decide(dispatch.OrderId, Dispatch.OnDue, now);
            }
            return Task.CompletedTask;
        }
    }

    protected override Decision<Dispatch> On(Dispatch before, Message message, DateTimeOffset now) => Dispatch.On(before, message, options.Value, now);
}
