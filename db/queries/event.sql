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
