-- migrate:up

-- A new table only, so the migration takes no time on a large database.
CREATE TABLE runners (
    stream        text PRIMARY KEY,
    token         uuid NOT NULL,
    host          text NOT NULL,
    pid           bigint NOT NULL,
    version       text NOT NULL,
    since         timestamptz NOT NULL,
    alive_at      timestamptz NOT NULL,
    state         text NOT NULL,
    state_until   timestamptz,
    last_error    text NOT NULL DEFAULT '',
    last_error_at timestamptz,
    not_before    timestamptz
);
COMMENT ON TABLE runners IS 'pawl: the last runner of each stream, as it reports itself every few seconds; not part of what verify checks';
COMMENT ON COLUMN runners.token IS 'checkpoints.token of the runner''s claim';
COMMENT ON COLUMN runners.alive_at IS 'when the runner last reported itself';
COMMENT ON COLUMN runners.not_before IS 'the API''s rate limit allows no request before this time, NULL if it said nothing';

-- migrate:down

DROP TABLE runners;
