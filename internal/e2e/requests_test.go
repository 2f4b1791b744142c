//go:build e2e

package e2e

import (
	"fmt"
	"slices"
)

// What a request may have been for. Everything else is unexplained.
const (
	forPage    = "for a page stored"
	forReplay  = "for a page stored again by a later pass"
	forFault   = "struck by a fault"
	forUndone  = "for a page that a restored backup took away"
	forEnd     = "for an end that was asked for once more"
	forLimit   = "refused by the rate limit"
	forCursor  = "with a cursor that was given up"
	forNothing = "lost with a run or a connection"
)

// explainRequests gives every request its cause: by its id the page that is stored, by the journal what the API did to
// it, and else that its run was ended, or its connection, with that page in hand.
func (l *lap) explainRequests() {
	l.t.Helper()
	refused := 0
	stored := l.db.pagesByRequest()
	journal := l.mock.journal(0)
	if n := l.mock.summary().Dropped; n > 0 {
		l.t.Errorf("the journal has dropped %d requests", n)
	}
	for i, e := range journal {
		again, isStored := stored[e.RequestID]
		delete(stored, e.RequestID)
		switch {
		case isStored && !e.Sound:
			l.unexplained("a page is stored that was none: %+v", e)
		case isStored && again:
			l.tally.requests[forReplay]++
		case isStored:
			l.tally.requests[forPage]++
		case l.undone[e.RequestID] && !e.Sound:
			l.unexplained("a page was stored that was none, and taken away by a restored backup: %+v", e)
		case l.undone[e.RequestID]:
			l.tally.requests[forUndone]++
		case e.Fault != "":
			l.tally.requests[forFault]++
		case e.Last && i+1 < len(journal) && journal[i+1].Cursor == e.Cursor && l.runOf(e.Seq) == l.runOf(journal[i+1].Seq):
			l.tally.requests[forEnd]++ // a record that comes twice counts once: the store may have fewer than were announced
		case e.RateLimited:
			l.tally.requests[forLimit]++
			refused++
		case e.Status == 400:
			l.tally.requests[forCursor]++
		case l.lostInHand(e.Seq):
			l.tally.requests[forNothing]++
		default:
			r := l.runOf(e.Seq)
			l.unexplained("a page was asked for and not stored: %+v; its run suffered only %q and said: …%s", e, r.suffered, r.tail())
		}
		if e.Fault != "" {
			l.tally.faults[e.Fault]++
		}
	}
	// A run is told of a limit by its first answer, and of one that is set later by the next.
	if refused > len(l.runs)+l.limits {
		l.unexplained("%d requests were refused by the rate limit of %d runs", refused, len(l.runs))
	}
	for id := range stored {
		l.unexplained("page %q is stored, and was never handed out", id)
	}
	if n := l.mock.summary().Followed; n > 0 {
		l.t.Errorf("%d redirects were followed", n)
	}
	l.tally.asked += len(journal)
	l.tally.ideal += (lapEvents + lapPageSize - 1) / lapPageSize
}

// lostInHand takes one from the pages that the run of a request may have lost.
func (l *lap) lostInHand(seq int) bool {
	r := l.runOf(seq)
	*r.inHand--
	return *r.inHand >= 0
}

// runOf is the run that sent a request.
func (l *lap) runOf(seq int) *run {
	for _, r := range slices.Backward(l.runs) {
		if r.after < seq {
			return r
		}
	}
	return &run{inHand: new(int)}
}

func (l *lap) unexplained(format string, args ...any) {
	l.t.Helper()
	l.tally.unexplained++
	l.t.Errorf("unexplained: %s", fmt.Sprintf(format, args...))
}

// pagesByRequest says of every page stored, by the request that brought it, whether a pass before had come as far.
func (d *database) pagesByRequest() map[string]bool {
	d.t.Helper()
	rows, err := d.conn.Query(d.ctx, `SELECT request_id, EXISTS (SELECT FROM pages AS b WHERE b.pass < p.pass AND b.position >= p.position)
		FROM pages AS p WHERE p.kind = 'page'`)
	if err != nil {
		d.t.Fatal(err)
	}
	defer rows.Close()
	pages := map[string]bool{}
	for rows.Next() {
		var id string
		var again bool
		if err := rows.Scan(&id, &again); err != nil {
			d.t.Fatal(err)
		}
		pages[id] = again
	}
	if err := rows.Err(); err != nil {
		d.t.Fatal(err)
	}
	return pages
}
