-- The relay's CDC mode (docs/decisions/0014): it reads the event log's inserts from the WAL, through a replication slot.
-- All months go by the name of the event log. The columns are named, so that a later one changes nothing in the stream.
CREATE PUBLICATION orderplatform_event_log
    FOR TABLE event_log (position, transaction_id, stream, sequence, event_id, type, topic, key, occurred_at, recorded_at, traceparent, payload)
    WITH (publish = 'insert', publish_via_partition_root = true);

-- Besides what a snapshot shows, everything that the slot tells up to (commit_lsn, ordinal) is published.
ALTER TABLE relay_checkpoint
    ADD COLUMN slot       text,   -- the slot that goes on where the checkpoint ends; null: none does
    ADD COLUMN commit_lsn pg_lsn, -- commit of the transaction last published from, its place in the order of commits
    ADD COLUMN ordinal    bigint; -- events published of that transaction

-- One lease and one checkpoint, however the log is read.
INSERT INTO relay_lease (name, epoch) SELECT 'relay', epoch FROM relay_lease WHERE name = 'polling';
UPDATE relay_checkpoint SET name = 'relay';
DELETE FROM relay_lease WHERE name = 'polling';
