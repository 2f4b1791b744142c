//go:build e2e

package e2e

import (
	"math/rand/v2"
	"syscall"
	"time"
)

// kill kills a run with SIGKILL. unstored is the number of pages that the run may have received and not stored in its
// state. kill returns false if the run had already ended.
func (rd *round) kill(r *run, unstored int) (hit bool) {
	rd.t.Helper()
	r.kill()
	if status, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		return false // it had already ended; the next currentRun checks how
	}
	*r.unstored += unstored
	rd.finishRun(r)
	return true
}

// hasStoredAll reports whether the last page that the API sent is the last one stored.
func (rd *round) hasStoredAll() bool { return rd.mock.lastPageID() == rd.db.lastRequestID() }

// killFetching kills the run while a request is in flight, before its answer.
func killFetching(rd *round, r *run, _ *rand.Rand) bool {
	return rd.waitFetching(r, "1s") && rd.kill(r, 1) && rd.hasStoredAll()
}

// killBeforeCommit kills the run while a page's rows are written and not committed.
func killBeforeCommit(rd *round, r *run, _ *rand.Rand) bool {
	unlock := rd.db.lockLedger(rd.databaseURL)
	defer unlock()
	// After the kill the transaction is still open, since the server waits for the lock held here.
	return rd.waitUntil(r, "a transaction is open", rd.hasOpenTransaction) && rd.kill(r, 1) && rd.hasOpenTransaction()
}

// killUnanswered kills the run after a page is committed and before pawl knows.
func killUnanswered(rd *round, r *run, _ *rand.Rand) bool {
	seq, lost := rd.loseCommitAnswer(r)
	if !lost {
		return false
	}
	defer rd.dbProxy.reset()
	return !r.hasStored(seq) && rd.kill(r, 0) && !r.hasStored(seq)
}

// killAfterCommit kills the run after pawl knows that a page is committed, and before it receives the next one.
func killAfterCommit(rd *round, r *run, _ *rand.Rand) bool {
	rd.mock.play(rd.usual.withLatency("500ms"))
	before := r.logCount(logStored)
	return rd.waitUntil(r, "pawl knows of a COMMIT", func() bool { return r.logCount(logStored) > before }) && rd.kill(r, 1) && rd.hasStoredAll()
}

// killWaiting kills the run while it waits for the rate limit or before a retry. The limit, or the outage, still exists
// when the next run starts.
func killWaiting(rd *round, r *run, random *rand.Rand) bool {
	if random.IntN(2) == 0 {
		limited := rd.usual
		limited.RateLimit = 1
		rd.rateLimits++
		rd.mock.play(limited)
	} else {
		rd.mock.play(rd.usual.withFaults(pick(random, "500:1", "503:1", "429:1", "reset:1", "null:1")))
	}
	const timeToKill = 100 * time.Millisecond
	var withPage bool
	if !rd.waitUntil(r, "pawl waits", func() bool {
		var left time.Duration
		left, withPage = r.remainingWait()
		return left > timeToKill
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
	return left > 0 // the run was dead before its wait was over
}

// waitFetching slows the API's answers down and waits until a request is in flight that arrived after the change. An
// earlier request could be answered at any moment.
func (rd *round) waitFetching(r *run, latency string) bool {
	rd.t.Helper()
	return rd.waitFetchingWith(r, rd.usual.withLatency(latency))
}

// waitFetchingWith is [round.waitFetching] with another slow scenario.
func (rd *round) waitFetchingWith(r *run, slow scenario) bool {
	rd.t.Helper()
	rd.mock.play(slow)
	old := rd.mock.summary()
	return rd.waitUntil(r, "a request is in flight", func() bool {
		now := rd.mock.summary()
		return now.InFlight == 1 && now.Requests >= old.Requests+old.InFlight
	})
}

// isRequestInFlight reports whether the API has a request that it has not answered.
func (rd *round) isRequestInFlight() bool { return rd.mock.summary().InFlight == 1 }

// hasOpenTransaction reports whether a transaction has written its rows and waits.
func (rd *round) hasOpenTransaction() bool { return rd.db.countOpenTransactions() == 1 }

// startSecondRun starts a second run while the first one holds the stream: it must exit with 5 and not disturb the first.
func startSecondRun(rd *round, r *run, _ *rand.Rand) bool {
	if r = rd.lockHolder(r); r == nil {
		return false
	}
	rd.mock.play(rd.usual.withLatency("500ms")) // the second run waits a while; the stream must not end before
	epoch := rd.db.epoch()
	second := rd.startRun()
	rd.expectExit(second, 5)
	if now := rd.db.epoch(); now != epoch || second.hasClaimed() {
		rd.t.Errorf("the second run claimed the stream: epoch %d before and %d after, want no change", epoch, now)
	}
	return r.isRunning()
}

// maxSecondRuns is the number of runs that are started to take over from a killed one.
const maxSecondRuns = 10

// takeOverFromDead kills a run while a second one waits for the stream: the second must take over. It waits only a second
// for a runner that seems to be alive. So on a busy machine it may exit with 5 before the server notices the death; then
// another run is started.
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

// takeOverFromUnlocked starts a second run while the first one fetches and has lost its connections, and so its lock. The
// second must take over, and the first must exit with 5 when it tries to write.
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

// lockHolder returns a run that holds the advisory lock: r, or if r has lost its lock, the run after it.
func (rd *round) lockHolder(r *run) *run {
	rd.t.Helper()
	if !r.locked {
		rd.kill(r, 1)
		r = rd.currentRun()
	}
	return r
}

// expectTakeover waits until the second run has claimed the stream. The first one may lose one page. Both runs send requests
// for a while, so the lost request may come before or after the second run's first one; hence both share one count.
func (rd *round) expectTakeover(second, first *run) bool {
	rd.t.Helper()
	if !rd.waitUntil(second, "the second run claims the stream", second.hasClaimed) {
		rd.t.Errorf("the second run exits with %d and does not take over: %s", second.cmd.ProcessState.ExitCode(), second.tail())
		return false
	}
	second.unstored = first.unstored
	*second.unstored++
	rd.addRun(second)
	return true
}
