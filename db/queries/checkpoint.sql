-- name: CheckpointClaim :one
-- Gives the stream a new epoch and token. Returns no row if the stream has pages from another source URL. Before its first
-- page a stream may change its source URL: the first one was a mistake.
INSERT INTO checkpoints AS c (stream, source_url, epoch, token)
VALUES (@stream, @source_url, 1, gen_random_uuid())
ON CONFLICT (stream) DO UPDATE
SET epoch = c.epoch + 1, token = gen_random_uuid(), source_url = excluded.source_url,
    held_until = CASE WHEN c.source_url = excluded.source_url THEN c.held_until END
WHERE c.source_url = excluded.source_url OR c.seq = 0
RETURNING *;

-- name: CheckpointAdvance :one
-- The first statement of every commit (I3). It locks the checkpoint, moves it and reserves the ids of the ledger rows. It
-- returns no row if the checkpoint belongs to another claim or is at another position. has_open_letters reports whether a
-- dead letter is open that an event of the batch may supersede. repeated is the number (from 1) of the first page in the
-- batch that repeats an earlier page of its pass, 0 if none does.
--
-- The sub-queries see what was committed before this statement began, even if it waited for the row. That is enough: only
-- the claim's holder adds pages, and if another runner moved the checkpoint meanwhile, this statement finds no row.
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
-- The last statement of every commit: adds the batch's counts to the checkpoint.
UPDATE checkpoints
SET received  = received + @received,
    inserted  = inserted + @inserted,
    duplicate = duplicate + @duplicate,
    parked    = parked + @parked
WHERE stream = @stream
RETURNING *;

-- name: CheckpointGetForUpdate :one
-- Locks the row. It waits for a transaction that holds it (I4).
SELECT * FROM checkpoints WHERE stream = @stream FOR UPDATE;

-- name: CheckpointStored :one
-- records is the number of the stream's events that are stored or parked, each once. Dead letters whose event is stored are
-- not counted: conflicts, whose key has a hash of values, and those that were resolved by a stored event. shared reports whether another stream stores into the same table, so that its
-- events count as duplicates here.
SELECT (c.inserted + c.parked - (
           SELECT count(*) FROM dead_letters AS l
           WHERE l.stream = c.stream AND (l.key LIKE '% with values %' OR l.resolution IN ('superseded', 'duplicate'))
       ))::bigint AS records,
       EXISTS (SELECT FROM checkpoints AS o WHERE o.stream <> c.stream AND o.received > 0) AS shared
FROM checkpoints AS c
WHERE c.stream = @stream;

-- name: CheckpointHold :execrows
-- Stores until when the rate limit holds the stream, for the next claim. The time is by the clock of this server, which all
-- runners share.
UPDATE checkpoints SET held_until = now() + interval '1 ms' * @wait_ms::bigint
WHERE stream = @stream AND token = @token AND epoch = @epoch;

-- name: CheckpointHeld :one
-- Returns for how many milliseconds the rate limit still holds the stream, at most a day; 0 if it does not.
SELECT CASE WHEN held_until > t.now
            THEN ceil(extract(epoch FROM least(held_until, t.now + interval '1 day') - t.now) * 1000)
            ELSE 0 END::bigint AS wait_ms
FROM checkpoints, clock_timestamp() AS t (now)
WHERE stream = @stream;

-- name: CheckpointSource :one
SELECT source_url FROM checkpoints WHERE stream = @stream;

-- name: CheckpointMove :execrows
-- Changes the source URL. The new epoch and token fence a runner that still reads from the old one.
UPDATE checkpoints SET source_url = @to_url::text, epoch = epoch + 1, token = gen_random_uuid(), held_until = NULL
WHERE stream = @stream AND source_url = @from_url::text;

-- name: CheckpointStreams :many
SELECT stream FROM checkpoints ORDER BY stream;

-- name: CheckpointLock :one
-- Takes the session lock of the stream, without waiting. The lock only tells a second runner early; token and epoch decide.
-- The schema is part of the key, because one database may hold several.
SELECT pg_try_advisory_lock(hashtextextended('pawl/' || coalesce(current_schema(), '') || '/' || @stream::text, 0));
