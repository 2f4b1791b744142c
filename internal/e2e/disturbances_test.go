//go:build e2e

package e2e

import "math/rand/v2"

// Disturbances that a run gets over by itself: it ends neither here nor later because of them.

// terminateFetching ends the server side of every connection while nothing is asked of it.
func terminateFetching(l *lap, r *run, _ *rand.Rand) bool {
	return l.disturbFetching(r, l.db.terminatePawl)
}

// terminateBeforeCommit ends the server side of a transaction that has written its rows.
func terminateBeforeCommit(l *lap, r *run, _ *rand.Rand) bool {
	return l.disturbBeforeCommit(r, l.db.terminatePawl)
}

// cutFetching ends the connections to the database while nothing is asked of it.
func cutFetching(l *lap, r *run, _ *rand.Rand) bool { return l.disturbFetching(r, l.pg.cut) }

// cutBeforeCommit ends the connection of a transaction that has written its rows.
func cutBeforeCommit(l *lap, r *run, _ *rand.Rand) bool { return l.disturbBeforeCommit(r, l.pg.cut) }

func (l *lap) disturbFetching(r *run, disturb func()) bool {
	l.t.Helper()
	if !l.fetches(r, "500ms") {
		return false
	}
	seq := l.db.seq() // now, as the page before must not count as going on
	r.locked = false
	disturb()
	hit := l.requested() && l.db.seq() == seq
	return l.goesOn(r, seq) && hit
}

func (l *lap) disturbBeforeCommit(r *run, disturb func()) bool {
	l.t.Helper()
	letGo := l.db.holdLedger(l.direct)
	written := l.until(r, "a transaction is open", l.written)
	seq := l.db.seq()
	if written {
		r.locked = false
		disturb()
	}
	letGo()
	return written && l.goesOn(r, seq)
}

// cutAPI ends the connection to the API while it is about to answer. Pawl gets no page then without trying again.
func cutAPI(l *lap, r *run, _ *rand.Rand) bool {
	if !l.fetches(r, "1s") {
		return false
	}
	seq, tried := l.db.seq(), r.said(saysRetry)
	*r.inHand++
	l.api.cut()
	l.mock.play(l.usual)
	return l.goesOn(r, seq) && r.said(saysRetry) > tried
}

// cutAnswers ends the connection to the API within each answer, until pawl has tried again at least once.
func cutAnswers(l *lap, r *run, dice *rand.Rand) bool {
	const mostOfAPage = 15_000 // bytes; a page has some 17,000
	seq, tried := l.db.seq(), r.said(saysRetry)
	l.api.limitAnswers(dice.IntN(mostOfAPage))
	hit := l.until(r, "pawl tries again", func() bool { return r.said(saysRetry) > tried })
	l.api.heal()
	hit = l.goesOn(r, seq+1) && hit // the page under way was perhaps whole already
	*r.inHand += r.said(saysRetry) - tried
	return hit
}
