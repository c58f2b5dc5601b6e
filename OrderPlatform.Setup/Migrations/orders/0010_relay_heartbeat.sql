-- The last heartbeat that came through each slot with everything before it published (docs/decisions/0014), for those who ask from outside of the relay.
CREATE TABLE relay_heartbeat (
    slot      text PRIMARY KEY,
    passed_at timestamptz      NOT NULL,
    lag_ms    double precision NOT NULL -- since it was written
);
