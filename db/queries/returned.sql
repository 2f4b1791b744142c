-- These queries compare what the API returns with the database. pawl_returned is the temporary table of
-- db/temporary/returned.sql; it ends with its transaction.

-- name: ReturnedInsert :exec
INSERT INTO pawl_returned (id) SELECT unnest(@ids::uuid[]);

-- name: ReturnedLacks :many
-- Returns the stream's events that the API did not return: the first 20, with the number of all of them as total.
SELECT e.id AS event, e.page_id, p.seq, p.pass, count(*) OVER () AS total
FROM events AS e
JOIN pages AS p ON p.id = e.page_id
WHERE p.stream = @stream AND NOT EXISTS (SELECT FROM pawl_returned AS r WHERE r.id = e.id)
ORDER BY p.seq, e.id
LIMIT 20;

-- name: ReturnedParked :many
-- Returns the dead letters that have the given keys. A letter accounts for its record (accounts) while it is open or
-- discarded; if it was resolved in another way, the record's event is stored.
SELECT l.key, l.id, (l.resolved_at IS NULL OR l.resolution = 'discarded')::boolean AS accounts, (l.reason = 'conflict')::boolean AS conflict,
       l.payload
FROM dead_letters AS l
WHERE l.stream = @stream AND l.key = ANY(@keys::text[]);

-- name: ReturnedOthers :many
-- Returns how many records of the given events were counted but not stored, because too many of their dead letters are open.
SELECT l.event_id::uuid AS event, sum(l.others)::bigint AS others FROM dead_letters AS l
WHERE l.stream = @stream AND l.event_id = ANY(@ids::uuid[]) AND l.resolved_at IS NULL AND l.others > 0
GROUP BY l.event_id;
