-- These queries compare the records that the API returns with the database. pawl_returned is the temporary table that
-- db/temporary/returned.sql creates. PostgreSQL drops it when the transaction ends.

-- name: ReturnedInsert :exec
INSERT INTO pawl_returned (id) SELECT unnest(@ids::uuid[]);

-- name: ReturnedLacks :many
-- Returns the first 20 of the stream's events that the API did not return. total is the number of all such events.
SELECT e.id AS event, e.page_id, p.seq, p.pass, count(*) OVER () AS total
FROM events AS e
JOIN pages AS p ON p.id = e.page_id
WHERE p.stream = @stream AND NOT EXISTS (SELECT FROM pawl_returned AS r WHERE r.id = e.id)
ORDER BY p.seq, e.id
LIMIT 20;

-- name: ReturnedParked :many
-- Returns the dead letters that have the given keys. accounts reports whether the letter is open or discarded, so that it accounts for
-- its record. If the letter was resolved in another way, its event is stored and accounts for the record.
SELECT l.key, l.id, (l.resolved_at IS NULL OR l.resolution = 'discarded')::boolean AS accounts,
       (l.reason = 'conflict')::boolean AS conflict, l.payload
FROM dead_letters AS l
WHERE l.stream = @stream AND l.key = ANY(@keys::text[]);

-- name: ReturnedOthers :many
-- Returns how many records of the given events were counted but not stored, because too many dead letters of the event were open. It
-- reads these numbers from the dead letters that are still open.
SELECT l.event_id::uuid AS event, sum(l.others)::bigint AS others FROM dead_letters AS l
WHERE l.stream = @stream AND l.event_id = ANY(@ids::uuid[]) AND l.resolved_at IS NULL AND l.others > 0
GROUP BY l.event_id;
