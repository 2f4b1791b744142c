-- name: EventInsertMany :execrows
-- Inserts the events whose ids are not stored yet (invariant I2 of package domain). The answer is the number of inserted events (I5).
INSERT INTO events (id, session_id, user_id, type, name, properties, occurred_at, device_type, browser, extra, page_id)
SELECT t.id, t.session_id, t.user_id, t.type, t.name, t.properties, t.occurred_at, t.device_type, t.browser, t.extra,
       @page_id::bigint
FROM ROWS FROM (
    unnest(@ids::uuid[]),
    unnest(@session_ids::uuid[]),
    unnest(@user_ids::uuid[]),
    unnest(@types::text[]),
    unnest(@names::text[]),
    unnest(@properties::jsonb[]),
    unnest(@occurred_ats::timestamptz[]),
    unnest(@device_types::text[]),
    unnest(@browsers::text[]),
    unnest(@extras::jsonb[])
) AS t (id, session_id, user_id, type, name, properties, occurred_at, device_type, browser, extra)
ON CONFLICT (id) DO NOTHING;

-- name: EventFindStored :many
-- Returns the places, counted from 1, of the given ids that are stored but that this page did not insert: another page stored the
-- id, or the id repeats an earlier place. It never returns a place whose id is not stored, so an event that was lost does not count
-- as a duplicate (I5). OFFSET 0 makes the planner look up each id by the primary key, even if the table was small when the statement was
-- prepared.
SELECT s.place::bigint
FROM (
    SELECT g.place, e.page_id, row_number() OVER (PARTITION BY g.id ORDER BY g.place) AS nth
    FROM unnest(@ids::uuid[]) WITH ORDINALITY AS g (id, place)
    CROSS JOIN LATERAL (SELECT e.page_id FROM events AS e WHERE e.id = g.id OFFSET 0) AS e
) AS s
WHERE s.page_id <> @page_id::bigint OR s.nth > 1
ORDER BY s.place;

-- name: EventFetch :many
-- Returns the rows of the given ids that are stored, in no order. It is fastest if the ids are sorted.
SELECT e.id, e.session_id, e.user_id, e.type, e.name, e.properties, e.occurred_at, e.device_type, e.browser, e.extra
FROM events AS e
WHERE e.id = ANY(@ids::uuid[]);

-- name: EventCompare :many
-- Returns the mismatches among the given events: the events that are not stored, and the events whose row has other values. place is
-- the event's place in the arrays, counted from 1. JSON is compared by value, regardless of its text.
--
-- hash is a hash of the given values in PostgreSQL's text form. Equal values have the same hash, with one exception: two numbers in
-- JSON that differ only in trailing zeros, such as 1.0 and 1.00, are equal but have different hashes.
SELECT g.place::bigint AS place, (e.id IS NULL)::boolean AS missing, array_remove(ARRAY[
    CASE WHEN e.session_id IS DISTINCT FROM g.session_id THEN 'session_id' END,
    CASE WHEN e.user_id IS DISTINCT FROM g.user_id THEN 'user_id' END,
    CASE WHEN e.type IS DISTINCT FROM g.type THEN 'type' END,
    CASE WHEN e.name IS DISTINCT FROM g.name THEN 'name' END,
    CASE WHEN e.properties IS DISTINCT FROM g.properties THEN 'properties' END,
    CASE WHEN e.occurred_at IS DISTINCT FROM g.occurred_at THEN 'occurred_at' END,
    CASE WHEN e.device_type IS DISTINCT FROM g.device_type THEN 'device_type' END,
    CASE WHEN e.browser IS DISTINCT FROM g.browser THEN 'browser' END,
    CASE WHEN e.extra IS DISTINCT FROM g.extra THEN 'extra' END
], NULL)::text[] AS columns,
encode(sha256(convert_to((g.session_id, g.user_id, g.type, g.name, g.properties,
    to_char(g.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
    g.device_type, g.browser, g.extra)::text, 'UTF8')), 'hex')::text AS hash
FROM ROWS FROM (
    unnest(@ids::uuid[]),
    unnest(@session_ids::uuid[]),
    unnest(@user_ids::uuid[]),
    unnest(@types::text[]),
    unnest(@names::text[]),
    unnest(@properties::jsonb[]),
    unnest(@occurred_ats::timestamptz[]),
    unnest(@device_types::text[]),
    unnest(@browsers::text[]),
    unnest(@extras::jsonb[])
) WITH ORDINALITY AS g (id, session_id, user_id, type, name, properties, occurred_at, device_type, browser, extra, place)
LEFT JOIN LATERAL (SELECT * FROM events AS e WHERE e.id = g.id OFFSET 0) AS e ON true
WHERE e.id IS NULL
   OR (e.session_id, e.user_id, e.type, e.name, e.properties, e.occurred_at, e.device_type, e.browser, e.extra) IS DISTINCT FROM
      (g.session_id, g.user_id, g.type, g.name, g.properties, g.occurred_at, g.device_type, g.browser, g.extra)
ORDER BY g.place;

-- name: EventHasUniqueID :one
-- Reports whether a unique key on the column id alone makes sure that each event is stored once. An index that checks only at COMMIT, or
-- only some of the rows, does not count.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attname = 'id'
    WHERE i.indrelid = 'events'::regclass AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
      AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
)::boolean AS has_unique_id;
