//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/pawldata/pawl/mockapi"
)

// An attack is one way to disturb a run. strike waits until it observes a certain state and attacks then. It returns
// whether the run was still in that state.
type attack struct {
	group, name string // its row in the report
	times       int    // in the plan of one round
	strike      func(rd *round, r *run, random *rand.Rand) (hit bool)
}

// The groups of attacks in the report.
const (
	groupKill      = "kill"
	groupBackend   = "database kill"
	groupCut       = "cut"
	groupSecondRun = "second runner"
	groupReplay    = "replay"
	groupRestore   = "restored backup"
	groupStop      = "stop"
)

// attacks returns all attacks except those of crashes.
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
		{groupSecondRun, "takes over from a killed run", 1, takeOverFromDead},
		{groupSecondRun, "takes over from a run that lost its lock", 1, takeOverFromUnlocked},

		{groupReplay, "two at once, beside a run", 2, replayRepaired},
		{groupReplay, "killed in its transaction", 2, killReplay},

		{groupRestore, "from after the claim", 2, restoreAfterClaim},
		{groupRestore, "from before the claim", 2, restoreBeforeClaim},
		{groupRestore, "COMMIT unanswered", 1, restoreUnanswered},
		{groupRestore, "another runner at the same seq", 1, restoreUnderFrozen},
		{groupRestore, "COMMIT unanswered, another runner at the same seq", 1, restoreInDoubt},

		{groupStop, "cursor refused", 1, refuseCursors},
		{groupStop, "more rejects than events: exit 4", 2, sendRejects},
		{groupStop, "key or URL refused: exit 2", 1, refuseKey},
	}
}

// row returns the attack's name in the report.
func (a attack) row() string { return a.group + ": " + a.name }

// notPlayedYet lists faults of the mock that pawl cannot handle yet, each with the reason.
var notPlayedYet = []string{
	"fault cycle-cursor: pawl follows a cursor that leads one page back once, and reads that page twice in a pass",
}

// repeatAttacks returns the plan of a round: each attack as often as its times says.
func repeatAttacks(attacks []attack) (plan []attack) {
	for _, a := range attacks {
		for range a.times {
			plan = append(plan, a)
		}
	}
	return plan
}

// usualFaults lists the faults that a run handles by itself.
var usualFaults = []string{
	"429", "429-bare", "500", "502", "503", "504", "null", "truncated", "html", "data-null", "data-missing", "pagination-missing",
	"hasmore-missing", "hasmore-null", "returned-lies", "stray-end", "no-cursor", "repeat-cursor", "total-moves",
	"reset", "reset-body", "hang", "hang-body", "trickle", "endless-headers", "huge-body", "gzip", "gzip-bomb",
}

// parkedDrifts lists the drifts of records that must be parked.
var parkedDrifts = []string{
	"missing-id", "null-id", "bad-id", "missing-field", "null-field", "wrong-type", "properties-string", "field-twice", "not-an-object",
	"timestamp-control", "bad-timestamp", "missing-timestamp", "null-timestamp", "nul", "lone-surrogate", "bad-utf8", "unstorable-number",
	"conflict",
}

// allDrifts returns every kind of drift that the mock has, each for one record in a hundred.
func allDrifts() (drifts []string) {
	for _, kind := range mockapi.DriftKinds() {
		drifts = append(drifts, string(kind)+":0.01")
	}
	return drifts
}

// usualScenario returns what a round's mock plays between attacks: each usual fault once, in an order that the seed
// decides, and all drifts.
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

// refuseCursors lets the API refuse cursors until pawl reads from the head again.
func refuseCursors(rd *round, r *run, random *rand.Rand) bool {
	before := r.logCount(logNewPass)
	refusing := rd.usual.withFaults(pick(random, "expired:1", "invalid:1"))
	if random.IntN(3) == 0 {
		refusing = rd.usual
		refusing.CursorTTL = "1ms"
	}
	rd.mock.play(refusing)
	hit := rd.waitUntil(r, "pawl begins a new pass", func() bool { return r.logCount(logNewPass) > before })
	rd.mock.play(rd.usual)
	// The second page from here is requested with a cursor that the API accepts again.
	if hit && !rd.waitForPages(r, 2) { // the API has refused three cursors without a page between
		rd.expectExit(r, 3)
	}
	return hit
}

// sendRejects lets the API send most records without a timestamp: pawl must exit with 4 before it stores such a page. If
// it stored one, the judge would find dead letters that are not in the truth.
func sendRejects(rd *round, r *run, _ *rand.Rand) bool {
	const ahead = 5 * roundPageSize // pages that may have been fetched by now
	if rd.db.position()+ahead > roundEvents {
		return false
	}
	rd.mock.play(rd.usual.withDrift("missing-timestamp:0.7"))
	rd.expectExit(r, 4)
	rd.mock.play(rd.usual) // otherwise the next run would end in the same way
	*r.unstored++
	if r.stderr.count("pawl run --max-reject-ratio 1") != 1 {
		rd.t.Errorf("the run does not name the command that continues: %s", r.tail())
	}
	return true
}

// refuseKey lets the API refuse the key or redirect pawl to another URL.
func refuseKey(rd *round, r *run, random *rand.Rand) bool {
	rd.mock.play(rd.usual.withFaults(pick(random, "401:1", "403:1", "redirect:1")))
	rd.expectExit(r, 2)
	rd.mock.play(rd.usual) // otherwise the next run would end in the same way
	return true
}
