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

// rivalRefused starts a second run beside one that holds the stream: it ends 5, and the first does not notice.
func rivalRefused(l *lap, r *run, _ *rand.Rand) bool {
	if r = l.lockHolder(r); r == nil {
		return false
	}
	l.mock.play(l.usual.withLatency("500ms")) // a rival is patient; the stream must not end meanwhile
	epoch := l.db.epoch()
	rival := l.launch()
	l.ends(rival, 5)
	if now := l.db.epoch(); now != epoch || rival.claimed() {
		l.t.Errorf("a second run that was refused moved the epoch from %d to %d", epoch, now)
	}
	return r.running()
}

// mostRivals bounds how many runs are started to take over from one that is dead.
const mostRivals = 10

// rivalInherits kills a run while a second one asks for the stream: the second takes over. It waits only a second for a run
// that looks alive, so on a busy machine it may end 5 before the server notices the death; then another one is started.
func rivalInherits(l *lap, r *run, _ *rand.Rand) bool {
	if r = l.lockHolder(r); r == nil {
		return false
	}
	l.mock.play(l.usual.withLatency("500ms"))
	rival := l.launch()
	hit := l.until(rival, "the second run waits for the stream", func() bool { return rival.said(saysRetry) > 0 }) && r.running()
	r.kill()
	r.over = true
	for range mostRivals {
		if l.until(rival, "the second run claims the stream or ends", rival.claimed) {
			break
		}
		l.ends(rival, 5)
		rival, hit = l.launch(), false
	}
	return l.takesOver(rival, r) && hit
}

// rivalFences starts a second run beside one that has lost its connections, and with them its lock, while it fetches: the
// second takes over, and the first finds that out when it comes to write.
func rivalFences(l *lap, r *run, _ *rand.Rand) bool {
	if !l.fetches(r, "1s") {
		return false
	}
	l.db.terminatePawl()
	rival := l.launch()
	if !l.takesOver(rival, r) {
		return false
	}
	l.mock.play(l.usual)
	l.ends(r, 5)
	return true
}

// lockHolder returns a run that holds the early lock: the one that works, or if it has lost its lock the next.
func (l *lap) lockHolder(r *run) *run {
	l.t.Helper()
	if !r.locked {
		l.kill(r, 1)
		r = l.runner()
	}
	return r
}

// takesOver waits until a second run has the stream. The first may lose the page that it has in hand; for a while both ask,
// so that the loss may come before or after the second run's first request.
func (l *lap) takesOver(rival, first *run) bool {
	l.t.Helper()
	if !l.until(rival, "the second run claims the stream", rival.claimed) {
		l.t.Errorf("the second run ends %d instead of taking over: %s", rival.cmd.ProcessState.ExitCode(), rival.tail())
		return false
	}
	rival.inHand = first.inHand
	*rival.inHand++
	l.take(rival)
	return true
}
