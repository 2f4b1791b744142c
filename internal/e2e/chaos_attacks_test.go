//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/pawldata/pawl/mockapi"
)

// An attack is one way to disturb a run. It strikes in a state that it has seen, and says whether it was still in that
// state when it struck.
type attack struct {
	group, name string // its row in the table
	times       int    // in the deck of one lap
	strike      func(rd *round, r *run, random *rand.Rand) (hit bool)
}

const (
	groupKill      = "kill"
	groupBackend   = "database kill"
	groupCut       = "cut"
	groupSecondRun = "second runner"
	groupReplay    = "replay"
	groupRestore   = "restored backup"
	groupStop      = "stop"
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

		{groupSecondRun, "refused", 1, startSecondRun},
		{groupSecondRun, "takes over from the dead", 1, takeOverFromDead},
		{groupSecondRun, "takes over where the lock was lost", 1, takeOverFromUnlocked},

		{groupReplay, "two at once, beside a run", 2, replayRepaired},
		{groupReplay, "killed in its transaction", 2, killReplay},

		{groupRestore, "from after the claim", 2, restoreAfterClaim},
		{groupRestore, "from before the claim", 2, restoreBeforeClaim},
		{groupRestore, "COMMIT unanswered", 1, restoreUnanswered},
		{groupRestore, "another runner at the same seq", 1, restoreUnderFrozen},
		{groupRestore, "COMMIT unanswered, another runner at the same seq", 1, restoreInDoubt},

		{groupStop, "cursor given up", 1, refuseCursors},
		{groupStop, "more nonsense than events: exit 4", 2, sendRejects},
		{groupStop, "key or address refused: exit 2", 1, refuseKey},
	}
}

func (a attack) row() string { return a.group + ": " + a.name }

// leftOut is what the mock can do and pawl does not get over yet, each with the reason.
var notPlayedYet = []string{
	"fault cycle-cursor: a cursor that leads one page back once is followed, and that page read twice in a pass",
}

// deck is every attack as often as it is to be struck.
func repeatAttacks(attacks []attack) (plan []attack) {
	for _, a := range attacks {
		for range a.times {
			plan = append(plan, a)
		}
	}
	return plan
}

// usualFaults are those that a run gets over by itself.
var usualFaults = []string{
	"429", "429-bare", "500", "502", "503", "504", "null", "truncated", "html", "data-null", "data-missing", "pagination-missing",
	"hasmore-missing", "hasmore-null", "returned-lies", "stray-end", "no-cursor", "repeat-cursor", "total-moves",
	"reset", "reset-body", "hang", "hang-body", "trickle", "endless-headers", "huge-body", "gzip", "gzip-bomb",
}

// spoilt are drifts of records that must be parked.
var parkedDrifts = []string{
	"missing-id", "null-id", "bad-id", "missing-field", "null-field", "wrong-type", "properties-string", "field-twice", "not-an-object",
	"timestamp-control", "bad-timestamp", "missing-timestamp", "null-timestamp", "nul", "lone-surrogate", "bad-utf8", "unstorable-number",
	"conflict",
}

// allDrifts is every kind of drift that the mock knows, each at one record in a hundred.
func allDrifts() (drifts []string) {
	for _, kind := range mockapi.DriftKinds() {
		drifts = append(drifts, string(kind)+":0.01")
	}
	return drifts
}

// usual is what a lap's mock plays between attacks: each usual fault once, in an order of the seed's, and records that are
// not as they should be.
func usualScenario(seed uint64) scenario {
	faults := slices.Clone(usualFaults)
	random := rand.New(rand.NewPCG(seed, 0))
	random.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
	request := 0
	for i, kind := range faults {
		request += 4 + random.IntN(4)
		faults[i] = fmt.Sprintf("%s@%d", kind, request)
	}
	return scenario{
		RateWindow: "3s", CursorTTL: "2m0s", Latency: "30ms", Faults: faults,
		Drifts: allDrifts(),
	}
}

// giveUpCursor has the API refuse cursors until pawl reads from the head again.
func refuseCursors(rd *round, r *run, random *rand.Rand) bool {
	before := r.logCount(logNewPass)
	given := rd.usual.withFaults(pick(random, "expired:1", "invalid:1"))
	if random.IntN(3) == 0 {
		given = rd.usual
		given.CursorTTL = "1ms"
	}
	rd.mock.play(given)
	hit := rd.waitUntil(r, "pawl begins a new pass", func() bool { return r.logCount(logNewPass) > before })
	rd.mock.play(rd.usual)
	// The second page from here was asked for with a cursor that is good again.
	if hit && !rd.waitForPages(r, 2) { // nothing but cursors that were refused, three times over
		rd.expectExit(r, 3)
	}
	return hit
}

// sendNonsense has most records come without a time: pawl must stop before such a page with exit 4. What it had stored of one
// would be a letter that the truth does not know.
func sendRejects(rd *round, r *run, _ *rand.Rand) bool {
	const ahead = 5 * roundPageSize // of what may have been fetched by now
	if rd.db.position()+ahead > roundEvents {
		return false
	}
	rd.mock.play(rd.usual.withDrift("missing-timestamp:0.7"))
	rd.expectExit(r, 4)
	rd.mock.play(rd.usual) // the next run would end in the same way
	*r.unstored++
	if r.stderr.count("pawl run --max-reject-ratio 1") != 1 {
		rd.t.Errorf("it does not say how to go on: %s", r.tail())
	}
	return true
}

// refuseKey has the API refuse the key, or send pawl elsewhere.
func refuseKey(rd *round, r *run, random *rand.Rand) bool {
	rd.mock.play(rd.usual.withFaults(pick(random, "401:1", "403:1", "redirect:1")))
	rd.expectExit(r, 2)
	rd.mock.play(rd.usual) // the next run would end in the same way
	return true
}
