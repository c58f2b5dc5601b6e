-- What is being written to ClickHouse's sales facts (docs/decisions/0007). One row: there is one writer at a time.
CREATE TABLE sales_facts_plan (
    projection  text PRIMARY KEY,
    generation  uuid   NOT NULL,           -- a new one for each rebuild: its tokens have never been used
    number      bigint NOT NULL DEFAULT 0, -- of the last plan, finished or not
    facts       bigint NOT NULL DEFAULT 0, -- what ClickHouse holds once nothing is pending
    pending     jsonb,                     -- the plan that must be finished before anything else
    recorded_at timestamptz NOT NULL DEFAULT now()
);

-- Up to when the events of a partition are in a projection's store. Written every second by whoever consumes it.
CREATE TABLE projection_completeness (
    projection     text NOT NULL,
    topic          text NOT NULL,
    partition      int  NOT NULL,
    complete_until timestamptz NOT NULL,
    PRIMARY KEY (projection, topic, partition)
) WITH (fillfactor = 50); -- updated in place, over and over
