-- name: RunnerReport :exec
-- Stores what a runner does. It does nothing if another claim holds the stream. The clock is that of the database server, because the
-- clocks of the machines may differ: wait_ms is the time until the state ends, and error_age_ms is the time since the last error.
--
-- Two runners can write at the same time only if one of them was just replaced. Its row then lasts until the other's next report.
INSERT INTO runners AS r (
    stream, token, host, pid, version, since, alive_at, state, state_until, last_error, last_error_at, not_before
)
SELECT c.stream, c.token, @host::text, @pid::bigint, @version::text, t.now, t.now,
       @state::text, t.now + interval '1 ms' * sqlc.narg(wait_ms)::bigint,
       @last_error::text, t.now - interval '1 ms' * sqlc.narg(error_age_ms)::bigint,
       CASE WHEN c.held_until > t.now THEN c.held_until END
FROM checkpoints AS c, clock_timestamp() AS t (now)
WHERE c.stream = @stream AND c.token = @token
ON CONFLICT (stream) DO UPDATE
SET since = CASE WHEN r.token = excluded.token THEN r.since ELSE excluded.since END,
    token = excluded.token, host = excluded.host, pid = excluded.pid, version = excluded.version,
    alive_at = excluded.alive_at, state = excluded.state, state_until = excluded.state_until,
    last_error = excluded.last_error, last_error_at = excluded.last_error_at, not_before = excluded.not_before;

-- name: RunnerGet :one
-- Returns the last runner of the stream.
SELECT * FROM runners WHERE stream = @stream;

-- name: RunnerFailedStarts :many
-- Returns the streams whose last run failed and that have no checkpoint, because that run was the first one and stored no page.
SELECT r.stream, r.alive_at, r.last_error
FROM runners AS r
WHERE r.state = 'failed' AND NOT EXISTS (SELECT FROM checkpoints AS c WHERE c.stream = r.stream)
ORDER BY r.stream;

-- name: RunnerHolder :one
-- Returns which runner has the stream's claim. It returns no row if that runner has not reported yet, or has ended.
SELECT r.host, r.pid, r.since
FROM runners AS r
JOIN checkpoints AS c ON c.stream = r.stream AND c.token = r.token
WHERE r.stream = @stream AND r.state NOT IN ('ended', 'failed');
