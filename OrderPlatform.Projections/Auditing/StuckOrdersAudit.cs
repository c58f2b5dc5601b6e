using Microsoft.Extensions.Options;
using Npgsql;
using OrderPlatform.Contracts.Auditing;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Projections.Auditing;

/// <summary>Every order, and every participant of its saga, comes to an end within the bound.</summary>
internal sealed class StuckOrdersAudit([FromKeyedServices(Connections.Orders)] NpgsqlDataSource orders, IOptions<AuditOptions> options, TimeProvider clock)
    : SnapshotAudit(orders, clock, options.Value.SagaBound, "SELECT count(*) FROM orders", Rules)
{
    private static readonly Rule[] Rules =
    [
        new("orders", ViolationKind.Stuck,
            """
            SELECT order_id::text, format('at its end before %s', $1),
                format('%s since %s: reservation %s, payment %s, dispatch %s', status, updated_at, coalesce(reservation, 'none'), coalesce(payment, 'none'), coalesce(dispatch, 'none'))
            FROM saga_unsettled WHERE updated_at < $1
            """),
    ];

    /// <inheritdoc />
    public override string Name => AuditNames.StuckOrders;
}
