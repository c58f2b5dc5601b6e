-- Rebuilds of projections, and resets of their progress (docs/decisions/0012): what was asked for, how far it is, how it ended.
CREATE TABLE rebuild (
    id                uuid PRIMARY KEY,
    projection        text        NOT NULL,
    kind              text        NOT NULL CHECK (kind IN ('rebuild', 'reset')),
    state             text        NOT NULL DEFAULT 'requested'
                      CHECK (state IN ('requested', 'building', 'comparing', 'swapping', 'done', 'failed', 'cancelled')),
    only_compare      boolean     NOT NULL DEFAULT false,
    from_offset       bigint,               -- of a reset: this offset of every partition,
    from_time         timestamptz,          -- or the first record of each that was published at or after this time
    reason            text        NOT NULL,
    requested_by      text        NOT NULL,
    requested_at      timestamptz NOT NULL DEFAULT now(),
    started_at        timestamptz,
    finished_at       timestamptz,
    cancel_requested  boolean     NOT NULL DEFAULT false,
    source            text,                 -- kafka; event-log where Kafka does not go back to the beginning
    log_horizon       xid8,                 -- of the orders database: events of earlier transactions are read from the event log
    log_covers        jsonb,                -- offsets by partition: what is before them is in the log below the horizon
    events_done       bigint      NOT NULL DEFAULT 0,
    events_total      bigint,
    events_per_second double precision,
    comparison        jsonb,
    problem           text,
    -- who works on it; after 5 s of silence another one may, with the next epoch
    epoch             bigint      NOT NULL DEFAULT 0,
    holder            text        NOT NULL DEFAULT '',
    heartbeat_at      timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE UNIQUE INDEX rebuild_open ON rebuild (projection) WHERE finished_at IS NULL;
CREATE INDEX rebuild_newest ON rebuild (requested_at DESC, id DESC);
