//go:build e2e

package e2e

import (
	"math/rand/v2"
	"syscall"
)

// A backupCheckpoint is the stream's epoch and seq in a backup. A restore removes the pages that were committed after the
// backup. The run that had committed these pages must notice the restore. It exits with exitRetryLater, or with exitFenced if
// another run has claimed the stream meanwhile. The next run continues from the backup.
type backupCheckpoint struct{ epoch, seq int }

// restoreAfterClaim restores a backup that was taken after the run's claim and a few pages before the restore. The run must
// notice and exit with exitRetryLater.
func restoreAfterClaim(rd *round, r *run, random *rand.Rand) bool {
	backup := rd.backUp(r)
	return rd.waitForPages(r, 1+random.IntN(3)) && rd.restoreFetching(r, backup)
}

// restoreBeforeClaim restores a backup that was taken before the run's claim and contains only pages of earlier runs. The run
// must notice and exit with exitRetryLater.
func restoreBeforeClaim(rd *round, r *run, random *rand.Rand) bool {
	backup, r := rd.backUpAndReplaceRun(r)
	return r != nil && rd.waitForPages(r, 1+random.IntN(2)) && rd.restoreFetching(r, backup)
}

// restoreFetching restores a backup while the run fetches. It returns false if the run ends before the restore.
func (rd *round) restoreFetching(r *run, backup backupCheckpoint) bool {
	rd.t.Helper()
	if !rd.waitUntilFetching(r, verySlowAnswer) {
		return false
	}
	r.allowUnstored(1)
	rd.restore(backup)
	rd.mock.play(rd.usual)
	rd.expectSetBack(r)
	return true
}

// restoreUnanswered restores a backup while the run does not know whether its page is committed. If this page is the first
// page after the backup, the database looks as if the COMMIT had failed, and the run commits the page again. If it is a later
// page, the run must notice that the database was set back.
func restoreUnanswered(rd *round, r *run, _ *rand.Rand) bool {
	backup := rd.backUp(r)
	seq, lost := rd.loseCommitAnswer(r)
	if !lost {
		return false
	}
	wasUnanswered := !r.hasStored(seq)
	rd.restore(backup)
	isFirstAfterBackup := backup.seq == seq-1
	if isFirstAfterBackup {
		hasGoneOn := rd.waitForPageAfter(r, backup.seq)
		return wasUnanswered && hasGoneOn
	}
	rd.expectSetBack(r)
	return wasUnanswered
}

// restoreWhileFrozen restores a backup while the run is stopped with SIGSTOP. Another run, with another page size, reaches
// the same epoch and seq before the first run continues.
func restoreWhileFrozen(rd *round, r *run, random *rand.Rand) bool {
	backup, r := rd.backUpAndReplaceRun(r)
	if r == nil || !rd.waitForPages(r, 1+random.IntN(2)) {
		return false
	}
	if !rd.waitUntilFetchingInScenario(r, rd.scenarioWithoutFaults().withLatency(verySlowAnswer)) {
		return false
	}
	seq := rd.db.seq()
	r.signal(syscall.SIGSTOP)
	isStillFetching := rd.isRequestInFlight() && rd.db.seq() == seq
	if !isStillFetching { // the answer arrived before the stop
		r.signal(syscall.SIGCONT)
		return false
	}
	return rd.replaceFrozen(r, backup, seq)
}

// restoreWhileFrozenUnanswered does what [restoreWhileFrozen] does, but stops the run while it does not know whether its page
// is committed.
func restoreWhileFrozenUnanswered(rd *round, r *run, _ *rand.Rand) bool {
	backup, r := rd.backUpAndReplaceRun(r)
	if r == nil {
		return false
	}
	rd.mock.play(rd.scenarioWithoutFaults())
	seq, lost := rd.loseCommitAnswer(r)
	if !lost {
		return false
	}
	r.signal(syscall.SIGSTOP)
	wasUnanswered := !r.hasStored(seq)
	isReplaced := rd.replaceFrozen(r, backup, rd.db.seq()) // the COMMIT may have stored several pages
	return wasUnanswered && isReplaced
}

// replaceFrozen restores a backup while the run frozen is stopped. It lets another run store pages up to seq, which frozen had
// reached, and kills that run. Then frozen continues. It must write nothing and exit with exitFenced.
func (rd *round) replaceFrozen(frozen *run, backup backupCheckpoint, seq int) bool {
	rd.t.Helper()
	frozen.allowUnstored(2) // the request in flight may time out during the stop, and then the run sends another request
	rd.restore(backup)
	rd.mock.play(rd.scenarioWithoutFaults().withLatency("300ms"))
	second := rd.startRunWithPageSize(otherPageSize)
	if !rd.expectTakeover(second, frozen) {
		frozen.signal(syscall.SIGCONT)
		return false
	}
	rd.waitUntil(second, "the second run has reached the same seq", func() bool { return rd.db.seq() >= seq })
	hit := rd.kill(second, onePage) && rd.db.seq() == seq
	rd.mock.play(rd.usual)
	frozen.signal(syscall.SIGCONT)
	rd.expectExit(frozen, exitFenced)
	return hit
}

// otherPageSize differs from roundPageSize. So two runs that have stored the same number of pages are at different offsets.
const otherPageSize = 40

// backUp backs up the database while the run works, and returns the backup's checkpoint. The run loses its connections and goes
// on. Meanwhile the API answers slowly, so that the run does not reach the end of the stream.
func (rd *round) backUp(r *run) backupCheckpoint {
	rd.t.Helper()
	r.holdsLock = false
	rd.mock.play(rd.usual.withLatency(verySlowAnswer))
	rd.backup.take()
	checkpoint := rd.backup.checkpoint()
	rd.reconnectAll()
	rd.mock.play(rd.usual)
	return checkpoint
}

// backUpAndReplaceRun kills the run r, backs up the database and starts a new run, whose claim is not in the backup. newRun is
// nil if the stream is complete or too few pages are left for another run.
func (rd *round) backUpAndReplaceRun(r *run) (backup backupCheckpoint, newRun *run) {
	rd.t.Helper()
	const minRemaining = 10 * roundPageSize
	if rd.db.offset()+minRemaining > roundEvents {
		return backupCheckpoint{}, nil
	}
	rd.kill(r, onePage)
	backup = rd.backUp(r)
	return backup, rd.currentRun()
}

// restore replaces the database by its backup, and records in removedPages which pages are missing afterwards. From then on, the
// judge expects that the epochs continue from the backup's epoch. restore also starts a new follower.
func (rd *round) restore(backup backupCheckpoint) {
	rd.t.Helper()
	rd.dbProxy.removeFaults()
	rd.dbProxy.stop()
	rd.db.terminatePawl() // so that pawl commits no more pages before the restore
	for id := range rd.db.pagesByRequest() {
		rd.removedPages[id] = true
	}
	rd.follower.finish(rd.db)
	rd.backup.restore()
	rd.dbProxy.restart()
	rd.reconnectAll()
	for id := range rd.db.pagesByRequest() {
		delete(rd.removedPages, id)
	}
	rd.wantEpoch = backup.epoch
	rd.follower = follow(rd.t, rd.databaseURL)
	rd.report.restored++
}

// reconnectAll replaces the round's own connections to the database, and loads the truth again, because the temporary table of
// the truth was lost with its connection.
func (rd *round) reconnectAll() {
	rd.t.Helper()
	rd.db, rd.barrier.db, rd.barrier.holder = rd.reconnect(), rd.reconnect(), rd.reconnect()
	rd.db.loadTruth(rd.mock)
}

// expectSetBack waits until the run exits. The run must exit with exitRetryLater and report that the database was set back.
func (rd *round) expectSetBack(r *run) {
	rd.t.Helper()
	rd.expectExit(r, exitRetryLater)
	if r.stderr.count("set back") == 0 {
		rd.t.Errorf("the run does not report that the database was set back: %s", r.logTail())
	}
}

// scenarioWithoutFaults returns the usual scenario without its faults.
func (rd *round) scenarioWithoutFaults() scenario {
	s := rd.usual
	s.Faults = []string{}
	return s
}
