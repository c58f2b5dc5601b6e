CREATE TABLE products (
    id          text PRIMARY KEY,
    name        text           NOT NULL,
    description text,
    price       numeric(18, 2) NOT NULL CHECK (price >= 0),
    currency    text           NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    version     int            NOT NULL CHECK (version > 0),
    created_at  timestamptz    NOT NULL,
    updated_at  timestamptz    NOT NULL
);

-- A product's stock; version is the sequence of its last event.
CREATE TABLE stock (
    product_id text PRIMARY KEY REFERENCES products,
    on_hand    bigint NOT NULL,
    reserved   bigint NOT NULL,
    version    int    NOT NULL CHECK (version > 0),
    CONSTRAINT stock_covers_reservations CHECK (on_hand >= reserved AND reserved >= 0)
);
