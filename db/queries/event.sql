-- name: EventInsertMany :execrows
-- The rows that were not stored yet (I2); the answer is their number (I5).
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

-- name: EventCountDuplicates :one
-- Of the given ids, those stored by another page, and those given again in this one (I5: counted, not derived).
WITH given AS (
    SELECT e.page_id, row_number() OVER (PARTITION BY g.id) AS nth
    FROM unnest(@ids::uuid[]) AS g (id)
    JOIN events AS e ON e.id = g.id
)
SELECT count(*) FROM given WHERE given.page_id <> @page_id::bigint OR given.nth > 1;

-- name: EventCompare :many
-- Of the given events, those that are not stored, and those whose row has other values. JSON is compared by value.
SELECT g.id::uuid AS id, (e.id IS NULL)::boolean AS missing, array_remove(ARRAY[
    CASE WHEN e.session_id IS DISTINCT FROM g.session_id THEN 'session_id' END,
    CASE WHEN e.user_id IS DISTINCT FROM g.user_id THEN 'user_id' END,
    CASE WHEN e.type IS DISTINCT FROM g.type THEN 'type' END,
    CASE WHEN e.name IS DISTINCT FROM g.name THEN 'name' END,
    CASE WHEN e.properties IS DISTINCT FROM g.properties THEN 'properties' END,
    CASE WHEN e.occurred_at IS DISTINCT FROM g.occurred_at THEN 'occurred_at' END,
    CASE WHEN e.device_type IS DISTINCT FROM g.device_type THEN 'device_type' END,
    CASE WHEN e.browser IS DISTINCT FROM g.browser THEN 'browser' END,
    CASE WHEN e.extra IS DISTINCT FROM g.extra THEN 'extra' END
], NULL)::text[] AS columns
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
) AS g (id, session_id, user_id, type, name, properties, occurred_at, device_type, browser, extra)
LEFT JOIN events AS e ON e.id = g.id
WHERE e.id IS NULL
   OR (e.session_id, e.user_id, e.type, e.name, e.properties, e.occurred_at, e.device_type, e.browser, e.extra) IS DISTINCT FROM
      (g.session_id, g.user_id, g.type, g.name, g.properties, g.occurred_at, g.device_type, g.browser, g.extra);
