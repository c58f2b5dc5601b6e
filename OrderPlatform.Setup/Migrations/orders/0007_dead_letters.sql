-- Dead letters: records that a consumer could not take for what they are, and every later record of the same key, in order
-- (DESIGN decision 7, docs/decisions/0011). The relay's, which Kafka refused, are here too. A closed letter stays: whoever
-- reads its topic again from the beginning must know that this record is not to be taken, and which copy of it is.
CREATE TABLE dead_letter (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer        text        NOT NULL, -- the projection or participant; relay: what Kafka refused
    topic           text        NOT NULL,
    partition       int         NOT NULL, -- -1: the relay's, it is in no partition
    record_offset   bigint      NOT NULL, -- orders the letters of a key; of the relay's: the position in the event log
    key             text        NOT NULL, -- what is parked: the record's key, or a name for one that is no text
    record_key      bytea,
    header_names    text[]      NOT NULL,
    header_values   bytea[]     NOT NULL,
    value           bytea,
    edited_value    bytea,                -- redriven instead of value
    published_at    timestamptz NOT NULL,
    state           text        NOT NULL CHECK (state IN ('failed', 'waiting', 'redriven', 'discarded')),
    error           text        NOT NULL,
    attempts        int         NOT NULL,
    parked_at       timestamptz NOT NULL DEFAULT now(),
    closed_at       timestamptz,
    -- a copy that is published carries the number; one with another number is out of date
    redrive         int         NOT NULL DEFAULT 0,
    sent_at         timestamptz,          -- when the copy of that number was acknowledged by Kafka
    redriven_offset bigint,               -- the copy that the consumer has taken
    UNIQUE (consumer, topic, partition, record_offset)
);
-- failed: waits for a person; waiting: goes on by itself when nothing of its key stands before it
CREATE INDEX dead_letter_open ON dead_letter (consumer, topic, key, record_offset) WHERE state IN ('failed', 'waiting');
CREATE INDEX dead_letter_by_key ON dead_letter (key, id DESC);

-- Who did what to a letter, and why.
CREATE TABLE dead_letter_history (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    letter bigint      NOT NULL REFERENCES dead_letter,
    at     timestamptz NOT NULL DEFAULT now(),
    action text        NOT NULL CHECK (action IN ('parked', 'failedAgain', 'redriveRequested', 'redriven', 'discarded')),
    by     text        NOT NULL, -- an API key's name, or the consumer
    reason text
);
CREATE INDEX dead_letter_history_of_letter ON dead_letter_history (letter, id);

-- One row: whether the alert of this crossing of the threshold has been delivered.
CREATE TABLE dead_letter_alert (
    name         text PRIMARY KEY,
    delivered_at timestamptz
);
INSERT INTO dead_letter_alert (name) VALUES ('open-letters');

-- What the relay has parked until now.
INSERT INTO dead_letter (consumer, topic, partition, record_offset, key, record_key, header_names, header_values, value, published_at, state, error, attempts, parked_at)
SELECT 'relay', parked.topic, -1, parked.position, parked.key, convert_to(parked.key, 'UTF8'),
    ARRAY['ce_id', 'ce_type', 'ce_sequence'], ARRAY[convert_to(event_id::text, 'UTF8'), convert_to(type, 'UTF8'), convert_to(sequence::text, 'UTF8')],
    payload, parked_at, CASE WHEN error = 'An earlier event of this key is parked.' THEN 'waiting' ELSE 'failed' END, error, 1, parked_at
FROM parked_event AS parked JOIN event_log USING (position, event_id);
INSERT INTO dead_letter_history (letter, at, action, by, reason) SELECT id, parked_at, 'parked', consumer, error FROM dead_letter;
DROP TABLE parked_event;
