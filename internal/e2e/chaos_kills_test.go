//go:build e2e

package e2e

import (
	"math/rand/v2"
	"time"
)

// The attacks of this file return whether they have hit, see attack.

// killFetching kills the run while the API has not answered its request.
func killFetching(rd *round, r *run, _ *rand.Rand) bool {
	return rd.waitUntilFetching(r, verySlowAnswer) && rd.kill(r, onePage) && rd.hasStoredAll()
}

// killBeforeCommit kills the run while a transaction has written a page's rows and is not committed.
func killBeforeCommit(rd *round, r *run, _ *rand.Rand) bool {
	unlock := rd.db.lockLedger(rd.databaseURL)
	defer unlock()
	// The transaction is still open after the kill, because the server waits for the lock that this function holds.
	return rd.waitUntil(r, "a transaction is open", rd.hasOpenTransaction) && rd.kill(r, onePage) && rd.hasOpenTransaction()
}

// killUnanswered kills the run after a page is committed and before pawl receives the answer to COMMIT.
func killUnanswered(rd *round, r *run, _ *rand.Rand) bool {
	seq, lost := rd.loseCommitAnswer(r)
	if !lost {
		return false
	}
	defer rd.dbProxy.removeFaults()
	return !r.hasLoggedPage(seq) && rd.kill(r, noPage) && !r.hasLoggedPage(seq)
}

// killAfterCommit kills the run after pawl has logged that a page is stored, and before it receives the next page.
func killAfterCommit(rd *round, r *run, _ *rand.Rand) bool {
	rd.mock.play(rd.usual.withLatency(slowAnswer)) // so that the next page does not arrive before the kill
	pagesBefore := r.logCount(logStored)
	hasLogged := rd.waitUntil(r, "pawl has logged a stored page", func() bool { return r.logCount(logStored) > pagesBefore })
	return hasLogged && rd.kill(r, onePage) && rd.hasStoredAll()
}

// killWaiting kills the run while it waits for the rate limit or before a retry. The API still has this limit, or still
// sends this fault, when the next run starts.
func killWaiting(rd *round, r *run, random *rand.Rand) bool {
	if random.IntN(2) == 0 { // in one case of two
		limited := rd.usual
		limited.RateLimit = 1 // one request in each window
		rd.rateLimits++
		rd.mock.play(limited)
	} else {
		rd.mock.play(rd.usual.withConstantFault(pick(random, "500", "503", "429", "reset", "null")))
	}
	const minWait = 100 * time.Millisecond // a shorter wait could be over before the kill
	maxUnstored := noPage
	isWaiting := rd.waitUntil(r, "pawl waits", func() bool {
		remaining, holdsPage := r.remainingWait()
		maxUnstored = noPage
		if holdsPage {
			maxUnstored = onePage
		}
		return remaining > minWait
	})
	if !isWaiting || !rd.kill(r, maxUnstored) {
		return false
	}
	remaining, _ := r.remainingWait()
	hasDiedDuringWait := remaining > 0
	return hasDiedDuringWait
}

// The values of maxUnstored.
const (
	noPage  = 0
	onePage = 1 // the run may be fetching or storing a page
)

// kill kills a run with SIGKILL. It returns false if the run had already ended. Then the next call of currentRun checks the exit
// code. maxUnstored is the number of pages that a run in this state may have received and not stored.
func (rd *round) kill(r *run, maxUnstored int) (hit bool) {
	rd.t.Helper()
	r.kill()
	if !r.wasKilled() {
		return false
	}
	r.allowUnstored(maxUnstored)
	rd.finishRun(r)
	return true
}

// hasStoredAll reports whether the last page that the API sent is also the last stored page. If runs fetch pages ahead, it always
// returns true, because such a run may have pages that wait to be stored.
func (rd *round) hasStoredAll() bool {
	return rd.fetchesAhead() || rd.mock.lastPageID() == rd.db.lastRequestID()
}

// Latencies of the API that give an attack enough time before the answer.
const (
	slowAnswer     = "500ms"
	verySlowAnswer = "1s"
)

// waitUntilFetching makes the API answer after latency. Then it waits until a request is in flight that arrived after this
// change, because an earlier request could be answered at any moment. It returns false if the run ends first.
func (rd *round) waitUntilFetching(r *run, latency string) bool {
	rd.t.Helper()
	return rd.waitUntilFetchingInScenario(r, rd.usual.withLatency(latency))
}

// waitUntilFetchingInScenario does what [round.waitUntilFetching] does, with a scenario that the caller has slowed down.
func (rd *round) waitUntilFetchingInScenario(r *run, slow scenario) bool {
	rd.t.Helper()
	rd.mock.play(slow)
	before := rd.mock.summary()
	earlierRequests := before.Requests + before.InFlight // Requests counts only finished requests
	return rd.waitUntil(r, "a request is in flight", func() bool {
		now := rd.mock.summary()
		hasFinishedEarlier := now.Requests >= earlierRequests
		return now.InFlight == 1 && hasFinishedEarlier
	})
}

// isRequestInFlight reports whether the API has received a request and has not answered it.
func (rd *round) isRequestInFlight() bool { return rd.mock.summary().InFlight == 1 }

// hasOpenTransaction reports whether one of pawl's transactions has written its rows and waits for the ledger's lock.
func (rd *round) hasOpenTransaction() bool { return rd.db.countOpenTransactions() == 1 }

// startSecondRun starts a second run while the first one holds the stream. The second must exit with exitFenced and must not
// disturb the first.
func startSecondRun(rd *round, r *run, _ *rand.Rand) bool {
	first := rd.lockHolder(r)
	if first == nil {
		return false
	}
	rd.mock.play(rd.usual.withLatency(slowAnswer)) // so that the stream does not end while the second run waits for it
	epoch := rd.db.epoch()
	second := rd.startRun()
	rd.expectExit(second, exitFenced)
	if now := rd.db.epoch(); now != epoch || second.hasClaimed() {
		rd.t.Errorf("the second run claimed the stream: epoch %d before and %d after, want no change", epoch, now)
	}
	return first.isRunning()
}

// maxSecondRuns is the maximum number of further runs that takeOverFromKilled starts.
const maxSecondRuns = 10

// takeOverFromKilled kills a run while a second run waits for the stream. The second run must take over. But pawl waits only one
// second for a runner that seems to be alive, and a busy server may notice the death of the first run later. Then the second
// run exits with exitFenced, and takeOverFromKilled starts another run in its place.
func takeOverFromKilled(rd *round, r *run, _ *rand.Rand) bool {
	first := rd.lockHolder(r)
	if first == nil {
		return false
	}
	rd.mock.play(rd.usual.withLatency(slowAnswer))
	second := rd.startRun()
	isWaiting := func() bool { return second.logCount(logRetry) > 0 }
	hit := rd.waitUntil(second, "the second run waits for the stream", isWaiting) && first.isRunning()
	first.kill()
	first.finished = true
	for range maxSecondRuns {
		if rd.waitUntil(second, "the second run claims the stream or ends", second.hasClaimed) {
			break
		}
		rd.expectExit(second, exitFenced)
		second = rd.startRun()
		hit = false // the new run did not wait for the first run
	}
	hasTakenOver := rd.expectTakeover(second, first)
	return hit && hasTakenOver
}

// takeOverAfterLostLock ends the first run's database sessions while it fetches, so that it loses its lock. Then it starts a
// second run. The second must take over, and the first must exit with exitFenced when it tries to write.
func takeOverAfterLostLock(rd *round, r *run, _ *rand.Rand) bool {
	if !rd.waitUntilFetching(r, verySlowAnswer) {
		return false
	}
	rd.db.terminatePawl()
	second := rd.startRun()
	if !rd.expectTakeover(second, r) {
		return false
	}
	rd.mock.play(rd.usual)
	rd.expectExit(r, exitFenced)
	return true
}

// lockHolder returns a run that holds the stream's advisory lock. This is r, unless r has lost its lock. Then lockHolder kills
// r and starts a new run. It returns nil if the stream is complete.
func (rd *round) lockHolder(r *run) *run {
	rd.t.Helper()
	if r.holdsLock {
		return r
	}
	rd.kill(r, onePage)
	return rd.currentRun() // starts a run, because r has ended
}

// expectTakeover waits until the second run has claimed the stream. It fails the test and returns false if the second run ends
// first. The first run may lose one page. Both runs may send requests at the same time, so the journal does not show which run
// requested the lost page. Therefore both runs share one counter unstored.
func (rd *round) expectTakeover(second, first *run) bool {
	rd.t.Helper()
	if !rd.waitUntil(second, "the second run claims the stream", second.hasClaimed) {
		rd.t.Errorf("the second run exited with %d, want it to take over: %s", second.cmd.ProcessState.ExitCode(), second.logTail())
		return false
	}
	second.unstored = first.unstored
	second.allowUnstored(1)
	rd.addRun(second)
	return true
}
