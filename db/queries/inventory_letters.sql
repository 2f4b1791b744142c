-- These queries check the dead letters of a stream. The comment at the top of inventory.sql explains the columns that they return.

-- name: InventoryLetters :many
-- Checks the numbers of dead letters against the ledger. Each page must have parked as many letters as its row says, and each letter
-- must name an existing page. Each replay must have resolved as many letters as its row says. The sum of replays over all letters must
-- be the number of records that the ledger's replays received.
WITH letters AS (
    SELECT * FROM dead_letters AS l WHERE l.stream = @stream
), ledger AS (
    SELECT * FROM pages AS p WHERE p.stream = @stream
), parked AS (
    SELECT l.page_id, count(*) AS letters FROM letters AS l GROUP BY l.page_id
), resolved AS (
    SELECT l.resolved_page_id, count(*) FILTER (WHERE l.resolution = 'replayed') AS replayed,
           count(*) FILTER (WHERE l.resolution = 'duplicate') AS duplicate
    FROM letters AS l
    GROUP BY l.resolved_page_id
), counts AS (
    SELECT p.id AS page_id, p.seq, p.pass, 'parked' AS what, p.parked AS value, 'letters of the page' AS against,
           coalesce(l.letters, 0) AS found
    FROM ledger AS p
    LEFT JOIN parked AS l ON l.page_id = p.id
    WHERE p.kind = 'page'
    UNION ALL
    SELECT l.page_id, 0, 0, 'letters that name the page', l.letters, 'pages of that id in the ledger', 0
    FROM parked AS l
    WHERE NOT EXISTS (SELECT FROM ledger AS p WHERE p.id = l.page_id AND p.kind = 'page')
    UNION ALL
    SELECT p.id, p.seq, p.pass, f.what::text, f.value::bigint, f.against::text, f.found::bigint
    FROM ledger AS p
    LEFT JOIN resolved AS l ON l.resolved_page_id = p.id
    CROSS JOIN LATERAL (
        VALUES
            ('inserted by this replay', p.inserted, 'letters that it resolved as replayed', coalesce(l.replayed, 0)),
            ('duplicate in this replay', p.duplicate, 'letters that it resolved as duplicate', coalesce(l.duplicate, 0))
    ) AS f (what, value, against, found)
    WHERE p.kind = 'replay'
    UNION ALL
    SELECT 0, 0, 0, 'received by replays', (SELECT coalesce(sum(p.received), 0) FROM ledger AS p WHERE p.kind = 'replay'),
           'replays of the letters', (SELECT coalesce(sum(l.replays), 0) FROM letters AS l)
)
SELECT c.page_id::bigint AS page_id, c.seq::bigint AS seq, c.pass::bigint AS pass, c.what::text AS what, c.value::text AS value,
       c.against::text AS against, c.found::text AS found, count(*) OVER () AS total
FROM counts AS c
WHERE c.value <> c.found
ORDER BY c.page_id = 0, c.page_id, c.what
LIMIT 20;

-- name: InventoryPayloads :many
-- Checks that the payload of each dead letter still has the hash that was stored when the letter was parked.
SELECT l.page_id, coalesce(p.seq, 0)::bigint AS seq, coalesce(p.pass, 0)::bigint AS pass,
       coalesce(l.event_id, '00000000-0000-0000-0000-000000000000')::uuid AS event,
       ('SHA-256 of the payload of dead letter ' || l.id)::text AS what, encode(sha256(l.payload), 'hex')::text AS value,
       'that of the bytes that were parked'::text AS against, encode(l.payload_sha256, 'hex')::text AS found, count(*) OVER () AS total
FROM dead_letters AS l
LEFT JOIN pages AS p ON p.id = l.page_id AND p.stream = l.stream
WHERE l.stream = @stream AND sha256(l.payload) <> l.payload_sha256
ORDER BY l.page_id, l.id
LIMIT 20;

-- name: InventoryResolved :many
-- Checks the resolved dead letters. A letter must name the ledger row that resolved it, and this row must not be older than the page that
-- parked the letter. The letter's event must be stored. If the letter was replayed, the same ledger row must have stored the event. A
-- discarded letter must name no ledger row.
--
-- page_id, seq and pass are those of the page that parked the letter. The query looks up the letter's event in a sub-query. With a join
-- the planner might read all events.
WITH letters AS (
    SELECT l.*, (SELECT e.page_id FROM events AS e WHERE e.id = l.event_id) AS event_page_id
    FROM dead_letters AS l
    WHERE l.stream = @stream AND l.resolved_at IS NOT NULL
)
SELECT l.page_id, coalesce(p.seq, 0)::bigint AS seq, coalesce(p.pass, 0)::bigint AS pass,
       coalesce(l.event_id, '00000000-0000-0000-0000-000000000000')::uuid AS event,
       (f.what || ' of letter ' || l.id || ', ' || l.resolution)::text AS what, f.value::text AS value, f.against::text AS against,
       f.found::text AS found, count(*) OVER () AS total
FROM letters AS l
LEFT JOIN pages AS p ON p.id = l.page_id AND p.stream = @stream
LEFT JOIN pages AS r ON r.id = l.resolved_page_id AND r.stream = @stream AND r.id >= l.page_id
    AND (r.kind = 'replay' AND l.resolution IN ('replayed', 'duplicate') OR r.kind <> 'reset' AND l.resolution = 'superseded')
CROSS JOIN LATERAL (
    VALUES
        ('resolved_page_id', coalesce(l.resolved_page_id::text, 'none'), 'row of the ledger that can have done so',
         CASE l.resolution WHEN 'discarded' THEN 'none' ELSE coalesce(r.id::text, 'missing') END),
        ('event', CASE WHEN l.resolution <> 'discarded' AND l.event_id IS NOT NULL THEN 'stored' END, 'in the database',
         CASE WHEN l.event_page_id IS NULL THEN 'missing' ELSE 'stored' END),
        ('resolved_page_id', CASE l.resolution WHEN 'replayed' THEN l.resolved_page_id::text END, 'page_id of its event',
         l.event_page_id::text)
) AS f (what, value, against, found)
WHERE f.value <> f.found
ORDER BY l.page_id, l.id, f.what, f.against
LIMIT 20;
