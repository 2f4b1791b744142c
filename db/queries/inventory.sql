-- Each query except InventoryHoldings makes one check of a stream. It returns the first 20 differences that it finds. total is the
-- number of all differences. In each row, what and against name two values that should be equal. value is the first of them, and found
-- is the second. For example, 'received' is 5, but 'inserted + duplicate + parked' is 4. page_id 0 means the stream as a whole.

-- name: InventoryBalance :many
-- Checks invariant I5 (received = inserted + duplicate + parked) for each page, replay and reset, each pass, all of them together and the
-- checkpoint. A replay does not count in its pass, because its records were received earlier.
WITH sums AS (
    SELECT coalesce(p.id, 0) AS page_id, coalesce(p.seq, 0) AS seq, coalesce(p.pass, 0) AS pass,
           CASE grouping(p.id, p.pass)
               WHEN 0 THEN CASE p.kind WHEN 'page' THEN 'received' ELSE 'received by this ' || p.kind END
               WHEN 2 THEN 'received in this pass'
               ELSE 'received in total'
           END AS what,
           sum(p.received) AS received, sum(p.inserted) + sum(p.duplicate) + sum(p.parked) AS accounted
    FROM pages AS p
    WHERE p.stream = @stream
    GROUP BY GROUPING SETS ((p.id, p.kind, p.seq, p.pass), (p.kind, p.pass), ())
    HAVING grouping(p.id, p.pass) <> 2 OR p.kind = 'page'
    UNION ALL
    SELECT 0, 0, 0, 'received by the checkpoint', c.received, c.inserted + c.duplicate + c.parked
    FROM checkpoints AS c
    WHERE c.stream = @stream
)
SELECT s.page_id::bigint AS page_id, s.seq::bigint AS seq, s.pass::bigint AS pass, s.what::text AS what, s.received::text AS value,
       'inserted + duplicate + parked'::text AS against, s.accounted::text AS found, count(*) OVER () AS total
FROM sums AS s
WHERE s.received <> s.accounted
ORDER BY s.page_id = 0, s.seq, s.page_id, s.pass
LIMIT 20;

-- name: InventoryCheckpoint :many
-- Checks that the checkpoint's counts are the sums of its pages, and that it is at the end of the last page, or where a reset after this
-- page has moved it. Replays do not change the checkpoint, so they are left out. of_last reports whether a difference is about the last
-- page or reset.
WITH chain AS (
    SELECT * FROM pages AS p WHERE p.stream = @stream AND p.kind = 'page'
)
SELECT CASE WHEN f.of_last THEN coalesce(last.id, 0) ELSE 0 END::bigint AS page_id,
       CASE WHEN f.of_last THEN coalesce(last.seq, 0) ELSE 0 END::bigint AS seq,
       CASE WHEN f.of_last THEN coalesce(last.pass, 0) ELSE 0 END::bigint AS pass,
       f.what::text AS what, f.value::text AS value, f.against::text AS against, f.found::text AS found, count(*) OVER () AS total
FROM checkpoints AS c
CROSS JOIN (
    SELECT count(*) AS pages, coalesce(sum(p.received), 0) AS received, coalesce(sum(p.inserted), 0) AS inserted,
           coalesce(sum(p.duplicate), 0) AS duplicate, coalesce(sum(p.parked), 0) AS parked, coalesce(max(p.position), 0) AS furthest
    FROM chain AS p
) AS l
LEFT JOIN (
    SELECT p.*, CASE p.kind WHEN 'page' THEN 'last page' ELSE p.kind END AS name
    FROM pages AS p
    WHERE p.stream = @stream AND p.kind IN ('page', 'reset')
    ORDER BY p.seq DESC, p.kind DESC -- a reset has the seq of the page before it
    LIMIT 1
) AS last ON true
CROSS JOIN LATERAL (
    VALUES
        (false, 'received by the checkpoint', c.received::text, 'received by its pages', l.received::text),
        (false, 'inserted by the checkpoint', c.inserted::text, 'inserted by its pages', l.inserted::text),
        (false, 'duplicate by the checkpoint', c.duplicate::text, 'duplicate by its pages', l.duplicate::text),
        (false, 'parked by the checkpoint', c.parked::text, 'parked by its pages', l.parked::text),
        (false, 'seq of the checkpoint', c.seq::text, 'number of its pages', l.pages::text),
        (false, 'furthest of the checkpoint', c.furthest::text, 'greatest position of its pages', l.furthest::text),
        (true, 'cursor of the checkpoint', c.cursor, 'cursor_out of its ' || coalesce(last.name, 'last page'), coalesce(last.cursor_out, '')),
        (true, 'position of the checkpoint', c.position::text, 'position of its ' || coalesce(last.name, 'last page'), coalesce(last.position, 0)::text),
        (true, 'pass of the checkpoint', c.pass::text, 'pass of its ' || coalesce(last.name, 'last page'), coalesce(last.pass, 1)::text),
        (true, 'done of the checkpoint', c.done::text, 'end at its ' || coalesce(last.name, 'last page'),
         coalesce(last.kind = 'page' AND last.cursor_out = '', false)::text)
) AS f (of_last, what, value, against, found)
WHERE c.stream = @stream AND f.value <> f.found
ORDER BY what
LIMIT 20;

-- name: InventoryChain :many
-- Checks that seq grows by one from page to page, that the pass never decreases, and that each page follows its parent. The parent is the
-- page before it in the same pass, or an ancestor of that page: then the pass has stepped back, because the API did not know the cursor.
--
-- A page's parent_seq must be the parent's seq. Its cursor_in must be the parent's cursor_out. Its position must be the parent's position
-- plus its received records. The first page of a pass must have parent_seq 0 and no cursor_in, and its position must be its received
-- records. If parent_seq is wrong and names no page, cursor_in and position are not checked.
--
-- A pass in which nothing was committed has no page, so pass numbers may have gaps.
--
-- A reset begins a pass. It must have the seq of the page before it and the next pass. It has no cursors, no parent and position 0.
--
-- Also checks that each replay has parent_seq 0 and the seq, pass and position of a page, or of the reset after this page, because the
-- checkpoint had these when the replay was stored. Ids grow in the order of commits, so they say which of the two came first.
WITH moves AS (
    SELECT p.*,
           lag(p.seq, 1, 0::bigint) OVER before AS seq_before,
           lag(p.pass, 1, 1::bigint) OVER before AS pass_before,
           CASE WHEN lag(p.cursor_in) OVER (PARTITION BY p.pass, p.parent_seq ORDER BY p.seq) = p.cursor_in AND p.parent_seq <> 0
               THEN p.parent_seq -- the pass has stepped back to the start of an earlier page
               WHEN lag(p.kind) OVER before = 'page' AND lag(p.pass) OVER before = p.pass THEN lag(p.seq) OVER before ELSE 0 END AS follows
    FROM pages AS p
    WHERE p.stream = @stream AND p.kind IN ('page', 'reset')
    WINDOW before AS (ORDER BY p.seq, p.kind) -- a reset has the seq of the page before it
), chain AS (
    SELECT * FROM moves AS m WHERE m.kind = 'page'
), links AS (
    SELECT c.id, c.seq, c.pass, f.what::text AS what, f.value::text AS value, f.against::text AS against, f.found::text AS found
    FROM chain AS c
    LEFT JOIN chain AS parent ON parent.seq = c.parent_seq AND parent.pass = c.pass
    CROSS JOIN LATERAL (
        VALUES
            ('seq', c.seq::text, 'the seq that follows the page before', (c.seq_before + 1)::text),
            ('pass', c.pass::text, 'the least pass after the page before', greatest(c.pass, c.pass_before)::text),
            ('parent_seq', c.parent_seq::text, 'seq of the page before in this pass', c.follows::text),
            ('cursor_in', c.cursor_in,
             CASE c.parent_seq WHEN 0 THEN 'the cursor that a pass begins with' ELSE 'cursor_out of the page before' END,
             CASE c.parent_seq WHEN 0 THEN '' ELSE parent.cursor_out END),
            ('position', c.position::text,
             CASE c.parent_seq WHEN 0 THEN 'received since the pass began' ELSE 'position of the page before + received' END,
             (CASE c.parent_seq WHEN 0 THEN 0 ELSE parent.position END + c.received)::text)
    ) AS f (what, value, against, found)
    UNION ALL
    SELECT r.id, r.seq, r.pass, f.what::text AS what, f.value::text AS value, f.against::text AS against, f.found::text AS found
    FROM moves AS r
    LEFT JOIN chain AS c ON c.seq = r.seq
    CROSS JOIN LATERAL (
        VALUES
            ('seq of this reset', r.seq::text, 'seq of a page', coalesce(c.seq::text, 'none')),
            ('pass of this reset', r.pass::text, 'the pass after that of the page before', (c.pass + 1)::text),
            ('position of this reset', r.position::text, 'that of the head', '0'),
            ('cursors of this reset', r.cursor_in || r.cursor_out, 'none', ''),
            ('parent_seq of this reset', r.parent_seq::text, 'that of a reset', '0')
    ) AS f (what, value, against, found)
    WHERE r.kind = 'reset'
    UNION ALL
    SELECT r.id, r.seq, r.pass, f.what::text AS what, f.value::text AS value, f.against::text AS against, f.found::text AS found
    FROM pages AS r
    LEFT JOIN chain AS c ON c.seq = r.seq
    LEFT JOIN moves AS s ON s.seq = r.seq AND s.kind = 'reset' AND s.id < r.id
    CROSS JOIN LATERAL (
        VALUES
            ('seq of this replay', r.seq::text, 'seq of a page', coalesce(c.seq::text, 'none')),
            ('pass of this replay', r.pass::text, 'pass of the ' || coalesce(s.kind, c.kind) || ' before', coalesce(s.pass, c.pass)::text),
            ('position of this replay', r.position::text, 'position of the ' || coalesce(s.kind, c.kind) || ' before',
             coalesce(s.position, c.position)::text),
            ('parent_seq of this replay', r.parent_seq::text, 'that of a replay', '0')
    ) AS f (what, value, against, found)
    WHERE r.stream = @stream AND r.kind = 'replay'
)
SELECT l.id AS page_id, l.seq, l.pass,
       l.what::text AS what, l.value::text AS value, l.against::text AS against, l.found::text AS found, count(*) OVER () AS total
FROM links AS l
WHERE l.value <> l.found
ORDER BY l.seq, l.id, l.what
LIMIT 20;

-- name: InventoryEvents :many
-- Checks that the number of events that name a page, replay or reset is the number that its ledger row has as inserted. A reset has none.
SELECT p.id AS page_id, p.seq, p.pass, CASE p.kind WHEN 'page' THEN 'inserted' ELSE 'inserted by this ' || p.kind END::text AS what,
       p.inserted::text AS value, 'events of the page'::text AS against, coalesce(e.events, 0)::text AS found, count(*) OVER () AS total
FROM pages AS p
LEFT JOIN (SELECT e.page_id, count(*) AS events FROM events AS e GROUP BY e.page_id) AS e ON e.page_id = p.id
WHERE p.stream = @stream AND p.inserted <> coalesce(e.events, 0)
ORDER BY p.seq, p.id
LIMIT 20;

-- name: InventoryStrays :many
-- Checks that the page_id of each event is in the ledger. It checks the events of all streams, because an event without a ledger row
-- has no stream. Each row has the first event that names the missing page. value is the number of such events.
WITH strays AS (
    SELECT e.page_id, e.events, count(*) OVER () AS total
    FROM (SELECT e.page_id, count(*) AS events FROM events AS e GROUP BY e.page_id) AS e
    WHERE NOT EXISTS (SELECT FROM pages AS p WHERE p.id = e.page_id)
    ORDER BY e.page_id
    LIMIT 20
)
SELECT DISTINCT ON (s.page_id) s.page_id, e.id AS event, s.events::text AS value, s.total
FROM strays AS s
JOIN events AS e USING (page_id)
ORDER BY s.page_id, e.id;

-- name: InventoryAnnounced :many
-- Makes two checks if the stream's last pass is done. The pass must have received at least as many records as the API announced when the
-- pass began. In all its passes, the stream must have stored or parked at least as many records. The total that the API announced
-- later may be greater, because the API may have grown.
--
-- The number of parked records leaves out two kinds of dead letters: those whose event was stored later, and conflicts that were parked
-- in another pass than the one that stored the event. The latter are later versions of stored events.
--
-- If the user accepted the end of the pass, the stream passes both checks. The second check also passes in two more cases. An API that
-- returns a record twice has fewer records than it announces. So the check passes if the last pass found nothing new after an earlier
-- complete pass. If another stream shares the table, it may have stored the missing records. So the check passes then, too.
SELECT 0::bigint AS page_id, 0::bigint AS seq, c.pass, f.what::text AS what, f.value::text AS value,
       f.against::text AS against, f.found::text AS found, count(*) OVER () AS total
FROM checkpoints AS c
LEFT JOIN pages AS e ON e.stream = c.stream AND e.seq = c.seq AND e.kind = 'page'
CROSS JOIN LATERAL (
    SELECT coalesce(bool_or(p.pass < c.pass AND p.cursor_out = ''), false) AS complete_before,
           coalesce(sum(p.inserted + p.parked) FILTER (WHERE p.pass = c.pass), 0) AS found_by_last
    FROM pages AS p
    WHERE p.stream = c.stream AND p.kind = 'page'
) AS l
CROSS JOIN LATERAL (
    SELECT c.inserted + c.parked - count(*) AS records
    FROM dead_letters AS l
    LEFT JOIN pages AS lp ON lp.id = l.page_id
    LEFT JOIN events AS ev ON ev.id = l.event_id
    LEFT JOIN pages AS ep ON ep.id = ev.page_id
    WHERE l.stream = c.stream
      AND (l.resolution IN ('superseded', 'duplicate') OR (l.key LIKE '% with values %' AND lp.pass IS DISTINCT FROM ep.pass))
) AS h
CROSS JOIN LATERAL (
    VALUES
        (c.position < c.announced_first,
         'position of the pass that is done', c.position::text, 'records announced first', c.announced_first::text),
        (c.position >= c.announced_first AND h.records < c.announced_first
             AND NOT (l.complete_before AND l.found_by_last = 0)
             AND NOT EXISTS (SELECT FROM checkpoints AS o WHERE o.stream <> c.stream AND o.received > 0),
         h.records || ' of ' || c.announced_first || ' announced records are stored or parked: the API returned a '
             || 'record twice, or left one out; `pawl run --new-pass` finds out', '', '', '')
) AS f (differs, what, value, against, found)
WHERE c.stream = @stream AND c.done AND f.differs AND NOT coalesce(e.end_accepted, false);

-- name: InventoryHoldings :one
-- Returns totals of a stream. stored is the number of events that its ledger has as inserted. parked is the number of its dead letters
-- that are open or discarded. end_accepted reports whether the user accepted the end of the last pass. shared reports whether another
-- stream stores into the same table.
SELECT coalesce((SELECT sum(p.inserted) FROM pages AS p WHERE p.stream = @stream), 0)::bigint AS stored,
       (SELECT count(*) FROM dead_letters AS l
        WHERE l.stream = @stream AND (l.resolved_at IS NULL OR l.resolution = 'discarded'))::bigint AS parked,
       coalesce((SELECT p.end_accepted FROM pages AS p
                 WHERE p.stream = @stream AND p.kind IN ('page', 'reset') ORDER BY p.seq DESC, p.kind DESC LIMIT 1),
                false)::boolean AS end_accepted,
       EXISTS (SELECT FROM checkpoints AS o WHERE o.stream <> @stream AND o.received > 0)::boolean AS shared;
