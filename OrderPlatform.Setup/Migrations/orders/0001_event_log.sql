-- The event log: outbox and event store in one append-only table (DESIGN decisions 1 and 2).
-- Rows are never updated or deleted, so that it has no dead tuples; the relay keeps a checkpoint instead of marking rows.
CREATE TABLE event_log (
    -- taken under the aggregate's row lock, one at a time (an identity's cache is 1): orders the events of an aggregate
    position       bigint GENERATED ALWAYS AS IDENTITY,
    -- tells which snapshots show the row: the relay publishes what one shows beyond another
    transaction_id xid8        NOT NULL DEFAULT pg_current_xact_id(),
    stream         text        NOT NULL, -- {aggregate}/{id}
    sequence       int         NOT NULL CHECK (sequence > 0),
    event_id       uuid        NOT NULL,
    type           text        NOT NULL,
    topic          text        NOT NULL,
    key            text        NOT NULL, -- the aggregate's id
    occurred_at    timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL DEFAULT statement_timestamp(),
    traceparent    text,
    payload        bytea       NOT NULL  -- the very bytes that are published
) PARTITION BY RANGE (recorded_at);

CREATE INDEX event_log_by_transaction ON event_log (transaction_id, position);
CREATE INDEX event_log_by_position ON event_log (position);

-- A month has a unique index of its own: a unique constraint over all months cannot exist without recorded_at in it.
CREATE FUNCTION event_log_ensure_month(moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    first timestamptz := date_trunc('month', moment, 'UTC');
    name  text := 'event_log_' || to_char(first AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    IF to_regclass(name) IS NULL THEN
        EXECUTE format('CREATE TABLE %I PARTITION OF event_log FOR VALUES FROM (%L) TO (%L)', name, first, (first AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
        EXECUTE format('CREATE UNIQUE INDEX ON %I (stream, sequence)', name);
    END IF;
END $$;

-- A safety net: a write never fails because nobody has made its month.
CREATE TABLE event_log_default PARTITION OF event_log DEFAULT;
CREATE UNIQUE INDEX ON event_log_default (stream, sequence);

SELECT event_log_ensure_month(now()), event_log_ensure_month(now() + interval '1 month');
