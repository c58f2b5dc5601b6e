using Microsoft.Extensions.Options;
using Npgsql;
using OrderPlatform.Contracts.Auditing;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Projections.Auditing;

/// <summary>Dispatches: no order is sent twice, and no parcel leaves without its order saying so.</summary>
internal sealed class DispatchAudit([FromKeyedServices(Connections.Orders)] NpgsqlDataSource orders, IOptions<AuditOptions> options, TimeProvider clock)
    : SnapshotAudit(orders, clock, options.Value.Bound, "SELECT count(*) FROM dispatch", Rules)
{
    private static readonly Rule[] Rules =
    [
        new("dispatch", ViolationKind.Doubled,
            """
            SELECT key, format('one %s', type), format('%s of them', count(*)) FROM event_log
            WHERE type IN ('DispatchShipped.v1', 'DispatchDelivered.v1', 'OrderShipped.v1', 'OrderDelivered.v1') AND $1 IS NOT NULL GROUP BY key, type HAVING count(*) > 1
            """),
        // an imported order has one event and no saga
        new("dispatch", ViolationKind.Missing,
            """
            SELECT id::text, format('a parcel of an order that is %s', orders.status), coalesce(dispatch.status, 'nothing')
            FROM orders LEFT JOIN dispatch ON order_id = id
            WHERE version > 1 AND $1 IS NOT NULL AND CASE orders.status
                WHEN 'Shipped' THEN dispatch.status IS NULL OR dispatch.status NOT IN ('Shipped', 'UnderWay', 'Delivered')
                WHEN 'Delivered' THEN dispatch.status IS DISTINCT FROM 'Delivered' ELSE false END
            """),
        new("dispatch", ViolationKind.Surplus,
            """
            SELECT order_id::text, 'a shipped order', format('%s, the order is %s', dispatch.status, coalesce(orders.status, 'not there'))
            FROM dispatch LEFT JOIN orders ON id = order_id
            WHERE dispatch.status IN ('UnderWay', 'Delivered') AND coalesce(orders.status, '') NOT IN ('Shipped', 'Delivered') AND $1 IS NOT NULL
            """),
        SequenceOf("dispatch", "shipping.events"),
    ];

    /// <inheritdoc />
    public override string Name => AuditNames.Dispatch;
}
