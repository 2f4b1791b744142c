//go:build e2e

package e2e

import "math/rand/v2"

// giveUpCursor has the API refuse cursors until pawl reads from the head again.
func giveUpCursor(l *lap, r *run, dice *rand.Rand) bool {
	before := r.said(saysNewPass)
	given := l.usual.withFaults(pick(dice, "expired:1", "invalid:1"))
	if dice.IntN(3) == 0 {
		given = l.usual
		given.CursorTTL = "1ms"
	}
	l.mock.play(given)
	hit := l.until(r, "pawl begins a new pass", func() bool { return r.said(saysNewPass) > before })
	l.mock.play(l.usual)
	// The second page from here was asked for with a cursor that is good again.
	if hit && !l.moves(r, 2) { // nothing but cursors that were refused, three times over
		l.ends(r, 3)
	}
	return hit
}

// sendNonsense has most records come without a time: pawl must stop before such a page with exit 4. What it had stored of one
// would be a letter that the truth does not know.
func sendNonsense(l *lap, r *run, _ *rand.Rand) bool {
	const ahead = 5 * lapPageSize // of what may have been fetched by now
	if l.db.position()+ahead > lapEvents {
		return false
	}
	l.mock.play(l.usual.withDrift("missing-timestamp:0.7"))
	l.ends(r, 4)
	l.mock.play(l.usual) // the next run would end in the same way
	*r.inHand++
	if r.stderr.count("pawl run --max-reject-ratio 1") != 1 {
		l.t.Errorf("it does not say how to go on: %s", r.tail())
	}
	return true
}

// refuseKey has the API refuse the key, or send pawl elsewhere.
func refuseKey(l *lap, r *run, dice *rand.Rand) bool {
	l.mock.play(l.usual.withFaults(pick(dice, "401:1", "403:1", "redirect:1")))
	l.ends(r, 2)
	l.mock.play(l.usual) // the next run would end in the same way
	return true
}
