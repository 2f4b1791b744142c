-- name: PageInsert :exec
INSERT INTO pages (id, kind, stream, pass, seq, parent_seq, cursor_in, cursor_out, position, received, inserted, duplicate, parked,
                   body_bytes, request_id, requests, retries, rate_limited, waited_ms, fetched_at, trace_id, ids_hash, end_accepted)
VALUES (@id, @kind, @stream, @pass, @seq, @parent_seq, @cursor_in, @cursor_out, @position, @received, @inserted, @duplicate, @parked,
        @body_bytes, @request_id, @requests, @retries, @rate_limited, @waited_ms, @fetched_at, @trace_id, @ids_hash, @end_accepted);

-- name: PageTotals :one
-- Returns the stream's checkpoint and the totals of the pages in its ledger, both from one snapshot. elapsed_ms is the time from the
-- first fetch to the last commit.
SELECT sqlc.embed(c), l.pages, l.requests, l.retries, l.rate_limited, l.waited_ms, l.elapsed_ms
FROM checkpoints AS c
CROSS JOIN LATERAL (
    SELECT count(*)                                AS pages,
           coalesce(sum(p.requests), 0)::bigint     AS requests,
           coalesce(sum(p.retries), 0)::bigint      AS retries,
           coalesce(sum(p.rate_limited), 0)::bigint AS rate_limited,
           coalesce(sum(p.waited_ms), 0)::bigint    AS waited_ms,
           coalesce(extract(epoch FROM max(p.committed_at) - min(p.fetched_at)) * 1000, 0)::bigint AS elapsed_ms
    FROM pages AS p
    WHERE p.stream = c.stream AND p.kind = 'page'
) AS l
WHERE c.stream = @stream;

-- name: PageExists :one
-- Reports whether the ledger has this row. The time is part of the condition, because after the database was set back another row may
-- have the same id.
SELECT EXISTS (
    SELECT FROM pages AS p
    WHERE p.id = @id AND p.stream = @stream AND p.kind = @kind AND p.fetched_at = @fetched_at
);

-- name: PageCommittedAt :one
SELECT p.committed_at FROM pages AS p WHERE p.stream = @stream AND p.seq = @seq AND p.kind = 'page';

-- name: PageReserve :one
-- Reserves an id for a ledger row, and returns it with the greatest id in the table. The transaction must have locked the checkpoint's
-- row before, so that the ids of a stream grow in the order of commits.
SELECT nextval(pg_get_serial_sequence('pages', 'id'))::bigint AS page_id,
       coalesce((SELECT max(p.id) FROM pages AS p), 0)::bigint AS last_page_id;

-- name: PageReserveMany :many
-- Reserves several ids for ledger rows. pages is their number. If PostgreSQL has set the sequence back, reserving ids moves it forward
-- again. setval could do this in one step, but it needs a privilege that a writer may not have.
SELECT nextval(pg_get_serial_sequence('pages', 'id'))::bigint AS page_id FROM generate_series(1, @pages::bigint);

-- name: PageHasGreater :one
-- Reports whether rows with these ids would come too late for a program that follows the stream by page_id, or whether one of the ids is
-- taken. first_id is the smallest of them. The transaction must have locked the checkpoint's row.
SELECT EXISTS (
    SELECT FROM pages AS p WHERE p.id >= @first_id AND (p.stream = @stream OR p.id = ANY(@ids::bigint[]))
)::boolean AS has_greater;

-- name: PageStepBack :one
-- Returns where the page begins that is this number of pages before the end of the ledger: 1 is the last page, 2 is its parent, and so on. It
-- returns no row if the pass has no such page, or if the page is the first one of its pass.
WITH RECURSIVE back AS (
    SELECT p.seq, p.parent_seq, p.cursor_in, p.position - p.received AS start, 1 AS step
    FROM checkpoints AS c
    JOIN pages AS p ON p.stream = c.stream AND p.kind = 'page' AND p.seq = c.seq
    WHERE c.stream = @stream AND p.pass = @pass
    UNION ALL
    SELECT p.seq, p.parent_seq, p.cursor_in, p.position - p.received, b.step + 1
    FROM back AS b
    JOIN pages AS p ON p.stream = @stream AND p.kind = 'page' AND p.seq = b.parent_seq AND p.pass = @pass
    WHERE b.step < @pages::bigint
)
SELECT b.parent_seq::bigint AS parent_seq, b.cursor_in::text AS cursor_in, b.start::bigint AS start_position
FROM back AS b
WHERE b.step = @pages::bigint AND b.cursor_in <> '';

-- name: PageLatest :many
-- Returns the last pages of the stream, the last one first.
SELECT p.seq, p.pass, p.received, p.inserted, p.duplicate, p.parked, p.committed_at
FROM pages AS p
WHERE p.stream = @stream AND p.kind = 'page'
ORDER BY p.seq DESC
LIMIT @max_rows;
