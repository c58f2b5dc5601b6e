-- Signed sales facts and what is summed from them (DESIGN decisions 5 and 6, docs/decisions/0007).
-- The deduplication windows count blocks, one for each insert: they must outlast every retry, in the targets too.
-- The column facts counts what went into a sum: a target whose facts do not add up to the table's is torn.

-- By order, so that the last sequence of an order is found without a table of its own; small granules, since few rows are asked for.
CREATE TABLE IF NOT EXISTS orders_analytics (
    order_id     String,
    sequence     UInt32,
    customer_id  String,
    currency     LowCardinality(String),
    ordered_at   DateTime64(6, 'UTC'),
    orders       Int8,
    amount       Decimal(18, 2),
    products     Nested (id String, quantity Int64, amount Decimal(18, 2)),
    old_status   LowCardinality(String),
    new_status   LowCardinality(String),
    recorded_at  DateTime64(6, 'UTC'),
    plan         UInt64
) ENGINE = MergeTree ORDER BY (order_id, sequence)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 512;

CREATE TABLE IF NOT EXISTS sales_hourly (currency LowCardinality(String), period DateTime64(0, 'UTC'), orders Int64, revenue Decimal(18, 2), facts UInt64)
ENGINE = SummingMergeTree ORDER BY (currency, period) SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS sales_hourly_of_facts TO sales_hourly AS
SELECT currency, dateTrunc('hour', ordered_at) AS period, sum(orders) AS orders, sum(amount) AS revenue, count() AS facts
FROM orders_analytics GROUP BY currency, period;

CREATE TABLE IF NOT EXISTS sales_daily (currency LowCardinality(String), period DateTime64(0, 'UTC'), orders Int64, revenue Decimal(18, 2), facts UInt64)
ENGINE = SummingMergeTree ORDER BY (currency, period) SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS sales_daily_of_facts TO sales_daily AS
SELECT currency, dateTrunc('day', ordered_at) AS period, sum(orders) AS orders, sum(amount) AS revenue, count() AS facts
FROM orders_analytics GROUP BY currency, period;

CREATE TABLE IF NOT EXISTS sales_by_product (currency LowCardinality(String), period DateTime64(0, 'UTC'), product_id String, quantity Int64, revenue Decimal(18, 2), facts UInt64)
ENGINE = SummingMergeTree ORDER BY (currency, product_id, period) SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS sales_by_product_of_facts TO sales_by_product AS
SELECT currency, dateTrunc('day', ordered_at) AS period, product.1 AS product_id, sum(product.2) AS quantity, sum(product.3) AS revenue, count() AS facts
FROM orders_analytics ARRAY JOIN arrayZip(products.id, products.quantity, products.amount) AS product
GROUP BY currency, period, product_id;

CREATE TABLE IF NOT EXISTS orders_by_status (status LowCardinality(String), orders Int64, facts UInt64)
ENGINE = SummingMergeTree ORDER BY status SETTINGS non_replicated_deduplication_window = 10000;

-- An order leaves its old status and enters the new one; the first event leaves none.
CREATE MATERIALIZED VIEW IF NOT EXISTS orders_by_status_of_facts TO orders_by_status AS
SELECT step.1 AS status, sum(step.2) AS orders, count() AS facts
FROM orders_analytics ARRAY JOIN [(old_status, toInt64(-1)), (new_status, toInt64(1))] AS step
WHERE status != '' GROUP BY status;
