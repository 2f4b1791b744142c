//go:build e2e

package e2e

// addsUp checks I5 over the whole database: checkpoint, ledger and rows tell the same story.
func (d *database) addsUp() {
	d.t.Helper()
	if wrong := d.count(`SELECT count(*) FROM checkpoints AS c
		CROSS JOIN LATERAL (SELECT coalesce(sum(p.received), 0) AS received, coalesce(sum(p.inserted), 0) AS inserted,
			coalesce(sum(p.duplicate), 0) AS duplicate, coalesce(sum(p.parked), 0) AS parked, count(*) AS seq
			FROM pages AS p WHERE p.stream = c.stream AND p.kind = 'page') AS l
		WHERE (c.received, c.inserted, c.duplicate, c.parked, c.seq)
		IS DISTINCT FROM (l.received, l.inserted, l.duplicate, l.parked, l.seq)`); wrong > 0 {
		d.t.Error("the checkpoint is not the sum of the ledger")
	}
	if wrong := d.count(`SELECT count(*) FROM pages AS p WHERE p.inserted <>
		(SELECT count(*) FROM events AS e WHERE e.page_id = p.id)`); wrong > 0 {
		d.t.Errorf("%d pages did not bring the events they say", wrong)
	}
	if wrong := d.count(`SELECT count(*) FROM (SELECT cursor_in, lag(cursor_out) OVER (ORDER BY seq) AS before, pass,
		lag(pass) OVER (ORDER BY seq) AS pass_before FROM pages WHERE kind = 'page') AS chain WHERE pass = pass_before AND cursor_in <> before`); wrong > 0 {
		d.t.Errorf("the chain of cursors is broken at %d pages", wrong)
	}
	if wrong := d.count(`SELECT count(*) FROM pages AS p WHERE p.kind = 'page' AND p.parked <>
		(SELECT count(*) FROM dead_letters AS l WHERE l.page_id = p.id AND l.stream = p.stream)`); wrong > 0 {
		d.t.Errorf("%d pages did not add the dead letters they say", wrong)
	}
}

// walks checks every page against the truth that layDownTruth has laid down: a pass goes from the head without a gap, and
// a page inserts, and parks, what no pass before had reached, to the row. The rest of it are duplicates.
func (d *database) walks() {
	d.t.Helper()
	if wrong := d.count(`SELECT count(*) FROM (
			SELECT *, position - received AS start,
				coalesce(lag(position) OVER (PARTITION BY pass ORDER BY seq), 0) AS before,
				coalesce(max(position) OVER (ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS furthest
			FROM pages WHERE kind = 'page') AS p
		WHERE start <> before OR (before = 0 AND cursor_in <> '') OR inserted <> (SELECT count(*) FROM truth AS t
			WHERE t.outcome IN ('stored', 'drifted') AND t.index >= greatest(start, furthest) AND t.index < position)
		OR parked <> (SELECT count(DISTINCT t.sha256) FROM truth AS t
			WHERE t.outcome IN ('parked', 'mended') AND t.index >= greatest(start, furthest) AND t.index < position AND NOT EXISTS
				(SELECT FROM truth AS b WHERE b.sha256 = t.sha256 AND b.index < greatest(start, furthest)))`); wrong > 0 {
		d.t.Errorf("%d pages leave a gap, or did not insert what was new in them", wrong)
	}
}
