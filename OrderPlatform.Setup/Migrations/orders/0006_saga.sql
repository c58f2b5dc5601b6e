-- The saga's participants (docs/decisions/0010-saga.md). Each has a table of its own; they meet in the event log only.

-- How far each participant has come: moved in the transaction of its effects.
CREATE TABLE projection_progress (
    projection  text   NOT NULL,
    topic       text   NOT NULL,
    partition   int    NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (projection, topic, partition)
) WITH (fillfactor = 50); -- updated in place, over and over

-- The messages that a participant has taken, in the transaction of their effects. Ids are UUIDs of version 7: old ones sort first.
CREATE TABLE inbox (
    participant text NOT NULL,
    event_id    uuid NOT NULL,
    PRIMARY KEY (participant, event_id)
);

-- What a participant knows of an order. The record is in state, whole; the columns are what SQL asks for.
-- due_at: when the participant acts by itself; null while it waits for a message.
-- sequence: of the last event of its stream, {reservation|payment|dispatch}/{order_id}; 0 before the first.
CREATE TABLE reservation (
    order_id    uuid PRIMARY KEY,
    status      text NOT NULL CHECK (status IN ('None', 'Requested', 'Reserved', 'Rejected', 'Shipped', 'Cancelled')),
    sequence    int  NOT NULL CHECK (sequence >= 0),
    due_at      timestamptz,
    traceparent text,
    state       jsonb NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX reservation_due ON reservation (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE payment (
    order_id    uuid PRIMARY KEY,
    status      text NOT NULL CHECK (status IN ('None', 'Charging', 'Completed', 'Failed', 'Replacing', 'Refunding', 'Refunded', 'Cancelled')),
    sequence    int  NOT NULL CHECK (sequence >= 0),
    due_at      timestamptz,
    traceparent text,
    state       jsonb NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX payment_due ON payment (due_at) WHERE due_at IS NOT NULL;

-- An order has at most one dispatch: the primary key.
CREATE TABLE dispatch (
    order_id    uuid PRIMARY KEY,
    status      text NOT NULL CHECK (status IN ('None', 'Waiting', 'Shipped', 'UnderWay', 'Delivered', 'CalledOff', 'Recalled')),
    sequence    int  NOT NULL CHECK (sequence >= 0),
    due_at      timestamptz,
    traceparent text,
    state       jsonb NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX dispatch_due ON dispatch (due_at) WHERE due_at IS NOT NULL;

-- Pending orders that are not paid in time are looked for by the time of their last event.
CREATE INDEX orders_pending ON orders (updated_at) WHERE status = 'Pending';

-- The built-in payment gateway's own books: one charge for each key, however often it is asked.
CREATE TABLE gateway_charge (
    key         text PRIMARY KEY,
    customer_id text,
    amount      numeric(18, 2),
    currency    text,
    outcome     text    NOT NULL CHECK (outcome IN ('Charged', 'Declined', 'Closed')), -- Closed: taken back before it was ever charged
    refunded    boolean NOT NULL DEFAULT false CHECK (NOT refunded OR outcome = 'Charged'),
    asked       int     NOT NULL -- how often it was asked to charge
);

-- E-mails to customers. The address is not here: it is decrypted for sending only.
CREATE TABLE notification (
    event_id    uuid PRIMARY KEY, -- of the order's event that it tells of
    customer_id text NOT NULL,
    subject     text NOT NULL,
    body        text NOT NULL,
    status      text NOT NULL DEFAULT 'Due' CHECK (status IN ('Due', 'Sent', 'Undeliverable')),
    attempt     int  NOT NULL DEFAULT 0,
    due_at      timestamptz
);
CREATE INDEX notification_due ON notification (due_at) WHERE due_at IS NOT NULL;

-- What must be empty once every saga is over. While one is under way it is seen here, for no longer than docs/saga.md says.

-- Orders that are not at an end yet, or whose participants are not where that end needs them. Imported orders have no saga.
CREATE VIEW saga_unsettled AS
SELECT o.id AS order_id, o.status, r.status AS reservation, p.status AS payment, d.status AS dispatch, o.updated_at
FROM orders o LEFT JOIN reservation r ON r.order_id = o.id LEFT JOIN payment p ON p.order_id = o.id LEFT JOIN dispatch d ON d.order_id = o.id
WHERE CASE o.status
    WHEN 'Delivered' THEN o.version > 1 AND (
        (r.status, p.status, d.status) IS DISTINCT FROM ('Shipped', 'Completed', 'Delivered')
        OR (p.state -> 'bill' ->> 'amount')::numeric <> o.total_amount OR (r.state ->> 'amount')::numeric <> o.total_amount)
    WHEN 'Cancelled' THEN (r.status = 'Cancelled' AND p.status IN ('Refunded', 'Cancelled') AND d.status IN ('CalledOff', 'Recalled')) IS NOT TRUE
    ELSE true END;

-- Products whose stock is not what came in less what was shipped, or whose reserved pieces are not those that orders hold.
CREATE VIEW stock_difference AS
WITH received AS (
    SELECT key AS product_id, sum((convert_from(payload, 'UTF8')::jsonb ->> 'quantity')::bigint) AS pieces FROM event_log WHERE type = 'StockReceived.v1' GROUP BY key),
shipped AS (
    SELECT item ->> 'productId' AS product_id, sum((item ->> 'quantity')::bigint) AS pieces FROM reservation, jsonb_array_elements(state -> 'items') AS item WHERE status = 'Shipped' GROUP BY 1),
held AS (
    SELECT item ->> 'productId' AS product_id, sum((item ->> 'quantity')::bigint) AS pieces FROM reservation, jsonb_array_elements(state -> 'held') AS item GROUP BY 1)
SELECT stock.product_id, on_hand, coalesce(received.pieces, 0) - coalesce(shipped.pieces, 0) AS on_hand_by_events, reserved, coalesce(held.pieces, 0) AS held_by_orders
FROM stock LEFT JOIN received USING (product_id) LEFT JOIN shipped USING (product_id) LEFT JOIN held USING (product_id)
WHERE on_hand <> coalesce(received.pieces, 0) - coalesce(shipped.pieces, 0) OR reserved <> coalesce(held.pieces, 0);

-- Money that the built-in gateway keeps and payments do not know of, and the other way round.
CREATE VIEW gateway_difference AS
SELECT kept.key, kept.amount AS gateway_amount, paid.key AS payment_key, paid.amount AS payment_amount
FROM (SELECT key, amount FROM gateway_charge WHERE outcome = 'Charged' AND NOT refunded) AS kept
FULL JOIN (SELECT order_id || '/' || (state -> 'bill' ->> 'orderVersion') AS key, (state -> 'bill' ->> 'amount')::numeric AS amount FROM payment WHERE status = 'Completed') AS paid USING (key)
WHERE kept.amount IS DISTINCT FROM paid.amount;
