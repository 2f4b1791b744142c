-- name: PageInsert :exec
INSERT INTO pages (id, kind, stream, pass, seq, parent_seq, cursor_in, cursor_out, position, received, inserted, duplicate, parked,
                   body_bytes, request_id, requests, retries, rate_limited, waited_ms, fetched_at, trace_id, ids_hash, end_accepted)
VALUES (@id, @kind, @stream, @pass, @seq, @parent_seq, @cursor_in, @cursor_out, @position, @received, @inserted, @duplicate, @parked,
        @body_bytes, @request_id, @requests, @retries, @rate_limited, @waited_ms, @fetched_at, @trace_id, @ids_hash, @end_accepted);

-- name: PageTotals :one
-- The stream's checkpoint with the ledger's totals beside it, in one snapshot.
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

-- name: PageReserve :one
-- The id of a ledger row, and the greatest there is. Within a stream ids grow in the order of commits, so whoever asks holds
-- the checkpoint's row.
SELECT nextval(pg_get_serial_sequence('pages', 'id'))::bigint AS page_id,
       coalesce((SELECT max(p.id) FROM pages AS p), 0)::bigint AS last_page_id;

-- name: PageReserveMany :many
-- So many ids, in order. They bring forward a sequence that was set back: setval would take a right that a writer need not
-- have.
SELECT nextval(pg_get_serial_sequence('pages', 'id'))::bigint AS page_id FROM generate_series(1, @pages::bigint);
