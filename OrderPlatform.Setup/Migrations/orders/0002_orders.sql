-- An order's row is the replay of its events: version is the sequence of its last one.
CREATE TABLE orders (
    id           uuid PRIMARY KEY,
    customer_id  text          NOT NULL,
    currency     text          NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    status       text          NOT NULL CHECK (status IN ('Pending', 'Confirmed', 'Shipped', 'Delivered', 'Cancelled')),
    total_amount numeric(18, 2) NOT NULL CHECK (total_amount >= 0),
    version      int           NOT NULL CHECK (version > 0),
    items        jsonb         NOT NULL CHECK (jsonb_array_length(items) > 0),
    created_at   timestamptz   NOT NULL,
    updated_at   timestamptz   NOT NULL
) WITH (fillfactor = 85); -- room for a changed row on its own page

CREATE INDEX orders_newest ON orders (created_at DESC, id DESC);
CREATE INDEX orders_of_customer ON orders (customer_id, created_at DESC, id DESC);
CREATE INDEX orders_by_status ON orders (status, created_at DESC, id DESC);

-- The answer of a request that was done, kept in the request's own transaction (DESIGN decision 8).
CREATE TABLE idempotency (
    caller       text        NOT NULL,
    key          text        NOT NULL,
    request_hash bytea       NOT NULL, -- SHA-256 of method, path and body
    status       int         NOT NULL,
    headers      jsonb       NOT NULL,
    body         bytea       NOT NULL,
    expires_at   timestamptz NOT NULL, -- infinity: the key of an import is kept for good
    PRIMARY KEY (caller, key)
);
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at) WHERE expires_at < 'infinity';

-- Keys are random, so a plain hash keeps them: there is nothing to guess.
CREATE TABLE api_keys (
    hash                bytea PRIMARY KEY, -- SHA-256 of the key
    name                text        NOT NULL UNIQUE,
    scopes              text[]      NOT NULL,
    requests_per_second int         NOT NULL CHECK (requests_per_second > 0),
    created_at          timestamptz NOT NULL DEFAULT now(),
    revoked_at          timestamptz
);
