//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/pawldata/pawl/mockapi"
)

// An attack is one way to disturb a run. strike waits until the run is in a certain state, and attacks then. It returns true
// if the run was still in that state when the attack came. Otherwise the attack has missed, and strike returns false.
type attack struct {
	group, name string // together they name the attack in the report
	times       int    // how often the plan of one round contains the attack
	strike      func(rd *round, r *run, random *rand.Rand) (hit bool)
}

// The groups of attacks in the report. A backend is the server process of one database session.
const (
	groupKill      = "kill"
	groupBackend   = "database kill"
	groupCut       = "cut"
	groupSecondRun = "second runner"
	groupReplay    = "replay"
	groupRestore   = "restored backup"
	groupStop      = "stop"
)

// attacks returns all attacks except the crashes of the database server; see crashes.
func attacks() []attack {
	return []attack{
		{group: groupKill, name: "fetching", times: 5, strike: killFetching},
		{group: groupKill, name: "before COMMIT", times: 5, strike: killBeforeCommit},
		{group: groupKill, name: "COMMIT unanswered", times: 5, strike: killUnanswered},
		{group: groupKill, name: "after COMMIT", times: 5, strike: killAfterCommit},
		{group: groupKill, name: "waiting", times: 5, strike: killWaiting},

		{group: groupBackend, name: "fetching", times: 1, strike: terminateFetching},
		{group: groupBackend, name: "before COMMIT", times: 1, strike: terminateBeforeCommit},
		{group: groupBackend, name: "in COMMIT", times: 1, strike: terminateInCommit},

		{group: groupCut, name: "database, fetching", times: 1, strike: cutFetching},
		{group: groupCut, name: "database, before COMMIT", times: 1, strike: cutBeforeCommit},
		{group: groupCut, name: "database, COMMIT unanswered", times: 1, strike: cutUnanswered},
		{group: groupCut, name: "database, COMMIT undecided", times: 1, strike: cutUndecided},
		{group: groupCut, name: "API, fetching", times: 1, strike: cutAPI},
		{group: groupCut, name: "API, within answers", times: 1, strike: cutAnswers},

		{group: groupSecondRun, name: "refused", times: 1, strike: startSecondRun},
		{group: groupSecondRun, name: "takes over from a killed run", times: 1, strike: takeOverFromKilled},
		{group: groupSecondRun, name: "takes over from a run that lost its lock", times: 1, strike: takeOverAfterLostLock},

		{group: groupReplay, name: "two at once, beside a run", times: 2, strike: replayRepaired},
		{group: groupReplay, name: "killed in its transaction", times: 2, strike: killReplay},

		{group: groupRestore, name: "taken after the claim", times: 2, strike: restoreAfterClaim},
		{group: groupRestore, name: "taken before the claim", times: 2, strike: restoreBeforeClaim},
		{group: groupRestore, name: "COMMIT unanswered", times: 1, strike: restoreUnanswered},
		{group: groupRestore, name: "another runner at the same seq", times: 1, strike: restoreWhileFrozen},
		{group: groupRestore, name: "COMMIT unanswered, another runner at the same seq", times: 1, strike: restoreWhileFrozenUnanswered},

		{group: groupStop, name: "cursor refused", times: 1, strike: refuseCursors},
		{group: groupStop, name: "more rejects than events: exit 4", times: 2, strike: sendRejects},
		{group: groupStop, name: "key or URL refused: exit 2", times: 1, strike: refuseKey},
	}
}

// reportName returns the name of the attack in the report. It begins with the group.
func (a attack) reportName() string { return a.group + ": " + a.name }

// faultsNotPlayed lists the faults of the mock that TestChaos does not play, each with the reason.
var faultsNotPlayed = []string{
	"fault cycle-cursor: a cursor leads one page back; pawl follows it once and so reads that page twice in a pass",
	"fault reuse-reset: the lost request is not in the journal, so the judge cannot know its cause; TestHostileAnswersTogether plays it",
}

// repeatAttacks returns the plan of a round. The plan contains each attack as often as its field times says.
func repeatAttacks(attacks []attack) (plan []attack) {
	for _, a := range attacks {
		for range a.times {
			plan = append(plan, a)
		}
	}
	return plan
}

// usualFaults lists the mock's faults that a run can handle without a restart. `mockapi --help` explains them.
var usualFaults = []string{
	"429", "429-bare", "500", "502", "503", "504", "null", "truncated", "html", "data-null", "data-missing", "pagination-missing",
	"hasmore-missing", "hasmore-null", "returned-lies", "stray-end", "no-cursor", "repeat-cursor", "total-moves",
	"reset", "reset-body", "hang", "hang-body", "trickle", "endless-headers", "huge-body", "gzip", "gzip-bomb",
	"short-body", "trickle-headers", "bad-headers", "gzip-broken", "not-utf8", "control-chars", "echo-key",
}

// parkedDrifts lists the mock's kinds of drift that make a record a dead letter. `mockapi --help` explains them.
var parkedDrifts = []string{
	"missing-id", "null-id", "bad-id", "missing-field", "null-field", "wrong-type", "properties-string", "field-twice", "not-an-object",
	"timestamp-control", "bad-timestamp", "missing-timestamp", "null-timestamp", "nul", "lone-surrogate", "bad-utf8", "unstorable-number",
	"conflict",
}

// allDrifts returns the drifts of a scenario in which every kind of drift changes one record in a hundred.
func allDrifts() (drifts []string) {
	for _, kind := range mockapi.DriftKinds() {
		drifts = append(drifts, string(kind)+":0.01")
	}
	return drifts
}

// usualScenario returns the scenario that the mock plays between attacks. It contains each usual fault once, in an order that
// depends on the seed, and all drifts.
func usualScenario(seed uint64) scenario {
	kinds := slices.Clone(usualFaults)
	random := rand.New(rand.NewPCG(seed, 0))
	random.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	const minDistance, maxDistance = 4, 7 // requests from one fault to the next
	var faults []string
	request := 0
	for _, kind := range kinds {
		request += minDistance + random.IntN(maxDistance-minDistance+1)
		faults = append(faults, fmt.Sprintf("%s@%d", kind, request))
	}
	return scenario{RateWindow: "3s", CursorTTL: "2m0s", Latency: "30ms", Faults: faults, Drifts: allDrifts()}
}

// refuseCursors makes the API refuse every cursor until pawl reads from the head again.
func refuseCursors(rd *round, r *run, random *rand.Rand) bool {
	passesBefore := r.logCount(logNewPass)
	refusing := rd.usual.withConstantFault(pick(random, "expired", "invalid"))
	if random.IntN(3) == 0 { // in one case of three, make the cursors expire instead
		refusing = rd.usual
		refusing.CursorTTL = "1ms"
	}
	rd.mock.play(refusing)
	hasNewPass := rd.waitUntil(r, "pawl begins a new pass", func() bool { return r.logCount(logNewPass) > passesBefore })
	rd.mock.play(rd.usual)
	if !hasNewPass {
		return false
	}
	// pawl reads the first page without a cursor. If pawl stores the second page too, the API accepts cursors again. If the run
	// ends before, the API has refused three cursors in a row.
	const pagesToCursor = 2
	if !rd.waitForPages(r, pagesToCursor) {
		rd.expectExit(r, exitRetryLater)
	}
	return true
}

// sendRejects makes the API send most records without a timestamp. pawl must exit with exitData before it stores such a page.
// Otherwise the judge (chaos_judge_test.go) would find dead letters that the truth does not contain.
func sendRejects(rd *round, r *run, _ *rand.Rand) bool {
	const minRemaining = 5 * roundPageSize // with fewer records, pawl may have fetched the last page before the scenario changes
	if rd.fetchedOffset()+minRemaining > roundEvents {
		return false
	}
	rd.mock.play(rd.usual.withDrift("missing-timestamp:0.7"))
	rd.expectExit(r, exitData)
	rd.mock.play(rd.usual) // so that the next run does not end in the same way
	r.allowUnstored(1)     // the page of rejects
	const wantCommand = "pawl run --max-reject-ratio 1"
	if r.stderr.count(wantCommand) != 1 {
		rd.t.Errorf("the run does not name the command that continues in spite of the rejects: %s", r.logTail())
	}
	return true
}

// refuseKey makes the API refuse the key or redirect pawl to another URL. pawl must exit with exitSettings.
func refuseKey(rd *round, r *run, random *rand.Rand) bool {
	rd.mock.play(rd.usual.withConstantFault(pick(random, "401", "403", "redirect", "redirect-here")))
	rd.expectExit(r, exitSettings)
	rd.mock.play(rd.usual) // so that the next run does not end in the same way
	return true
}
