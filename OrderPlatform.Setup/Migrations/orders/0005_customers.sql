-- Personal fields hold ciphertext from the start (DESIGN decision 11): so do WAL, CDC, backups and every derived store.
CREATE TABLE customers (
    id         text PRIMARY KEY,
    name       bytea       NOT NULL,
    email      bytea       NOT NULL,
    phone      bytea,
    address    bytea,
    version    int         NOT NULL CHECK (version > 0), -- the sequence of its last event
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

-- The customer's own key, wrapped by the master key. Without its row nobody can read the customer's fields, wherever they are.
CREATE TABLE customer_keys (
    customer_id text PRIMARY KEY REFERENCES customers,
    wrapped_key bytea NOT NULL
);
