-- Customers as another service knows them: a copy made from cdc.public.customers alone. Personal fields stay ciphertext.
-- A deleted customer leaves id and place, so that what is published again does not bring it back.
CREATE TABLE customer_view (
    id         text PRIMARY KEY,
    name       bytea,
    email      bytea,
    phone      bytea,
    address    bytea,
    version    int,
    created_at timestamptz,
    updated_at timestamptz,
    deleted    boolean NOT NULL,
    commit_lsn bigint  NOT NULL, -- source.sequence of the last change: nothing at or before this place changes the row
    lsn        bigint  NOT NULL,
    CHECK (deleted OR (name IS NOT NULL AND email IS NOT NULL AND version IS NOT NULL AND created_at IS NOT NULL AND updated_at IS NOT NULL))
);

-- One row: the last TRUNCATE. It comes through one partition, and holds for all.
CREATE TABLE customer_view_truncation (
    commit_lsn bigint NOT NULL,
    lsn        bigint NOT NULL
);
INSERT INTO customer_view_truncation VALUES (0, 0);
