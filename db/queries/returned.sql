-- The temporary table of db/temporary/returned.sql, which lives as long as its connection.

-- name: ReturnedInsert :exec
INSERT INTO pawl_returned (id) SELECT unnest(@ids::uuid[]);

-- name: ReturnedLacks :many
-- The stream's events that were not returned: at most 20 of them, and the number of all.
SELECT e.id AS event, e.page_id, p.seq, p.pass, count(*) OVER () AS total
FROM events AS e
JOIN pages AS p ON p.id = e.page_id
WHERE p.stream = @stream AND NOT EXISTS (SELECT FROM pawl_returned AS r WHERE r.id = e.id)
ORDER BY p.seq, e.id
LIMIT 20;
