//go:build e2e

package e2e

import (
	"math/rand/v2"
	"syscall"
)

// The attacks of this file restore a backup. The restore removes the pages that were committed after the backup, and the run that
// committed them must notice: it exits with exitRetryLater, or with exitFenced if another run has claimed the stream meanwhile.
// The next run continues from the backup. They return whether they have hit, see attack.

// A backupCheckpoint is the stream's epoch and seq in a backup.
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
	backup, newRun := rd.backUpAndReplaceRun(r)
	return newRun != nil && rd.waitForPages(newRun, 1+random.IntN(2)) && rd.restoreFetching(newRun, backup)
}

// restoreFetching restores a backup while the run fetches. It returns false if the run ends before the restore.
func (rd *round) restoreFetching(r *run, backup backupCheckpoint) bool {
	rd.t.Helper()
	if !rd.waitUntilFetching(r, verySlowAnswer) {
		return false
	}
	r.allowUnstored(1) // the page of the request in flight
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
	wasUnanswered := !r.hasLoggedPage(seq)
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
	backup, first := rd.backUpAndReplaceRun(r)
	if first == nil || !rd.waitForPages(first, 1+random.IntN(2)) {
		return false
	}
	if !rd.waitUntilFetchingInScenario(first, rd.scenarioWithoutFaults().withLatency(verySlowAnswer)) {
		return false
	}
	seq := rd.db.seq()
	first.signal(syscall.SIGSTOP)
	isStillFetching := rd.isRequestInFlight() && rd.db.seq() == seq
	if !isStillFetching { // the answer arrived before the stop
		first.signal(syscall.SIGCONT)
		return false
	}
	return rd.replaceFrozen(first, backup, seq)
}

// restoreWhileFrozenUnanswered does what [restoreWhileFrozen] does, but stops the run while it does not know whether its page
// is committed.
func restoreWhileFrozenUnanswered(rd *round, r *run, _ *rand.Rand) bool {
	backup, first := rd.backUpAndReplaceRun(r)
	if first == nil {
		return false
	}
	rd.mock.play(rd.scenarioWithoutFaults())
	seq, lost := rd.loseCommitAnswer(first)
	if !lost {
		return false
	}
	first.signal(syscall.SIGSTOP)
	wasUnanswered := !first.hasLoggedPage(seq)
	isReplaced := rd.replaceFrozen(first, backup, rd.db.seq()) // not seq, because the COMMIT may have stored several pages
	return wasUnanswered && isReplaced
}

// replaceFrozen restores a backup while the first run is stopped. A second run then stores pages up to seq, which the first run had
// reached, and is killed. Then the first run continues. It must write nothing and exit with exitFenced. replaceFrozen returns false
// if the second run was not killed exactly at seq.
func (rd *round) replaceFrozen(first *run, backup backupCheckpoint, seq int) bool {
	rd.t.Helper()
	first.allowUnstored(2) // the request in flight may time out during the stop, and then the run sends another request
	rd.restore(backup)
	rd.mock.play(rd.scenarioWithoutFaults().withLatency("300ms")) // gives the kill enough time before the page after seq
	second := rd.startRunWithPageSize(otherPageSize)
	if !rd.expectTakeover(second, first) {
		first.signal(syscall.SIGCONT)
		return false
	}
	rd.waitUntil(second, "the second run has reached the same seq", func() bool { return rd.db.seq() >= seq })
	hit := rd.kill(second, onePage) && rd.db.seq() == seq
	rd.mock.play(rd.usual)
	first.signal(syscall.SIGCONT)
	rd.expectExit(first, exitFenced)
	return hit
}

// otherPageSize differs from roundPageSize. So two runs that have stored the same number of pages are at different offsets.
const otherPageSize = 40

// backUp backs up the database while the run works, and returns the backup's checkpoint. The run loses its connections and goes
// on. Meanwhile the API answers slowly, so that the run does not reach the end of the stream.
func (rd *round) backUp(r *run) backupCheckpoint {
	rd.t.Helper()
	r.holdsLock = false // the run loses its connections, and the lock with them
	rd.mock.play(rd.usual.withLatency(verySlowAnswer))
	rd.backup.take()
	checkpoint := rd.backup.checkpoint()
	rd.reconnectAll()
	rd.mock.play(rd.usual)
	return checkpoint
}

// backUpAndReplaceRun kills the run r, backs up the database and starts a new run, whose claim is not in the backup. newRun is
// nil if too few pages are left for the attack, or if the stream is complete.
func (rd *round) backUpAndReplaceRun(r *run) (backup backupCheckpoint, newRun *run) {
	rd.t.Helper()
	const minRemaining = 10 * roundPageSize // more pages than an attack stores, so that the stream does not end during the attack
	if rd.db.offset()+minRemaining > roundEvents {
		return backupCheckpoint{}, nil
	}
	rd.kill(r, onePage)
	backup = rd.backUp(r)
	return backup, rd.currentRun() // starts a run, because r has ended
}

// restore replaces the database by its backup, and records in removedPages which pages are missing afterwards. From then on, judge
// expects that the epochs continue from the backup's epoch. restore also replaces the round's follower, because the page_ids
// that the follower has read occur again after the restore.
func (rd *round) restore(backup backupCheckpoint) {
	rd.t.Helper()
	rd.dbProxy.removeFaults()
	rd.dbProxy.stop()
	rd.db.terminatePawl() // so that pawl commits no more pages before the restore
	for requestID := range rd.db.pagesByRequest() {
		rd.removedPages[requestID] = true
	}
	rd.follower.finish(rd.db)
	rd.backup.restore()
	rd.dbProxy.restart()
	rd.reconnectAll()
	for requestID := range rd.db.pagesByRequest() {
		delete(rd.removedPages, requestID)
	}
	rd.wantEpoch = backup.epoch
	rd.follower = follow(rd.t, rd.databaseURL)
	rd.report.restored++
}

// reconnectAll replaces the connections of the round and of its commitBarrier to the database. It also loads the truth (what must
// become of each record) again, because the temporary table of the truth was lost with its connection.
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
