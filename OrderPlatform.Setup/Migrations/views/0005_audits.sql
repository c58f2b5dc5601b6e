-- Audits, what they found and what was repaired (docs/decisions/0013-auditing.md).
CREATE TABLE audit_run (
    id           uuid PRIMARY KEY,
    state        text        NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'running', 'clean', 'violations', 'failed')),
    audits       text[]      NOT NULL CHECK (cardinality(audits) > 0),
    requested_by text        NOT NULL, -- the API key's name, or schedule
    reason       text,                 -- of a repair
    repair_of    uuid,                 -- the run whose violations are repaired before the audits run again
    requested_at timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    finished_at  timestamptz,
    error        text                  -- why it broke off
);
CREATE INDEX audit_run_newest ON audit_run (requested_at DESC, id DESC);
CREATE INDEX audit_run_open ON audit_run (requested_at) WHERE state IN ('requested', 'running');

CREATE TABLE audit_result (
    run_id      uuid   NOT NULL REFERENCES audit_run ON DELETE CASCADE,
    audit       text   NOT NULL,
    outcome     text   NOT NULL CHECK (outcome IN ('clean', 'violations', 'unknown')),
    reason      text,            -- why the outcome is unknown
    compared    bigint NOT NULL, -- rows, or whatever the audit compares
    vector      jsonb  NOT NULL, -- how far the store was, by topic: the next offset of each partition
    sums        jsonb  NOT NULL, -- count, money and hash of both sides
    violations  bigint NOT NULL, -- all, also those beyond the kept ones
    duration_ms bigint NOT NULL,
    PRIMARY KEY (run_id, audit)
);

CREATE TABLE audit_violation (
    run_id   uuid    NOT NULL REFERENCES audit_run ON DELETE CASCADE,
    number   int     NOT NULL, -- from 1, within the run
    audit    text    NOT NULL,
    store    text    NOT NULL,
    kind     text    NOT NULL CHECK (kind IN ('missing', 'surplus', 'doubled', 'altered', 'reordered', 'stuck')),
    row_id   text    NOT NULL,
    sequence int,              -- how far the order's events must be in that row, for a repair
    expected text    NOT NULL,
    found    text    NOT NULL,
    repair   text,             -- what a repair did with it
    PRIMARY KEY (run_id, number)
);
