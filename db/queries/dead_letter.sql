-- name: DeadLetterPark :many
-- Parks records by their key, each key once (I2). A record met before is counted in seen. The answer says of each key
-- whether it was parked now (I5); xmax is 0 in a row that was inserted and never updated.
INSERT INTO dead_letters AS l (stream, key, page_id, index_in_page, reason, field, detail, payload, event_id, seen)
SELECT @stream::text, t.key, @page_id::bigint, t.index_in_page, t.reason, t.field, t.detail, t.payload,
       nullif(t.event_id, '00000000-0000-0000-0000-000000000000'), t.seen
FROM ROWS FROM (
    unnest(@keys::text[]),
    unnest(@indexes::bigint[]),
    unnest(@reasons::text[]),
    unnest(@fields::text[]),
    unnest(@details::text[]),
    unnest(@payloads::bytea[]),
    unnest(@event_ids::uuid[]),
    unnest(@seen::bigint[])
) AS t (key, index_in_page, reason, field, detail, payload, event_id, seen)
ON CONFLICT (key, stream) DO UPDATE SET seen = l.seen + excluded.seen
RETURNING l.key, (l.xmax = 0)::boolean AS parked;

-- name: DeadLetterSupersede :exec
-- The events of these ids are stored: what could not be read of them before is of no use any more. (OFFSET 0 has the
-- planner look each id up by the index: it knows next to nothing of how many letters are open.)
UPDATE dead_letters AS l
SET resolved_at = now(), resolution = 'superseded', resolved_page_id = @page_id::bigint,
    resolved_why = 'the API sent the event as it should be'
FROM unnest(@ids::uuid[]) AS g (id)
CROSS JOIN LATERAL (
    SELECT d.id FROM dead_letters AS d
    WHERE d.event_id = g.id AND d.stream = @stream AND d.resolved_at IS NULL AND d.reason <> 'conflict'
    OFFSET 0
) AS open
WHERE l.id = open.id;
