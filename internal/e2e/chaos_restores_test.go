//go:build e2e

package e2e

import (
	"math/rand/v2"
	"syscall"
)

// A backupPosition is the stream's epoch and seq in a backup. A restored backup removes the pages that were committed after
// it. The run that had committed them must notice: it exits with 3, or with 5 if another run has claimed the stream since.
// The next run continues from the backup.
type backupPosition struct{ epoch, seq int }

// restoreAfterClaim restores a backup from after the run's claim, a few pages back. The run must notice and exit with 3.
func restoreAfterClaim(rd *round, r *run, random *rand.Rand) bool {
	s := rd.backUp(r)
	return rd.waitForPages(r, 1+random.IntN(3)) && rd.restoreFetching(r, s)
}

// restoreBeforeClaim restores a backup from before the run's claim, with the pages of another run. The run must notice and
// exit with 3.
func restoreBeforeClaim(rd *round, r *run, random *rand.Rand) bool {
	s, r := rd.backUpAndReplaceRun(r)
	return r != nil && rd.waitForPages(r, 1+random.IntN(2)) && rd.restoreFetching(r, s)
}

// restoreFetching restores a backup while the run fetches.
func (rd *round) restoreFetching(r *run, s backupPosition) bool {
	rd.t.Helper()
	if !rd.waitFetching(r, "1s") {
		return false
	}
	*r.unstored++
	rd.restore(s)
	rd.mock.play(rd.usual)
	rd.expectSetBack(r)
	return true
}

// restoreUnanswered restores a backup while the run does not know whether its page is committed. If the page is the first
// one after the backup, the run finds that its COMMIT did not happen, and commits the page again.
func restoreUnanswered(rd *round, r *run, _ *rand.Rand) bool {
	s := rd.backUp(r)
	seq, lost := rd.loseCommitAnswer(r)
	if !lost {
		return false
	}
	hit := !r.hasStored(seq)
	rd.restore(s)
	if s.seq == seq-1 {
		return rd.waitForPageAfter(r, s.seq) && hit
	}
	rd.expectSetBack(r)
	return hit
}

// restoreUnderFrozen restores a backup while the run is stopped with SIGSTOP. Another run, with another page size, reaches
// the same epoch and seq before the first one continues.
func restoreUnderFrozen(rd *round, r *run, random *rand.Rand) bool {
	s, r := rd.backUpAndReplaceRun(r)
	if r == nil || !rd.waitForPages(r, 1+random.IntN(2)) || !rd.waitFetchingWith(r, rd.scenarioWithoutFaults().withLatency("1s")) {
		return false
	}
	seq := rd.db.seq()
	r.signal(syscall.SIGSTOP)
	if !rd.isRequestInFlight() || rd.db.seq() != seq { // the answer arrived before the stop
		r.signal(syscall.SIGCONT)
		return false
	}
	return rd.replaceFrozen(r, s, seq)
}

// restoreInDoubt is [restoreUnderFrozen] for a run that does not know whether its page is committed.
func restoreInDoubt(rd *round, r *run, _ *rand.Rand) bool {
	s, r := rd.backUpAndReplaceRun(r)
	if r == nil {
		return false
	}
	rd.mock.play(rd.scenarioWithoutFaults())
	seq, lost := rd.loseCommitAnswer(r)
	if !lost {
		return false
	}
	r.signal(syscall.SIGSTOP)
	hit := !r.hasStored(seq)
	return rd.replaceFrozen(r, s, seq) && hit
}

// replaceFrozen restores a backup while the run r is stopped. It lets another run store pages up to the seq that r had
// reached, and kills that run. Then r continues; it must write nothing and exit with 5.
func (rd *round) replaceFrozen(r *run, s backupPosition, seq int) bool {
	rd.t.Helper()
	*r.unstored += 2 // its request may time out while it is stopped, and it sends another one
	rd.restore(s)
	rd.mock.play(rd.scenarioWithoutFaults().withLatency("300ms"))
	second := rd.startRunWithPageSize(secondPageSize)
	if !rd.expectTakeover(second, r) {
		r.signal(syscall.SIGCONT)
		return false
	}
	rd.waitUntil(second, "the second run has stored as many pages", func() bool { return rd.db.seq() >= seq })
	hit := rd.kill(second, 1) && rd.db.seq() == seq
	rd.mock.play(rd.usual)
	r.signal(syscall.SIGCONT)
	rd.expectExit(r, 5)
	return hit
}

// secondPageSize differs from roundPageSize, so that the same seq is another offset.
const secondPageSize = 40

// backUp backs up the database while the run works. The run loses its connections and goes on. The API answers slowly
// meanwhile, so that the run does not reach the end of the stream.
func (rd *round) backUp(r *run) backupPosition {
	rd.t.Helper()
	r.locked = false
	rd.mock.play(rd.usual.withLatency("1s"))
	rd.backup.take()
	epoch, seq := rd.backup.stream()
	rd.reconnectAll()
	rd.mock.play(rd.usual)
	return backupPosition{epoch, seq}
}

// backUpAndReplaceRun kills the run, backs up the database and starts a new run, whose claim is not in the backup. It
// returns nil if the stream is complete or has too few pages left for another run.
func (rd *round) backUpAndReplaceRun(r *run) (backupPosition, *run) {
	rd.t.Helper()
	const ahead = 10 * roundPageSize
	if rd.db.position()+ahead > roundEvents {
		return backupPosition{}, nil
	}
	rd.kill(r, 1)
	s := rd.backUp(r)
	return s, rd.currentRun()
}

// restore replaces the database with its backup. It records which pages this removes, and starts a new follower.
func (rd *round) restore(s backupPosition) {
	rd.t.Helper()
	rd.dbProxy.reset()
	rd.dbProxy.stop()
	rd.db.terminatePawl() // so that nothing more is committed
	for id := range rd.db.pagesByRequest() {
		rd.undone[id] = true
	}
	rd.follower.finish(rd.db)
	rd.backup.restore()
	rd.dbProxy.restart()
	rd.reconnectAll()
	for id := range rd.db.pagesByRequest() {
		delete(rd.undone, id)
	}
	rd.claims = s.epoch
	rd.follower = follow(rd.t, rd.databaseURL)
	rd.report.restored++
}

// reconnectAll replaces the round's own connections to the database.
func (rd *round) reconnectAll() {
	rd.t.Helper()
	rd.db, rd.barrier.db, rd.barrier.holder = rd.reconnect(), rd.reconnect(), rd.reconnect()
	rd.db.loadTruth(rd.mock)
}

// expectSetBack waits until the run exits with 3 because the database was set back.
func (rd *round) expectSetBack(r *run) {
	rd.t.Helper()
	rd.expectExit(r, 3)
	if r.stderr.count("set back") == 0 {
		rd.t.Errorf("the run does not report that the database was set back: %s", r.tail())
	}
}

// scenarioWithoutFaults returns the usual scenario without its faults.
func (rd *round) scenarioWithoutFaults() scenario {
	s := rd.usual
	s.Faults = []string{}
	return s
}
