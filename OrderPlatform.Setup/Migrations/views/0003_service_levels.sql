-- What the service level indicators are made of: counts by minute. Minutes older than the window are deleted.
CREATE TABLE service_level (
    minute    timestamptz NOT NULL,
    indicator text        NOT NULL,
    store     text        NOT NULL, -- empty for an indicator of no store
    bucket    smallint    NOT NULL, -- of a time: its bucket (LatencyBuckets); of an outcome: 0 bad, 1 good
    count     bigint      NOT NULL,
    PRIMARY KEY (minute, indicator, store, bucket)
);
