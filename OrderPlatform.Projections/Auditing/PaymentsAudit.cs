using Microsoft.Extensions.Options;
using Npgsql;
using OrderPlatform.Contracts.Auditing;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Projections.Auditing;

/// <summary>Payments: every confirmed order is paid, with its total; what is paid belongs to a confirmed order; events and the gateway's books say the same.</summary>
internal sealed class PaymentsAudit([FromKeyedServices(Connections.Orders)] NpgsqlDataSource orders, IOptions<AuditOptions> options, TimeProvider clock)
    : SnapshotAudit(orders, clock, options.Value.Bound, "SELECT count(*) FROM payment", Rules)
{
    private static readonly Rule[] Rules =
    [
        // an imported order has one event and no saga
        new("payment", ViolationKind.Missing,
            """
            SELECT id::text, format('Completed, %s %s', total_amount, orders.currency), coalesce(format('%s, %s %s', payment.status, state -> 'bill' ->> 'amount', state -> 'bill' ->> 'currency'), 'nothing')
            FROM orders LEFT JOIN payment ON order_id = id
            WHERE orders.status IN ('Confirmed', 'Shipped', 'Delivered') AND version > 1 AND $1 IS NOT NULL
              AND (payment.status, (state -> 'bill' ->> 'amount')::numeric, state -> 'bill' ->> 'currency') IS DISTINCT FROM ('Completed', total_amount, orders.currency)
            """),
        // a pending order that was changed is paid anew when its change window is over
        new("payment", ViolationKind.Surplus,
            """
            SELECT order_id::text, 'a confirmed order', coalesce(format('%s, paid %s', orders.status, state -> 'bill' ->> 'amount'), 'no such order')
            FROM payment LEFT JOIN orders ON id = order_id
            WHERE payment.status = 'Completed' AND (orders.status IS NULL OR orders.status = 'Cancelled' OR (orders.status = 'Pending' AND (state -> 'bill' ->> 'orderVersion')::int = version))
              AND coalesce(updated_at, '-infinity') < $1 AND coalesce((SELECT max(recorded_at) FROM event_log WHERE stream = 'payment/' || order_id), '-infinity') < $1
            """),
        new("payment", ViolationKind.Altered,
            """
            WITH told AS (
                SELECT key::uuid AS order_id, sum((convert_from(payload, 'UTF8')::jsonb ->> 'amount')::numeric * CASE type WHEN 'PaymentCompleted.v1' THEN 1 WHEN 'PaymentRefunded.v1' THEN -1 ELSE 0 END) AS amount
                FROM event_log WHERE topic = 'payment.events' AND stream LIKE 'payment/%' GROUP BY key),
            kept AS (
                SELECT order_id, CASE WHEN status = 'Completed' OR (status IN ('Replacing', 'Refunding') AND state ->> 'reference' IS NOT NULL) THEN (state -> 'bill' ->> 'amount')::numeric ELSE 0 END AS amount FROM payment)
            SELECT order_id::text, format('%s paid by its events', coalesce(told.amount, 0)), format('%s paid', coalesce(kept.amount, 0))
            FROM kept FULL JOIN told USING (order_id) WHERE coalesce(told.amount, 0) <> coalesce(kept.amount, 0) AND $1 IS NOT NULL
            """),
        // while the gateway is being asked, it knows more than the payment; an empty book is that of a gateway elsewhere
        new("gateway", ViolationKind.Altered,
            """
            SELECT coalesce(key, payment_key), coalesce(format('%s paid', payment_amount), 'nothing paid'), coalesce(format('%s kept', gateway_amount), 'nothing kept')
            FROM gateway_difference LEFT JOIN payment ON order_id::text = split_part(coalesce(key, payment_key), '/', 1)
            WHERE coalesce(payment.status, '') NOT IN ('Charging', 'Replacing', 'Refunding') AND EXISTS (SELECT FROM gateway_charge) AND $1 IS NOT NULL
            """),
        SequenceOf("payment", "payment.events"),
    ];

    /// <inheritdoc />
    public override string Name => AuditNames.Payments;
}
