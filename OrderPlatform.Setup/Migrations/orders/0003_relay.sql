-- Who publishes, and how far (DESIGN decisions 2 and 3). One row for each relay that must have one owner.
CREATE TABLE relay_lease (
    name          text PRIMARY KEY,
    epoch         bigint      NOT NULL DEFAULT 0,   -- raised by each new owner; every checkpoint is written WHERE epoch = mine
    holder        text        NOT NULL DEFAULT '',
    backend_pid   int         NOT NULL DEFAULT 0,   -- ended by the one who takes over
    backend_start timestamptz NOT NULL DEFAULT '-infinity', -- tells the holder's backend from a later one with the same pid
    heartbeat_at  timestamptz NOT NULL DEFAULT '-infinity'
);

CREATE TABLE relay_checkpoint (
    name              text PRIMARY KEY REFERENCES relay_lease,
    system_identifier bigint      NOT NULL, -- of the cluster whose transaction ids these are
    from_snapshot     pg_snapshot NOT NULL, -- all that it shows is published
    to_snapshot       pg_snapshot,          -- the end of the window that is being published; null: none is open
    position          bigint      NOT NULL  -- published up to here within the window
);

INSERT INTO relay_lease (name) VALUES ('polling');

-- Events that Kafka refuses for what they are, and every later event of the same key, in order.
CREATE TABLE parked_event (
    position  bigint PRIMARY KEY,
    topic     text        NOT NULL,
    key       text        NOT NULL,
    event_id  uuid        NOT NULL,
    error     text        NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX parked_event_by_key ON parked_event (topic, key, position);
