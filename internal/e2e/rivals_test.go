//go:build e2e

package e2e

import "math/rand/v2"

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
