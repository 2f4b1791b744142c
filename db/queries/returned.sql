-- The temporary table of db/temporary/returned.sql, which lives as long as its transaction.

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

-- name: ReturnedParked :many
-- Of the given keys, those under which a record is parked. A letter stands for its record while it is open, and when it was
-- discarded; resolved in another way, its event is stored.
SELECT l.key, l.id, (l.resolved_at IS NULL OR l.resolution = 'discarded')::boolean AS stands, (l.reason = 'conflict')::boolean AS conflict,
       l.payload
FROM dead_letters AS l
WHERE l.stream = @stream AND l.key = ANY(@keys::text[]);

-- name: ReturnedOthers :many
-- How many records of the given events were counted and not kept, because too many of their letters are open.
SELECT l.event_id::uuid AS event, sum(l.others)::bigint AS others FROM dead_letters AS l
WHERE l.stream = @stream AND l.event_id = ANY(@ids::uuid[]) AND l.resolved_at IS NULL AND l.others > 0
GROUP BY l.event_id;

-- name: ReturnedStored :many
SELECT e.id FROM events AS e WHERE e.id = ANY(@ids::uuid[]);
