//go:build e2e

package e2e

import "math/rand/v2"

// beforeGate brings a run to where it has sent a COMMIT that the server has not carried out. seq is that of the page.
func (l *lap) beforeGate(r *run) (seq int, waiting bool) {
	l.t.Helper()
	l.gate.shut()
	waiting = l.until(r, "a COMMIT waits", l.gate.waiting)
	return l.db.seq() + 1, waiting
}

// commitUnanswered brings a run to where its page is committed and the answer is lost. heal must follow.
func (l *lap) commitUnanswered(r *run) (seq int, held bool) {
	l.t.Helper()
	seq, waiting := l.beforeGate(r)
	if waiting {
		l.pg.swallowAnswers()
	}
	l.gate.open()
	if !waiting {
		return seq, false
	}
	eventually(l.t, "the page is committed", func() bool { return l.db.seq() >= seq })
	return seq, true
}

// cutUnanswered ends the connection on which a COMMIT was carried out and not answered: pawl must find that out.
func cutUnanswered(l *lap, r *run, _ *rand.Rand) bool {
	seq, held := l.commitUnanswered(r)
	if !held {
		return false
	}
	hit := !r.stored(seq)
	r.locked = false
	l.pg.heal()
	return l.until(r, "pawl knows of the COMMIT", func() bool { return r.stored(seq) }) && hit && l.goesOn(r, seq)
}

// cutUndecided ends the connection of a COMMIT that the server carries out after pawl has come back to ask.
func cutUndecided(l *lap, r *run, _ *rand.Rand) bool {
	seq, waiting := l.beforeGate(r)
	asked := false
	if waiting {
		r.locked = false
		l.pg.leave()
		tried := r.said(saysRetry)
		// pgx asks the server to cancel what it has left behind; after the first vain try that has failed too.
		l.until(r, "pawl has tried to come back", func() bool { return r.said(saysRetry) > tried+1 })
		l.pg.comeBack()
		asked = l.until(r, "pawl asks what became of the COMMIT", l.gate.doubted) && l.db.seq() == seq-1
	}
	l.gate.open()
	return asked && l.until(r, "pawl knows of the COMMIT", func() bool { return r.stored(seq) }) && l.goesOn(r, seq)
}

// terminateInCommit ends the server side within COMMIT, which then did not happen: pawl must commit the page again.
func terminateInCommit(l *lap, r *run, _ *rand.Rand) bool {
	seq, waiting := l.beforeGate(r)
	if waiting {
		r.locked = false
		l.db.terminatePawl()
	}
	undone := l.db.seq() == seq-1
	l.gate.open()
	return waiting && undone && l.goesOn(r, seq-1)
}

// goesOn waits until a run has stored a page behind one.
func (l *lap) goesOn(r *run, seq int) bool {
	l.t.Helper()
	return l.until(r, "pawl goes on", func() bool { return l.db.seq() > seq })
}
