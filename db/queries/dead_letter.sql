-- name: DeadLetterKnown :many
-- Returns the dead letters that the given records already have. place is the place of the record in the arrays, counted from 1. A
-- letter belongs to a record if it has the record's key. It also belongs to the record if it has the record's legacy key, which an
-- earlier version of pawl gave, and the hash of the record's bytes. If a record has both letters, the one with its key comes first.
--
-- OFFSET 0 makes the planner look up each key by the index. Without OFFSET 0 the planner may scan the table, because its statistics say
-- little about the number of dead letters.
SELECT g.place::bigint AS place, l.key
FROM ROWS FROM (
    unnest(@keys::text[]),
    unnest(@legacy_keys::text[]),
    unnest(@hashes::bytea[])
) WITH ORDINALITY AS g (key, legacy_key, hash, place)
CROSS JOIN LATERAL (
    SELECT k.key FROM dead_letters AS k WHERE k.key = g.key AND k.stream = @stream
    UNION ALL
    SELECT f.key FROM dead_letters AS f WHERE f.key = g.legacy_key AND f.stream = @stream AND f.payload_sha256 = g.hash
    OFFSET 0
) AS l
ORDER BY place, (l.key = g.key) DESC;

-- name: DeadLetterOpenOf :many
-- Returns one row for each given event that has open dead letters. letters is the number of these letters, and last is the key of
-- the newest. For OFFSET 0 see DeadLetterKnown.
SELECT g.id::uuid AS id, count(*) AS letters, (array_agg(o.key ORDER BY o.id DESC))[1]::text AS last
FROM unnest(@ids::uuid[]) AS g (id)
CROSS JOIN LATERAL (
    SELECT l.id, l.key FROM dead_letters AS l
    WHERE l.event_id = g.id AND l.stream = @stream AND l.resolved_at IS NULL
    OFFSET 0
) AS o
GROUP BY g.id;

-- name: DeadLetterCountOthers :execrows
-- Counts records in the dead letters with the given keys, in seen and in others. These records are not stored, because too many dead
-- letters of their event are open.
UPDATE dead_letters AS l
SET seen = l.seen + g.records, others = l.others + g.records
FROM ROWS FROM (unnest(@keys::text[]), unnest(@records::bigint[])) AS g (key, records)
WHERE l.key = g.key AND l.stream = @stream;

-- name: DeadLetterPark :many
-- Parks records, each key once (invariant I2 of package domain). If a key is already parked, it only adds to that letter's seen. For
-- each key, parked reports whether this statement inserted the letter (I5). It reads this from xmax, which is 0 in a row that was
-- inserted and never updated.
INSERT INTO dead_letters AS l (stream, key, page_id, index_in_page, reason, field, detail, payload, payload_sha256, event_id, seen)
SELECT @stream::text, t.key, @page_id::bigint, t.index_in_page, t.reason, t.field, t.detail, t.payload, sha256(t.payload),
       nullif(t.event_id, '00000000-0000-0000-0000-000000000000'), t.seen
FROM ROWS FROM (
    unnest(@keys::text[]),
    unnest(@indexes::bigint[]),
    unnest(@reasons::text[]),
    unnest(@fields::text[]),
    unnest(@details::text[]),
    unnest(@payloads::bytea[]),
    unnest(@event_ids::uuid[]),
    unnest(@seen::bigint[])
) AS t (key, index_in_page, reason, field, detail, payload, event_id, seen)
ON CONFLICT (key, stream) DO UPDATE SET seen = l.seen + excluded.seen
RETURNING l.key, (l.xmax = 0)::boolean AS parked;

-- name: DeadLetterSupersede :exec
-- Resolves the open dead letters of the given events, which are stored. It leaves conflicts open. For OFFSET 0 see DeadLetterKnown.
UPDATE dead_letters AS l
SET resolved_at = now(), resolution = 'superseded', resolved_page_id = @page_id::bigint,
    resolved_why = 'the API sent the event as it should be'
FROM unnest(@ids::uuid[]) AS g (id)
CROSS JOIN LATERAL (
    SELECT d.id FROM dead_letters AS d
    WHERE d.event_id = g.id AND d.stream = @stream AND d.resolved_at IS NULL AND d.reason <> 'conflict'
    OFFSET 0
) AS open
WHERE l.id = open.id;

-- name: DeadLetterSurvey :one
-- Counts the dead letters of a selection. open and resolved are the numbers of open and resolved letters, and last is the greatest
-- id of an open one. missing has the selected ids that are not dead letters of the stream. If the selection is not by id (by_id), it
-- has open letters only.
SELECT count(*) FILTER (WHERE l.resolved_at IS NULL) AS open,
       coalesce(max(l.id) FILTER (WHERE l.resolved_at IS NULL), 0)::bigint AS last,
       count(*) FILTER (WHERE l.resolved_at IS NOT NULL) AS resolved,
       ARRAY(
           SELECT DISTINCT g.id FROM unnest(@ids::bigint[]) AS g (id)
           WHERE NOT EXISTS (SELECT FROM dead_letters AS known WHERE known.id = g.id AND known.stream = @stream)
           ORDER BY g.id
       )::bigint[] AS missing
FROM dead_letters AS l
WHERE l.stream = @stream
  AND (NOT @by_id::boolean OR l.id = ANY(@ids::bigint[]))
  AND (@by_id::boolean OR l.resolved_at IS NULL)
  AND (@reason::text = '' OR l.reason = @reason);

-- name: DeadLetterOpen :many
-- Returns the selected open dead letters with ids greater than after and at most last, in order of id. It returns at most max_rows
-- letters, whose payloads have together at most max_bytes. But it returns the first letter even if its payload is larger. It reads
-- only the payloads of the returned letters.
SELECT l.* FROM (
    SELECT s.id, row_number() OVER (ORDER BY s.id) AS nth, sum(s.bytes) OVER (ORDER BY s.id) AS bytes
    FROM (
        SELECT o.id, octet_length(o.payload) AS bytes
        FROM dead_letters AS o
        WHERE o.stream = @stream AND o.resolved_at IS NULL AND o.id > @after AND o.id <= @last
          AND (NOT @by_id::boolean OR o.id = ANY(@ids::bigint[]))
          AND (@reason::text = '' OR o.reason = @reason)
        ORDER BY o.id
        LIMIT @max_rows::bigint
    ) AS s
) AS fit
JOIN dead_letters AS l ON l.id = fit.id
WHERE fit.nth = 1 OR fit.bytes <= @max_bytes::bigint
ORDER BY l.id;

-- name: DeadLetterLock :many
-- Locks the given dead letters that are still open and returns their ids. It ignores a letter with another hash than the given one.
-- In that case the database was set back after the letter was read, and another letter has the same id now.
SELECT l.id FROM dead_letters AS l
JOIN ROWS FROM (unnest(@ids::bigint[]), unnest(@hashes::bytea[])) AS g (id, hash) ON g.id = l.id AND g.hash = l.payload_sha256
WHERE l.stream = @stream AND l.id = ANY(@ids::bigint[]) AND l.resolved_at IS NULL
ORDER BY l.id
FOR UPDATE OF l;

-- name: DeadLetterResolve :execrows
-- Resolves dead letters that a replay has locked, all with the same resolution. It finds them by id alone. With a further condition
-- the planner may scan the table, because its statistics say little about the number of open letters.
UPDATE dead_letters AS l
SET resolved_at = now(), resolution = @resolution::text, resolved_page_id = @page_id::bigint, resolved_why = @why::text,
    replays = l.replays + 1, event_id = g.event_id
FROM ROWS FROM (unnest(@ids::bigint[]), unnest(@event_ids::uuid[])) AS g (id, event_id)
WHERE l.id = g.id;

-- name: DeadLetterParkAgain :execrows
-- Stores why dead letters that a replay has locked still cannot become events. Their keys do not change, so that pawl recognises the
-- records when the API sends them again. It finds the letters by id alone, see DeadLetterResolve.
UPDATE dead_letters AS l
SET reason = g.reason, field = g.field, detail = g.detail, replays = l.replays + 1,
    event_id = coalesce(nullif(g.event_id, '00000000-0000-0000-0000-000000000000'), l.event_id)
FROM ROWS FROM (
    unnest(@ids::bigint[]),
    unnest(@reasons::text[]),
    unnest(@fields::text[]),
    unnest(@details::text[]),
    unnest(@event_ids::uuid[])
) AS g (id, reason, field, detail, event_id)
WHERE l.id = g.id;

-- name: DeadLetterDiscard :execrows
-- Resolves an open dead letter as discarded. The answer is 0 if the stream has no letter with this id, or if the letter is already
-- resolved.
UPDATE dead_letters AS l
SET resolved_at = now(), resolution = 'discarded', resolved_why = @why::text
WHERE l.stream = @stream AND l.id = @id AND l.resolved_at IS NULL;

-- name: DeadLetterGet :one
SELECT * FROM dead_letters WHERE stream = @stream AND id = @id;

-- name: DeadLetterList :many
-- Returns dead letters in order of id, at most max_rows with ids greater than after. state is 'open', 'resolved' or 'all'. An empty
-- reason and page_id 0 select all letters. It does not return the payloads, because they may be large.
SELECT l.id, l.key, l.page_id, l.index_in_page, l.reason, l.field, l.detail, l.event_id, l.seen, l.replays, l.parked_at,
       l.resolved_at, l.resolution, l.resolved_why, l.resolved_page_id, l.others
FROM dead_letters AS l
WHERE l.stream = @stream AND l.id > @after
  AND (@state::text = 'all' OR (l.resolved_at IS NULL) = (@state = 'open'))
  AND (@reason::text = '' OR l.reason = @reason)
  AND (@page_id::bigint = 0 OR l.page_id = @page_id)
  AND (sqlc.narg(since)::timestamptz IS NULL OR l.parked_at >= sqlc.narg(since))
  AND (sqlc.narg(until)::timestamptz IS NULL OR l.parked_at < sqlc.narg(until))
ORDER BY l.id
LIMIT @max_rows::bigint;

-- name: DeadLetterReasons :many
-- Counts dead letters by reason, the most frequent reason first. Each row has the first letter with its reason. The parameters
-- select letters as in DeadLetterList.
SELECT c.reason, c.letters, l.id, l.key, l.page_id, l.index_in_page, l.field, l.detail, l.event_id, l.seen, l.others, l.replays,
       l.parked_at
FROM (
    SELECT s.reason, count(*) AS letters, min(s.id) AS first
    FROM dead_letters AS s
    WHERE s.stream = @stream
      AND (@state::text = 'all' OR (s.resolved_at IS NULL) = (@state = 'open'))
      AND (@reason::text = '' OR s.reason = @reason)
      AND (@page_id::bigint = 0 OR s.page_id = @page_id)
      AND (sqlc.narg(since)::timestamptz IS NULL OR s.parked_at >= sqlc.narg(since))
      AND (sqlc.narg(until)::timestamptz IS NULL OR s.parked_at < sqlc.narg(until))
    GROUP BY s.reason
) AS c
JOIN dead_letters AS l ON l.id = c.first
ORDER BY c.letters DESC, c.reason;

-- name: DeadLetterOpenReasons :many
-- Counts the open dead letters by reason, the most frequent reason first.
SELECT l.reason, count(*) AS letters
FROM dead_letters AS l
WHERE l.stream = @stream AND l.resolved_at IS NULL
GROUP BY l.reason
ORDER BY letters DESC, l.reason;

-- name: DeadLetterSkipTakenIDs :exec
-- Moves the sequence of the ids forward to the greatest id in the table, after PostgreSQL has set the sequence back. It calls nextval
-- as often as necessary. It does not call setval, because setval needs a privilege that a writer may not have.
SELECT count(nextval(pg_get_serial_sequence('dead_letters', 'id')))
FROM (SELECT max(l.id) AS id FROM dead_letters AS l) AS last,
     (SELECT nextval(pg_get_serial_sequence('dead_letters', 'id')) AS id) AS next,
     generate_series(1, last.id - next.id);
