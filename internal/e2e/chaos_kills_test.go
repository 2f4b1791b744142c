//go:build e2e

package e2e

import (
	"math/rand/v2"
	"syscall"
	"time"
)

// kill ends a run as a crash would. inHand is how many pages it may have been handed and not stored in the state it is in.
func (rd *round) kill(r *run, unstored int) (hit bool) {
	rd.t.Helper()
	r.kill()
	if status, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		return false // it had ended before; whoever looks next sees how
	}
	*r.unstored += unstored
	rd.finishRun(r)
	return true
}

// storedAll reports whether the last page that was handed out is the last one stored.
func (rd *round) hasStoredAll() bool { return rd.mock.lastPageID() == rd.db.lastRequestID() }

// killFetching kills while a request is under way that is not answered any more.
func killFetching(rd *round, r *run, _ *rand.Rand) bool {
	return rd.waitFetching(r, "1s") && rd.kill(r, 1) && rd.hasStoredAll()
}

// killBeforeCommit kills while a page's rows are written and not committed.
func killBeforeCommit(rd *round, r *run, _ *rand.Rand) bool {
	unlock := rd.db.lockLedger(rd.databaseURL)
	defer unlock()
	return rd.waitUntil(r, "a transaction is open", rd.hasOpenTransaction) && rd.kill(r, 1) && rd.hasOpenTransaction() // the server waits for the lock that is held here
}

// killUnanswered kills while a page is committed and pawl has not been told.
func killUnanswered(rd *round, r *run, _ *rand.Rand) bool {
	seq, held := rd.loseCommitAnswer(r)
	if !held {
		return false
	}
	defer rd.dbProxy.reset()
	return !r.hasStored(seq) && rd.kill(r, 0) && !r.hasStored(seq)
}

// killAfterCommit kills when pawl knows that a page is committed, and before it is handed the next.
func killAfterCommit(rd *round, r *run, _ *rand.Rand) bool {
	rd.mock.play(rd.usual.withLatency("500ms"))
	before := r.logCount(logStored)
	return rd.waitUntil(r, "pawl knows of a COMMIT", func() bool { return r.logCount(logStored) > before }) && rd.kill(r, 1) && rd.hasStoredAll()
}

// killWaiting kills while pawl waits for the rate limit's window, or before it tries again. The window, or the outage, is
// still there when the next run begins.
func killWaiting(rd *round, r *run, random *rand.Rand) bool {
	if random.IntN(2) == 0 {
		limited := rd.usual
		limited.RateLimit = 1
		rd.rateLimits++
		rd.mock.play(limited)
	} else {
		rd.mock.play(rd.usual.withFaults(pick(random, "500:1", "503:1", "429:1", "reset:1", "null:1")))
	}
	const moment = 100 * time.Millisecond // enough for a kill
	var withPage bool
	if !rd.waitUntil(r, "pawl waits", func() bool {
		var left time.Duration
		left, withPage = r.remainingWait()
		return left > moment
	}) {
		return false
	}
	unstored := 0
	if withPage {
		unstored = 1
	}
	if !rd.kill(r, unstored) {
		return false
	}
	left, _ := r.remainingWait()
	return left > 0 // it was dead before the wait was over
}

// fetches has the API take its time from now on, and waits until a request is under way that takes it: not one that came
// before and is about to be answered.
func (rd *round) waitFetching(r *run, latency string) bool {
	rd.t.Helper()
	return rd.waitFetchingWith(r, rd.usual.withLatency(latency))
}

// fetchesIn is fetches with a scenario that takes its time.
func (rd *round) waitFetchingWith(r *run, slow scenario) bool {
	rd.t.Helper()
	rd.mock.play(slow)
	old := rd.mock.summary()
	return rd.waitUntil(r, "a request is under way", func() bool {
		now := rd.mock.summary()
		return now.InFlight == 1 && now.Requests >= old.Requests+old.InFlight
	})
}

// requested reports whether a request is under way.
func (rd *round) isRequestInFlight() bool { return rd.mock.summary().InFlight == 1 }

// written reports whether a transaction waits with its rows written.
func (rd *round) hasOpenTransaction() bool { return rd.db.countOpenTransactions() == 1 }

// rivalRefused starts a second run beside one that holds the stream: it ends 5, and the first does not notice.
func startSecondRun(rd *round, r *run, _ *rand.Rand) bool {
	if r = rd.lockHolder(r); r == nil {
		return false
	}
	rd.mock.play(rd.usual.withLatency("500ms")) // a rival is patient; the stream must not end meanwhile
	epoch := rd.db.epoch()
	second := rd.startRun()
	rd.expectExit(second, 5)
	if now := rd.db.epoch(); now != epoch || second.hasClaimed() {
		rd.t.Errorf("a second run that was refused moved the epoch from %d to %d", epoch, now)
	}
	return r.isRunning()
}

// mostRivals bounds how many runs are started to take over from one that is dead.
const maxSecondRuns = 10

// rivalInherits kills a run while a second one asks for the stream: the second takes over. It waits only a second for a run
// that looks alive, so on a busy machine it may end 5 before the server notices the death; then another one is started.
func takeOverFromDead(rd *round, r *run, _ *rand.Rand) bool {
	if r = rd.lockHolder(r); r == nil {
		return false
	}
	rd.mock.play(rd.usual.withLatency("500ms"))
	second := rd.startRun()
	hit := rd.waitUntil(second, "the second run waits for the stream", func() bool { return second.logCount(logRetry) > 0 }) && r.isRunning()
	r.kill()
	r.finished = true
	for range maxSecondRuns {
		if rd.waitUntil(second, "the second run claims the stream or ends", second.hasClaimed) {
			break
		}
		rd.expectExit(second, 5)
		second, hit = rd.startRun(), false
	}
	return rd.expectTakeover(second, r) && hit
}

// rivalFences starts a second run beside one that has lost its connections, and with them its lock, while it fetches: the
// second takes over, and the first finds that out when it comes to write.
func takeOverFromUnlocked(rd *round, r *run, _ *rand.Rand) bool {
	if !rd.waitFetching(r, "1s") {
		return false
	}
	rd.db.terminatePawl()
	second := rd.startRun()
	if !rd.expectTakeover(second, r) {
		return false
	}
	rd.mock.play(rd.usual)
	rd.expectExit(r, 5)
	return true
}

// lockHolder returns a run that holds the early lock: the one that works, or if it has lost its lock the next.
func (rd *round) lockHolder(r *run) *run {
	rd.t.Helper()
	if !r.locked {
		rd.kill(r, 1)
		r = rd.currentRun()
	}
	return r
}

// takesOver waits until a second run has the stream. The first may lose the page that it has in hand; for a while both ask,
// so that the loss may come before or after the second run's first request.
func (rd *round) expectTakeover(second, first *run) bool {
	rd.t.Helper()
	if !rd.waitUntil(second, "the second run claims the stream", second.hasClaimed) {
		rd.t.Errorf("the second run ends %d instead of taking over: %s", second.cmd.ProcessState.ExitCode(), second.tail())
		return false
	}
	second.unstored = first.unstored
	*second.unstored++
	rd.addRun(second)
	return true
}
