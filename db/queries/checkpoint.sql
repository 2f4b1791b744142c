-- name: CheckpointClaim :one
-- A new epoch and token for the stream; no row when it has pages of another source. Before its first page a stream may
-- change its source: the first one was a mistake.
INSERT INTO checkpoints AS c (stream, source_url, epoch, token)
VALUES (@stream, @source_url, 1, gen_random_uuid())
ON CONFLICT (stream) DO UPDATE
SET epoch = c.epoch + 1, token = gen_random_uuid(), source_url = excluded.source_url,
    held_until = CASE WHEN c.source_url = excluded.source_url THEN c.held_until END
WHERE c.source_url = excluded.source_url OR c.seq = 0
RETURNING *;

-- name: CheckpointAdvance :one
-- First statement of every commit (I3): takes the row's lock, moves it, reserves the ids of the ledger rows, tells whether
-- a letter is open that an event of the batch may supersede, and which of the batch's pages repeats an earlier page of
-- its pass: the first of them, from 1, or 0 for none. The sub-queries see what was committed before this statement began,
-- also if it had to wait for the row. That is enough: only the claim's holder adds pages, and whoever moved the checkpoint
-- meanwhile has this statement find no row.
UPDATE checkpoints AS c
SET seq               = @target,
    pass              = @pass,
    position          = @position,
    furthest          = @furthest,
    cursor            = @cursor,
    cursor_expires_at = @cursor_expires_at,
    done              = @done,
    announced_first   = @announced_first,
    announced_last    = @announced_last,
    last_event_at     = coalesce(sqlc.narg(last_event_at), c.last_event_at),
    updated_at        = now()
WHERE c.stream = @stream AND c.token = @token AND c.epoch = @epoch AND c.seq = @from_seq
  AND c.pass = @from_pass AND c.position = @from_position AND c.cursor = @from_cursor
RETURNING ARRAY(
    SELECT nextval(pg_get_serial_sequence('pages', 'id'))
    FROM generate_series(1, cardinality(@passes::bigint[]))
)::bigint[] AS page_ids, coalesce((SELECT max(p.id) FROM pages AS p), 0)::bigint AS last_page_id, EXISTS (
    SELECT FROM dead_letters AS l
    WHERE l.stream = c.stream AND l.resolved_at IS NULL AND l.reason <> 'conflict' AND l.event_id IS NOT NULL
) AS has_open_letters, coalesce((
    SELECT min(g.number)
    FROM ROWS FROM (unnest(@passes::bigint[]), unnest(@ids_hashes::bytea[])) WITH ORDINALITY AS g (pass, ids_hash, number)
    CROSS JOIN LATERAL (
        SELECT FROM pages AS p WHERE p.ids_hash = g.ids_hash AND p.stream = c.stream AND p.pass = g.pass
        OFFSET 0
    ) AS earlier
), 0)::bigint AS repeated;

-- name: CheckpointCount :one
-- Last statement of every commit: what the rows came to.
UPDATE checkpoints
SET received  = received + @received,
    inserted  = inserted + @inserted,
    duplicate = duplicate + @duplicate,
    parked    = parked + @parked
WHERE stream = @stream
RETURNING *;

-- name: CheckpointGetForUpdate :one
-- Waits for the transaction that holds the row (I4).
SELECT * FROM checkpoints WHERE stream = @stream FOR UPDATE;

-- name: CheckpointStored :one
-- How many of the stream's records are stored or parked; those parked as conflicts, whose key has a hash of values, are not
-- counted, since their events are stored. And whether another stream stores into the same table, so that its events are
-- duplicates here.
SELECT (c.inserted + c.parked - (
           SELECT count(*) FROM dead_letters AS l WHERE l.stream = c.stream AND l.key LIKE '% with values %'
       ))::bigint AS records,
       EXISTS (SELECT FROM checkpoints AS o WHERE o.stream <> c.stream AND o.received > 0) AS shared
FROM checkpoints AS c
WHERE c.stream = @stream;

-- name: CheckpointHold :execrows
-- How long the rate limit holds the stream back, for whoever claims it next. By this server's clock, which all share.
UPDATE checkpoints SET held_until = now() + interval '1 ms' * @wait_ms::bigint
WHERE stream = @stream AND token = @token AND epoch = @epoch;

-- name: CheckpointHeld :one
-- For how many milliseconds the rate limit still holds the stream back, 0 if it does not; a day at most.
SELECT CASE WHEN held_until > t.now
            THEN ceil(extract(epoch FROM least(held_until, t.now + interval '1 day') - t.now) * 1000)
            ELSE 0 END::bigint AS wait_ms
FROM checkpoints, clock_timestamp() AS t (now)
WHERE stream = @stream;

-- name: CheckpointSource :one
SELECT source_url FROM checkpoints WHERE stream = @stream;

-- name: CheckpointMove :execrows
-- The stream reads from another address from now on. A runner that lives is fenced by the new epoch and token.
UPDATE checkpoints SET source_url = @target::text, epoch = epoch + 1, token = gen_random_uuid(), held_until = NULL
WHERE stream = @stream AND source_url = @source::text;

-- name: CheckpointStreams :many
SELECT stream FROM checkpoints ORDER BY stream;

-- name: CheckpointLock :one
-- Session lock that tells a second runner early and kindly; the epoch is the truth. The schema is part of the key,
-- since one database may hold several.
SELECT pg_try_advisory_lock(hashtextextended('pawl/' || coalesce(current_schema(), '') || '/' || @stream::text, 0));
