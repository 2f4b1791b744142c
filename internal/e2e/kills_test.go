//go:build e2e

package e2e

import (
	"math/rand/v2"
	"syscall"
	"time"
)

// kill ends a run as a crash would. inHand is how many pages it may have been handed and not stored in the state it is in.
func (l *lap) kill(r *run, inHand int) (hit bool) {
	l.t.Helper()
	r.kill()
	if status, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		return false // it had ended before; whoever looks next sees how
	}
	*r.inHand += inHand
	l.gone(r)
	return true
}

// storedAll reports whether the last page that was handed out is the last one stored.
func (l *lap) storedAll() bool { return l.mock.lastPage() == l.db.lastRequestID() }

// killFetching kills while a request is under way that is not answered any more.
func killFetching(l *lap, r *run, _ *rand.Rand) bool {
	return l.fetches(r, "1s") && l.kill(r, 1) && l.storedAll()
}

// killBeforeCommit kills while a page's rows are written and not committed.
func killBeforeCommit(l *lap, r *run, _ *rand.Rand) bool {
	letGo := l.db.holdLedger(l.direct)
	defer letGo()
	return l.until(r, "a transaction is open", l.written) && l.kill(r, 1) && l.written() // the server waits for the lock that is held here
}

// killUnanswered kills while a page is committed and pawl has not been told.
func killUnanswered(l *lap, r *run, _ *rand.Rand) bool {
	seq, held := l.commitUnanswered(r)
	if !held {
		return false
	}
	defer l.pg.heal()
	return !r.stored(seq) && l.kill(r, 0) && !r.stored(seq)
}

// killAfterCommit kills when pawl knows that a page is committed, and before it is handed the next.
func killAfterCommit(l *lap, r *run, _ *rand.Rand) bool {
	l.mock.play(l.usual.withLatency("500ms"))
	before := r.said(saysStored)
	return l.until(r, "pawl knows of a COMMIT", func() bool { return r.said(saysStored) > before }) && l.kill(r, 1) && l.storedAll()
}

// killWaiting kills while pawl waits for the rate limit's window, or before it tries again. The window, or the outage, is
// still there when the next run begins.
func killWaiting(l *lap, r *run, dice *rand.Rand) bool {
	if dice.IntN(2) == 0 {
		limited := l.usual
		limited.RateLimit = 1
		l.limits++
		l.mock.play(limited)
	} else {
		l.mock.play(l.usual.withFaults(pick(dice, "500:1", "503:1", "429:1", "reset:1", "null:1")))
	}
	const moment = 100 * time.Millisecond // enough for a kill
	var withPage bool
	if !l.until(r, "pawl waits", func() bool {
		var left time.Duration
		left, withPage = r.waits()
		return left > moment
	}) {
		return false
	}
	inHand := 0
	if withPage {
		inHand = 1
	}
	if !l.kill(r, inHand) {
		return false
	}
	left, _ := r.waits()
	return left > 0 // it was dead before the wait was over
}

// fetches has the API take its time from now on, and waits until a request is under way that takes it: not one that came
// before and is about to be answered.
func (l *lap) fetches(r *run, latency string) bool {
	l.t.Helper()
	return l.fetchesIn(r, l.usual.withLatency(latency))
}

// fetchesIn is fetches with a scenario that takes its time.
func (l *lap) fetchesIn(r *run, slow scenario) bool {
	l.t.Helper()
	l.mock.play(slow)
	old := l.mock.summary()
	return l.until(r, "a request is under way", func() bool {
		now := l.mock.summary()
		return now.InFlight == 1 && now.Requests >= old.Requests+old.InFlight
	})
}

// requested reports whether a request is under way.
func (l *lap) requested() bool { return l.mock.summary().InFlight == 1 }

// written reports whether a transaction waits with its rows written.
func (l *lap) written() bool { return l.db.openTransactions() == 1 }
