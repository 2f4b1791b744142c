-- name: CheckpointClaim :one
-- A new epoch for the stream; no row when it has pages of another source. Before its first page a stream may change its
-- source: it was a slip of the pen.
INSERT INTO checkpoints AS c (stream, source_url, epoch)
VALUES (@stream, @source_url, 1)
ON CONFLICT (stream) DO UPDATE
SET epoch = c.epoch + 1, source_url = excluded.source_url
WHERE c.source_url = excluded.source_url OR c.seq = 0
RETURNING *;

-- name: CheckpointAdvance :one
-- First statement of every commit (I3): takes the row's lock, moves it, reserves the ids of the ledger rows, and tells
-- whether a letter is open that an event of the batch may supersede.
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
WHERE c.stream = @stream AND c.epoch = @epoch AND c.seq = @from_seq
RETURNING ARRAY(
    SELECT nextval(pg_get_serial_sequence('pages', 'id'))
    FROM generate_series(1, @pages::bigint)
)::bigint[] AS page_ids, EXISTS (
    SELECT FROM dead_letters AS l
    WHERE l.stream = c.stream AND l.resolved_at IS NULL AND l.reason <> 'conflict' AND l.event_id IS NOT NULL
) AS has_open_letters;

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

-- name: CheckpointSource :one
SELECT source_url FROM checkpoints WHERE stream = @stream;

-- name: CheckpointMove :execrows
-- The stream reads from another address from now on. A runner that lives is fenced by the new epoch and token.
UPDATE checkpoints SET source_url = @target::text, epoch = epoch + 1, token = gen_random_uuid()
WHERE stream = @stream AND source_url = @source::text;

-- name: CheckpointStreams :many
SELECT stream FROM checkpoints ORDER BY stream;

-- name: CheckpointLock :one
-- Session lock that tells a second runner early and kindly; the epoch is the truth. The schema is part of the key,
-- since one database may hold several.
SELECT pg_try_advisory_lock(hashtextextended('pawl/' || coalesce(current_schema(), '') || '/' || @stream::text, 0));
