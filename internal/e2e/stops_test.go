//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
)

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

// spoilt are drifts of records that must be parked.
var spoilt = []string{
	"missing-id", "null-id", "bad-id", "missing-field", "null-field", "wrong-type", "properties-string", "field-twice", "not-an-object",
	"timestamp-control", "bad-timestamp", "missing-timestamp", "null-timestamp", "nul", "lone-surrogate", "bad-utf8", "unstorable-number",
}

// spoilRecord spoils a record that pawl has not reached: it must stop there with exit 4, and not a record of that page
// may be stored.
func spoilRecord(l *lap, r *run, dice *rand.Rand) bool {
	const ahead = 5 * lapPageSize // of what may have been fetched by now
	index := l.db.position() + ahead + dice.IntN(lapPageSize)
	if index >= lapEvents {
		return false
	}
	drift := fmt.Sprintf("%s@%d", pick(dice, spoilt...), index)
	l.mock.play(l.usual.withDrift(drift))
	if l.until(r, "pawl stops", func() bool { return l.db.position() > index }) {
		l.t.Errorf("%s cannot be stored, and was passed over", drift)
		return false
	}
	l.ends(r, 4)
	l.mock.play(l.usual)
	*r.inHand++
	if at := l.db.position(); at > index || at+lapPageSize <= index {
		l.t.Errorf("%s cannot be stored, and the run stopped at %d", drift, at)
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
