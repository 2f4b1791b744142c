//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// An attack is one way to disturb a run. It strikes in a state that it has seen, and says whether it was still in that
// state when it struck.
type attack struct {
	group, name string // its row in the table
	times       int    // in the deck of one lap
	strike      func(l *lap, r *run, dice *rand.Rand) (hit bool)
}

const (
	groupKill    = "kill"
	groupBackend = "database kill"
	groupCut     = "cut"
	groupRival   = "second runner"
	groupStop    = "stop"
)

// attacks are all that there are but those in crashes.
func attacks() []attack {
	return []attack{
		{groupKill, "fetching", 5, killFetching},
		{groupKill, "before COMMIT", 5, killBeforeCommit},
		{groupKill, "COMMIT unanswered", 5, killUnanswered},
		{groupKill, "after COMMIT", 5, killAfterCommit},
		{groupKill, "waiting", 5, killWaiting},

		{groupBackend, "fetching", 1, terminateFetching},
		{groupBackend, "before COMMIT", 1, terminateBeforeCommit},
		{groupBackend, "in COMMIT", 1, terminateInCommit},

		{groupCut, "database, fetching", 1, cutFetching},
		{groupCut, "database, before COMMIT", 1, cutBeforeCommit},
		{groupCut, "database, COMMIT unanswered", 1, cutUnanswered},
		{groupCut, "database, COMMIT undecided", 1, cutUndecided},
		{groupCut, "API, fetching", 1, cutAPI},
		{groupCut, "API, within answers", 1, cutAnswers},

		{groupRival, "refused", 1, rivalRefused},
		{groupRival, "takes over from the dead", 1, rivalInherits},
		{groupRival, "takes over where the lock was lost", 1, rivalFences},

		{groupStop, "cursor given up", 1, giveUpCursor},
		{groupStop, "record to be parked: exit 4", 2, spoilRecord},
		{groupStop, "key or address refused: exit 2", 1, refuseKey},
	}
}

// leftOut is what the mock can do and pawl does not get over yet, each with the reason.
var leftOut = []string{
	"fault cycle-cursor: a cursor that leads one page back once is followed, and that page read twice in a pass",
	"drift conflict: an id that comes again with other content is to be parked, and counts as duplicate",
}

// deck is every attack as often as it is to be struck.
func deck(attacks []attack) (deck []attack) {
	for _, a := range attacks {
		for range a.times {
			deck = append(deck, a)
		}
	}
	return deck
}

// usualFaults are those that a run gets over by itself.
var usualFaults = []string{
	"429", "429-bare", "500", "502", "503", "504", "null", "truncated", "html", "data-null", "data-missing", "pagination-missing",
	"hasmore-missing", "hasmore-null", "returned-lies", "stray-end", "no-cursor", "repeat-cursor", "total-moves",
	"reset", "reset-body", "hang", "hang-body", "trickle", "endless-headers", "huge-body", "gzip", "gzip-bomb",
}

// usual is what a lap's mock plays between attacks: each usual fault once, in an order of the seed's, and records that pawl
// must take though they are not as they should be.
func usual(seed uint64) scenario {
	faults := slices.Clone(usualFaults)
	dice := rand.New(rand.NewPCG(seed, 0))
	dice.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
	request := 0
	for i, kind := range faults {
		request += 4 + dice.IntN(4)
		faults[i] = fmt.Sprintf("%s@%d", kind, request)
	}
	return scenario{
		RateWindow: "3s", CursorTTL: "2m0s", Latency: "30ms", Faults: faults,
		Drifts: []string{
			"new-field:0.01", "new-session-field:0.01", "other-session-id:0.01", "big-number:0.01", "duplicate:0.01",
			"timestamp-s:0.01", "timestamp-us:0.01", "timestamp-ns:0.01", "timestamp-numeric-string:0.01", "timestamp-offset:0.01",
		},
	}
}
