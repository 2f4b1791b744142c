//go:build e2e

package e2e

import (
	"math/rand/v2"
	"syscall"
)

// A saved is where the stream stands in a backup.
type backupPosition struct{ epoch, seq int }

// restoreAfterClaim restores what the run itself had stored a few pages ago.
func restoreAfterClaim(rd *round, r *run, random *rand.Rand) bool {
	s := rd.backUp(r)
	return rd.waitForPages(r, 1+random.IntN(3)) && rd.restoreFetching(r, s)
}

// restoreBeforeClaim restores what another run had stored before this one claimed the stream.
func restoreBeforeClaim(rd *round, r *run, random *rand.Rand) bool {
	s, r := rd.backUpAndReplaceRun(r)
	return r != nil && rd.waitForPages(r, 1+random.IntN(2)) && rd.restoreFetching(r, s)
}

// restoreFetching restores a backup under a run that fetches.
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

// restoreUnanswered restores a backup under a run that does not know yet whether its page is committed. If the page is the
// first one behind the backup, its COMMIT has just not happened, and the run commits it again.
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

// restoreUnderFrozen restores a backup under a run that is frozen while it fetches. Another runner comes to the same epoch
// and seq, by pages of another size, before the first goes on.
func restoreUnderFrozen(rd *round, r *run, random *rand.Rand) bool {
	s, r := rd.backUpAndReplaceRun(r)
	if r == nil || !rd.waitForPages(r, 1+random.IntN(2)) || !rd.waitFetchingWith(r, rd.scenarioWithoutFaults().withLatency("1s")) {
		return false
	}
	seq := rd.db.seq()
	r.signal(syscall.SIGSTOP)
	if !rd.isRequestInFlight() || rd.db.seq() != seq { // the answer was faster
		r.signal(syscall.SIGCONT)
		return false
	}
	return rd.replaceFrozen(r, s, seq)
}

// restoreInDoubt is restoreUnderFrozen for a run that does not know yet whether its page is committed.
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

// replaceFrozen restores a backup under a run that is stopped, lets another runner store pages until the seq that the first
// had reached, and kills it. The first goes on then, and must write nothing.
func (rd *round) replaceFrozen(r *run, s backupPosition, seq int) bool {
	rd.t.Helper()
	*r.unstored += 2 // its request may time out while it is stopped, and it asks once more
	rd.restore(s)
	rd.mock.play(rd.scenarioWithoutFaults().withLatency("300ms"))
	second := rd.startRunWithPageSize(secondPageSize)
	if !rd.expectTakeover(second, r) {
		r.signal(syscall.SIGCONT)
		return false
	}
	rd.waitUntil(second, "the other runner has stored as many pages", func() bool { return rd.db.seq() >= seq })
	hit := rd.kill(second, 1) && rd.db.seq() == seq
	rd.mock.play(rd.usual)
	r.signal(syscall.SIGCONT)
	rd.expectExit(r, 5)
	return hit
}

// rivalPageSize differs from lapPageSize, so that the same seq is another place.
const secondPageSize = 40

// backUp backs up the database while a run works. The run loses its connections by that and goes on, slowly at first, as it
// should not read the stream to its end meanwhile.
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

// backUpAndSucceed kills the run, backs up the database and starts a new run, whose claim the backup does not have. It
// returns nil if the stream is complete, or has too few pages left for another runner.
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

// restore replaces the database by its backup. It notes what that takes away, and has the follower begin anew.
func (rd *round) restore(s backupPosition) {
	rd.t.Helper()
	rd.dbProxy.reset()
	rd.dbProxy.stop()
	rd.db.terminatePawl() // nobody commits any more
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

// reconnectAll replaces the harness's own connections.
func (rd *round) reconnectAll() {
	rd.t.Helper()
	rd.db, rd.barrier.db, rd.barrier.holder = rd.reconnect(), rd.reconnect(), rd.reconnect()
	rd.db.loadTruth(rd.mock)
}

// endsSetBack waits for a run to notice that the database was set back.
func (rd *round) expectSetBack(r *run) {
	rd.t.Helper()
	rd.expectExit(r, 3)
	if r.stderr.count("set back") == 0 {
		rd.t.Errorf("it does not say that the database was set back: %s", r.tail())
	}
}

// quiet is the usual scenario without faults.
func (rd *round) scenarioWithoutFaults() scenario {
	s := rd.usual
	s.Faults = []string{}
	return s
}
