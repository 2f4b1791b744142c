-- name: CheckpointClaim :one
-- Gives the stream a new epoch and token, and creates its checkpoint if there is none. It returns no row if the stream has pages
-- from another source URL. A stream without pages takes the new source URL, because nothing was stored from the old one.
INSERT INTO checkpoints AS c (stream, source_url, epoch, token)
VALUES (@stream, @source_url, 1, gen_random_uuid())
ON CONFLICT (stream) DO UPDATE
SET epoch = c.epoch + 1, token = gen_random_uuid(), source_url = excluded.source_url,
    held_until = CASE WHEN c.source_url = excluded.source_url THEN c.held_until END
WHERE c.source_url = excluded.source_url OR c.seq = 0
RETURNING *;

-- name: CheckpointAdvance :one
-- Locks the checkpoint, moves it and reserves new_ids ids of ledger rows. It is the fence of every commit (invariant I3 of package
-- domain). It returns no row if the checkpoint belongs to another claim, or is not at from_seq, from_pass, from_position and from_cursor.
--
-- last_page_id is the greatest id in the ledger. has_open_letters reports whether the stream has an open dead letter that an event
-- of the batch may supersede. repeated is the number, counted from 1, of the first page in the batch that repeats a page in the
-- ledger, in the same pass, which ends at or before its start. It is 0 if no page does. A page that ends later is one that the pass has left
-- by stepping back. OFFSET 0 makes the planner look up each page by the index.
--
-- If this statement waits for the row, its sub-queries do not see what was committed meanwhile. This does no harm, because only
-- the holder of the claim adds pages, and the new ids are reserved after the wait. If another runner has moved the checkpoint meanwhile,
-- this statement finds no row.
UPDATE checkpoints AS c
SET seq               = @to_seq,
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
    FROM generate_series(1, @new_ids::bigint)
)::bigint[] AS page_ids, coalesce((SELECT max(p.id) FROM pages AS p), 0)::bigint AS last_page_id, EXISTS (
    SELECT FROM dead_letters AS l
    WHERE l.stream = c.stream AND l.resolved_at IS NULL AND l.reason <> 'conflict' AND l.event_id IS NOT NULL
) AS has_open_letters, coalesce((
    SELECT min(g.number)
    FROM ROWS FROM (unnest(@passes::bigint[]), unnest(@starts::bigint[]), unnest(@ids_hashes::bytea[]))
        WITH ORDINALITY AS g (pass, start, ids_hash, number)
    CROSS JOIN LATERAL (
        SELECT FROM pages AS p WHERE p.ids_hash = g.ids_hash AND p.stream = c.stream AND p.pass = g.pass AND p.position <= g.start
        OFFSET 0
    ) AS earlier
), 0)::bigint AS repeated;

-- name: CheckpointCount :one
-- Adds the batch's counts to the checkpoint. It is the last write of every commit.
UPDATE checkpoints
SET received  = received + @received,
    inserted  = inserted + @inserted,
    duplicate = duplicate + @duplicate,
    parked    = parked + @parked
WHERE stream = @stream
RETURNING *;

-- name: CheckpointGetForUpdate :one
-- Returns the checkpoint and locks its row. If another transaction has locked the row, the statement waits until that transaction
-- ends. So it sees whether an unanswered COMMIT happened (I4).
SELECT * FROM checkpoints WHERE stream = @stream FOR UPDATE;

-- name: CheckpointLockRow :exec
-- Locks the checkpoint until the end of the transaction. Later statements of the transaction see all rows of the stream's ledger.
SELECT FROM checkpoints WHERE stream = @stream FOR UPDATE;

-- name: CheckpointStored :one
-- records is the number of the stream's records that are stored or parked, each counted once. It leaves out the dead letters
-- whose event is stored. These are the conflicts (their key ends with a hash of the values) and the letters that a stored event
-- has resolved. shared reports whether another stream stores into the same table. If so, records is too small, because an event
-- that the other stream stored is a duplicate here.
SELECT (c.inserted + c.parked - (
           SELECT count(*) FROM dead_letters AS l
           WHERE l.stream = c.stream AND (l.key LIKE '% with values %' OR l.resolution IN ('superseded', 'duplicate'))
       ))::bigint AS records,
       EXISTS (SELECT FROM checkpoints AS o WHERE o.stream <> c.stream AND o.received > 0) AS shared
FROM checkpoints AS c
WHERE c.stream = @stream;

-- name: CheckpointHold :execrows
-- Stores until when the rate limit holds the stream, so that the next claim can read it. It computes the time by the clock of the
-- database server, because the clocks of the runners may differ.
UPDATE checkpoints SET held_until = now() + interval '1 ms' * @wait_ms::bigint
WHERE stream = @stream AND token = @token AND epoch = @epoch;

-- name: CheckpointHeld :one
-- Returns for how many more milliseconds the rate limit holds the stream, at most one day. It returns 0 if the limit does not hold
-- the stream.
SELECT CASE WHEN held_until > t.now
            THEN ceil(extract(epoch FROM least(held_until, t.now + interval '1 day') - t.now) * 1000)
            ELSE 0 END::bigint AS wait_ms
FROM checkpoints, clock_timestamp() AS t (now)
WHERE stream = @stream;

-- name: CheckpointLeadsBack :one
-- Reports whether a page of the checkpoint's pass began at the checkpoint's cursor and ends at or before its position. Then the API's cursors
-- lead in a circle. The statement reads the ledger of the stream, once for each claim. A page without records proves nothing.
SELECT EXISTS (
    SELECT FROM checkpoints AS c
    JOIN pages AS p ON p.stream = c.stream AND p.kind = 'page' AND p.pass = c.pass AND p.cursor_in = c.cursor
    WHERE c.stream = @stream AND c.cursor <> '' AND p.position <= c.position AND p.received > 0
)::boolean AS leads_back;

-- name: CheckpointSource :one
SELECT source_url FROM checkpoints WHERE stream = @stream;

-- name: CheckpointMove :execrows
-- Changes the source URL from from_url to to_url. The new epoch and token fence a runner that still reads from from_url. The
-- answer is 0 if the stream's source URL is not from_url.
UPDATE checkpoints SET source_url = @to_url::text, epoch = epoch + 1, token = gen_random_uuid(), held_until = NULL
WHERE stream = @stream AND source_url = @from_url::text;

-- name: CheckpointReset :one
-- Moves the checkpoint to the head of the stream, at the begin of the next pass. The counts stay, and so does the hold of the rate limit.
-- The new epoch and token fence a runner that still has the stream. The transaction must have locked the row.
UPDATE checkpoints
SET pass = pass + 1, position = 0, cursor = '', cursor_expires_at = NULL, done = false, announced_first = NULL, announced_last = NULL,
    epoch = epoch + 1, token = gen_random_uuid()
WHERE stream = @stream
RETURNING *;

-- name: CheckpointStreams :many
SELECT stream FROM checkpoints ORDER BY stream;

-- name: CheckpointLock :one
-- Tries to take the session lock of the stream, without waiting, and returns whether it has the lock. The lock only stops a second
-- runner early. Token and epoch decide which runner may write. The schema is part of the lock's key, because several schemas of one
-- database may have a stream with the same name.
SELECT pg_try_advisory_lock(hashtextextended('pawl/' || coalesce(current_schema(), '') || '/' || @stream::text, 0));

-- name: CheckpointLockInTransaction :one
-- Tries to take the lock of CheckpointLock until the end of the transaction, without waiting, and returns whether it has the lock.
SELECT pg_try_advisory_xact_lock(hashtextextended('pawl/' || coalesce(current_schema(), '') || '/' || @stream::text, 0));

-- name: CheckpointForgetEmpty :exec
-- Deletes the checkpoint of a claim that has stored no page. It keeps a checkpoint that says until when the rate limit holds the stream. If
-- a commit is in progress, the statement waits for it, and then sees its page.
DELETE FROM checkpoints
WHERE stream = @stream AND token = @token AND seq = 0 AND (held_until IS NULL OR held_until <= now());
