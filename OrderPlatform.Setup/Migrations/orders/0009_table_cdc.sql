-- Changes of tables, in Debezium's envelope (docs/decisions/0016). No columns are named: one that is added later is carried on.

-- INSERT INTO cdc_signals (id, type, data) VALUES ('any', 'execute-snapshot', '{"data-collections":["public.customers"],"type":"incremental"}')
CREATE TABLE cdc_signals (
    id   text PRIMARY KEY,
    type text NOT NULL,
    data text
);

-- an update and a delete tell the whole row as it was
ALTER TABLE customers REPLICA IDENTITY FULL;
ALTER TABLE products REPLICA IDENTITY FULL;
ALTER TABLE stock REPLICA IDENTITY FULL;

CREATE PUBLICATION orderplatform_tables FOR TABLE customers, products, stock, cdc_signals;

INSERT INTO relay_lease (name) VALUES ('tables');

-- How far the slot's changes are published.
CREATE TABLE table_checkpoint (
    name       text PRIMARY KEY REFERENCES relay_lease,
    slot       text   NOT NULL,
    commit_lsn pg_lsn NOT NULL, -- commit of the transaction last published from
    ordinal    bigint NOT NULL  -- changes published of that transaction
);

-- Snapshots of tables that are not done yet.
CREATE TABLE table_snapshot (
    table_name text PRIMARY KEY, -- schema.table
    number     bigint GENERATED ALWAYS AS IDENTITY, -- the order in which they are done; a new one when it begins again
    phase      text NOT NULL DEFAULT 'rows' CHECK (phase IN ('rows', 'deletes')),
    after_key  text[]            -- the key of the last row that is published; null before the first
);
