-- name: RunnerReport :exec
-- Stores what a runner does. It does nothing if another claim holds the stream. The clock is that of the database server, because the
-- clocks of the machines may differ: wait_ms is the time until the state ends, and error_age_ms is the time since the last error.
-- lease_ms is how long no other process than holder may claim the stream. Without it there is no lease.
--
-- Two runners can write at the same time only if one of them was just replaced. Its row then lasts until the other's next report.
INSERT INTO runners AS r (
    stream, token, host, pid, version, since, alive_at, state, state_until, last_error, last_error_at, not_before, holder, lease_until
)
SELECT c.stream, c.token, @host::text, @pid::bigint, @version::text, t.now, t.now,
       @state::text, t.now + interval '1 ms' * sqlc.narg(wait_ms)::bigint,
       @last_error::text, t.now - interval '1 ms' * sqlc.narg(error_age_ms)::bigint,
       CASE WHEN c.held_until > t.now THEN c.held_until END,
       sqlc.narg(holder)::uuid, t.now + interval '1 ms' * sqlc.narg(lease_ms)::bigint
FROM checkpoints AS c, clock_timestamp() AS t (now)
WHERE c.stream = @stream AND c.token = @token
ON CONFLICT (stream) DO UPDATE
SET since = CASE WHEN r.token = excluded.token THEN r.since ELSE excluded.since END,
    token = excluded.token, host = excluded.host, pid = excluded.pid, version = excluded.version,
    alive_at = excluded.alive_at, state = excluded.state, state_until = excluded.state_until,
    last_error = excluded.last_error, last_error_at = excluded.last_error_at, not_before = excluded.not_before,
    holder = excluded.holder, lease_until = excluded.lease_until;

-- name: RunnerLease :one
-- Returns the lease by which another process than holder has the stream, and for how many more milliseconds. It returns no row if there is
-- none. A lease that lasts longer than max_ms is not believed, because then the clock of the server was set back.
SELECT r.host, r.pid, r.since, ceil(extract(epoch FROM r.lease_until - t.now) * 1000)::bigint AS rest_ms
FROM runners AS r, clock_timestamp() AS t (now)
WHERE r.stream = @stream AND r.holder <> @holder::uuid
  AND r.lease_until > t.now AND r.lease_until <= t.now + interval '1 ms' * @max_ms::bigint;

-- name: RunnerReleaseLease :exec
-- Ends the lease of a process that has ended, also if the stream has another claim by now.
UPDATE runners SET lease_until = NULL WHERE stream = @stream AND holder = @holder::uuid AND lease_until IS NOT NULL;

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
