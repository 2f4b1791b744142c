-- name: DriftCount :many
-- Adds the counts of a page's drift to the entries that exist, and returns these entries.
UPDATE drift AS d
SET count = d.count + g.count, last_page_id = @page_id::bigint
FROM ROWS FROM (unnest(@paths::text[]), unnest(@kinds::text[]), unnest(@counts::bigint[])) AS g (path, kind, count)
WHERE d.stream = @stream AND d.path = g.path AND d.kind = g.kind
RETURNING d.path, d.kind;

-- name: DriftSize :one
SELECT count(*) FROM drift WHERE stream = @stream;

-- name: DriftRegister :one
-- Inserts an entry. If the entry exists, it adds to the entry's count instead. added reports whether the entry is new. It reads this
-- from xmax, which is 0 in a row that was inserted and never updated.
INSERT INTO drift AS d (stream, path, kind, first_page_id, last_page_id, count, sample)
VALUES (@stream, @path, @kind, @page_id::bigint, @page_id::bigint, @count, @sample)
ON CONFLICT (stream, path, kind) DO UPDATE SET count = d.count + excluded.count, last_page_id = excluded.last_page_id
RETURNING (d.xmax = 0)::boolean AS added;

-- name: DriftList :many
SELECT d.path, d.kind, d.first_page_id, d.last_page_id, d.count, d.sample FROM drift AS d
WHERE d.stream = @stream
ORDER BY d.first_page_id, d.path, d.kind;

-- name: DriftTotal :one
-- Returns the number of entries in the stream's register, and the sum of their counts.
SELECT count(*) AS entries, coalesce(sum(d.count), 0)::bigint AS records FROM drift AS d WHERE d.stream = @stream;
