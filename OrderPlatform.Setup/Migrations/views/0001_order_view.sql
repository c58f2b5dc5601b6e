-- How far each projection that lives here has come: moved in the transaction of the data.
CREATE TABLE projection_progress (
    projection  text   NOT NULL,
    topic       text   NOT NULL,
    partition   int    NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (projection, topic, partition)
);

CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- Orders for searching: a copy, made from events alone.
CREATE TABLE order_view (
    order_id     uuid PRIMARY KEY,
    customer_id  text           NOT NULL,
    currency     text           NOT NULL,
    status       text           NOT NULL,
    total_amount numeric(18, 2) NOT NULL,
    version      int            NOT NULL, -- sequence of the last event that is in it
    items        jsonb          NOT NULL,
    created_at   timestamptz    NOT NULL,
    updated_at   timestamptz    NOT NULL,
    search_text  text           NOT NULL, -- what a person may look for that only new items change, in lower case
    search_words text GENERATED ALWAYS AS (search_text || ' ' || lower(status) || ' ' || lower(currency)) STORED,
    search       tsvector GENERATED ALWAYS AS (to_tsvector('simple', search_text || ' ' || lower(status) || ' ' || lower(currency))) STORED
);
-- words shorter than a trigram are looked for whole, longer ones as parts
CREATE INDEX order_view_by_word ON order_view USING gin (search);
CREATE INDEX order_view_by_part ON order_view USING gin (search_words gin_trgm_ops);
CREATE INDEX order_view_of_customer ON order_view (customer_id, created_at DESC);
CREATE INDEX order_view_newest ON order_view (created_at DESC, order_id DESC);
