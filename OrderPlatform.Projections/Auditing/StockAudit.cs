using Microsoft.Extensions.Options;
using Npgsql;
using OrderPlatform.Contracts.Auditing;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Projections.Auditing;

/// <summary>Stock: what is on hand came in and was not shipped, what is reserved is held by orders, and both are what the product's last event says.</summary>
internal sealed class StockAudit([FromKeyedServices(Connections.Orders)] NpgsqlDataSource orders, IOptions<AuditOptions> options, TimeProvider clock)
    : SnapshotAudit(orders, clock, options.Value.Bound, "SELECT (SELECT count(*) FROM stock) + (SELECT count(*) FROM reservation)", Rules)
{
    private static readonly Rule[] Rules =
    [
        new("stock", ViolationKind.Altered,
            """
            SELECT product_id, format('%s on hand, %s reserved', on_hand_by_events, held_by_orders), format('%s on hand, %s reserved', on_hand, reserved) FROM stock_difference WHERE $1 IS NOT NULL
            """),
        new("stock", ViolationKind.Altered,
            """
            WITH last AS (
                SELECT DISTINCT ON (key) key AS product_id, sequence AS events, (convert_from(payload, 'UTF8')::jsonb ->> 'onHand')::bigint AS told_on_hand, (convert_from(payload, 'UTF8')::jsonb ->> 'reserved')::bigint AS told_reserved
                FROM event_log WHERE topic = 'inventory.events' AND stream LIKE 'stock/%' ORDER BY key, sequence DESC)
            SELECT product_id, coalesce(format('version %s, %s on hand, %s reserved', events, told_on_hand, told_reserved), 'no stock'), coalesce(format('version %s, %s on hand, %s reserved', version, on_hand, reserved), 'nothing')
            FROM stock FULL JOIN last USING (product_id) WHERE (version, on_hand, reserved) IS DISTINCT FROM (events, told_on_hand, told_reserved) AND $1 IS NOT NULL
            """),
        SequenceOf("reservation", "inventory.events"),
    ];

    /// <inheritdoc />
    public override string Name => AuditNames.Stock;
}
