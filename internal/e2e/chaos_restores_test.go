//go:build e2e

package e2e

import (
	"math/rand/v2"
	"syscall"
)

// A saved is where the stream stands in a backup.
type saved struct{ epoch, seq int }

// restoreAfterClaim restores what the run itself had stored a few pages ago.
func restoreAfterClaim(l *lap, r *run, dice *rand.Rand) bool {
	s := l.backUp(r)
	return l.moves(r, 1+dice.IntN(3)) && l.restoreFetching(r, s)
}

// restoreBeforeClaim restores what another run had stored before this one claimed the stream.
func restoreBeforeClaim(l *lap, r *run, dice *rand.Rand) bool {
	s, r := l.backUpAndSucceed(r)
	return r != nil && l.moves(r, 1+dice.IntN(2)) && l.restoreFetching(r, s)
}

// restoreFetching restores a backup under a run that fetches.
func (l *lap) restoreFetching(r *run, s saved) bool {
	l.t.Helper()
	if !l.fetches(r, "1s") {
		return false
	}
	*r.inHand++
	l.restore(s)
	l.mock.play(l.usual)
	l.endsSetBack(r)
	return true
}

// restoreUnanswered restores a backup under a run that does not know yet whether its page is committed. If the page is the
// first one behind the backup, its COMMIT has just not happened, and the run commits it again.
func restoreUnanswered(l *lap, r *run, _ *rand.Rand) bool {
	s := l.backUp(r)
	seq, held := l.commitUnanswered(r)
	if !held {
		return false
	}
	hit := !r.stored(seq)
	l.restore(s)
	if s.seq == seq-1 {
		return l.goesOn(r, s.seq) && hit
	}
	l.endsSetBack(r)
	return hit
}

// restoreUnderFrozen restores a backup under a run that is frozen while it fetches. Another runner comes to the same epoch
// and seq, by pages of another size, before the first goes on.
func restoreUnderFrozen(l *lap, r *run, dice *rand.Rand) bool {
	s, r := l.backUpAndSucceed(r)
	if r == nil || !l.moves(r, 1+dice.IntN(2)) || !l.fetchesIn(r, l.quiet().withLatency("1s")) {
		return false
	}
	seq := l.db.seq()
	r.signal(syscall.SIGSTOP)
	if !l.requested() || l.db.seq() != seq { // the answer was faster
		r.signal(syscall.SIGCONT)
		return false
	}
	return l.replaceFrozen(r, s, seq)
}

// restoreInDoubt is restoreUnderFrozen for a run that does not know yet whether its page is committed.
func restoreInDoubt(l *lap, r *run, _ *rand.Rand) bool {
	s, r := l.backUpAndSucceed(r)
	if r == nil {
		return false
	}
	l.mock.play(l.quiet())
	seq, held := l.commitUnanswered(r)
	if !held {
		return false
	}
	r.signal(syscall.SIGSTOP)
	hit := !r.stored(seq)
	return l.replaceFrozen(r, s, seq) && hit
}

// replaceFrozen restores a backup under a run that is stopped, lets another runner store pages until the seq that the first
// had reached, and kills it. The first goes on then, and must write nothing.
func (l *lap) replaceFrozen(r *run, s saved, seq int) bool {
	l.t.Helper()
	*r.inHand += 2 // its request may time out while it is stopped, and it asks once more
	l.restore(s)
	l.mock.play(l.quiet().withLatency("300ms"))
	rival := l.launchAt(rivalPageSize)
	if !l.takesOver(rival, r) {
		r.signal(syscall.SIGCONT)
		return false
	}
	l.until(rival, "the other runner has stored as many pages", func() bool { return l.db.seq() >= seq })
	hit := l.kill(rival, 1) && l.db.seq() == seq
	l.mock.play(l.usual)
	r.signal(syscall.SIGCONT)
	l.ends(r, 5)
	return hit
}

// rivalPageSize differs from lapPageSize, so that the same seq is another place.
const rivalPageSize = 40

// backUp backs up the database while a run works. The run loses its connections by that and goes on, slowly at first, as it
// should not read the stream to its end meanwhile.
func (l *lap) backUp(r *run) saved {
	l.t.Helper()
	r.locked = false
	l.mock.play(l.usual.withLatency("1s"))
	l.backup.take()
	epoch, seq := l.backup.stream()
	l.reconnectAll()
	l.mock.play(l.usual)
	return saved{epoch, seq}
}

// backUpAndSucceed kills the run, backs up the database and starts a new run, whose claim the backup does not have. It
// returns nil if the stream is complete, or has too few pages left for another runner.
func (l *lap) backUpAndSucceed(r *run) (saved, *run) {
	l.t.Helper()
	const ahead = 10 * lapPageSize
	if l.db.position()+ahead > lapEvents {
		return saved{}, nil
	}
	l.kill(r, 1)
	s := l.backUp(r)
	return s, l.runner()
}

// restore replaces the database by its backup. It notes what that takes away, and has the follower begin anew.
func (l *lap) restore(s saved) {
	l.t.Helper()
	l.pg.heal()
	l.pg.leave()
	l.db.terminatePawl() // nobody commits any more
	for id := range l.db.pagesByRequest() {
		l.undone[id] = true
	}
	l.reader.finish(l.db)
	l.backup.restore()
	l.pg.comeBack()
	l.reconnectAll()
	for id := range l.db.pagesByRequest() {
		delete(l.undone, id)
	}
	l.claims = s.epoch
	l.reader = follow(l.t, l.direct)
	l.tally.restored++
}

// reconnectAll replaces the harness's own connections.
func (l *lap) reconnectAll() {
	l.t.Helper()
	l.db, l.gate.db, l.gate.key = l.reconnect(), l.reconnect(), l.reconnect()
	l.db.layDownTruth(l.mock)
}

// endsSetBack waits for a run to notice that the database was set back.
func (l *lap) endsSetBack(r *run) {
	l.t.Helper()
	l.ends(r, 3)
	if r.stderr.count("set back") == 0 {
		l.t.Errorf("it does not say that the database was set back: %s", r.tail())
	}
}

// quiet is the usual scenario without faults.
func (l *lap) quiet() scenario {
	s := l.usual
	s.Faults = []string{}
	return s
}
