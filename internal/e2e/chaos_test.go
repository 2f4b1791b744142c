//go:build e2e

package e2e

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

// In these flags, an attack hits if the run is still in the right state when the attack comes. Otherwise it misses, see attack.
var (
	chaosDuration = flag.Duration("chaos.duration", 0, "how long TestChaos starts new rounds; 0: until each attack has hit often enough")
	chaosSeed     = flag.Uint64("chaos.seed", 0, "the seed of TestChaos's first round; 0: a random one, which is printed")
	chaosRestores = flag.Int("chaos.restores", 1, "how many times as often as usual a round of TestChaos restores a backup")
)

const (
	// Without a duration, TestChaos plays rounds until each attack has hit often enough, but at most maxRounds rounds. Often enough
	// is minKills times for an attack of groupKill, and once for any other attack and for a usual fault.
	minKills  = 10
	maxRounds = 5
)

// TestChaos checks that no record is lost, doubled, altered or invented while runs are killed and disturbed in every state. The
// package documentation explains how. TestChaos is not parallel, because a crash of the database would disturb other tests.
func TestChaos(t *testing.T) {
	seed := *chaosSeed
	for seed == 0 { // no seed was given, or the random seed is 0
		seed = rand.Uint64N(1_000_000)
	}
	attacks, notPlayed := attacks(), faultsNotPlayed
	if reason := reasonNotToCrash(t); reason == "" {
		attacks = append(attacks, crashes()...)
	} else {
		notPlayed = append(notPlayed, "database crash: "+reason)
	}
	for i := range attacks {
		if attacks[i].group == groupRestore {
			attacks[i].times *= *chaosRestores
		}
	}
	rep := newChaosReport(attacks, notPlayed)
	t.Cleanup(func() {
		var table strings.Builder
		if err := rep.print(&table); err != nil {
			t.Error(err)
		}
		fmt.Fprintf(os.Stderr, "chaos, seed %d\n%s", seed, table.String())
	})
	needsNextRound := func(finishedRounds uint64) bool {
		if *chaosDuration > 0 {
			return finishedRounds == 0 || time.Since(rep.began) < *chaosDuration
		}
		hasPlayedEvenAndOdd := finishedRounds >= 2 // runs fetch pages ahead if the round's seed is odd, see fetchesAhead
		return !hasPlayedEvenAndOdd || len(rep.missingHits()) > 0 && finishedRounds < maxRounds
	}
	for n := uint64(0); needsNextRound(n); n++ {
		roundSeed := seed + n
		// With DURATION=1s there is exactly one round, because each round takes longer. RESTORES is part of the plan of attacks.
		repeatCommand := fmt.Sprintf("make chaos DURATION=1s SEED=%d RESTORES=%d", roundSeed, *chaosRestores)
		fmt.Fprintf(os.Stderr, "chaos: round %d; to repeat it, run: %s\n", n+1, repeatCommand)
		began := time.Now()
		passed := t.Run(fmt.Sprintf("seed=%d", roundSeed), func(t *testing.T) {
			rd := newRound(t, roundSeed, rep)
			rd.runAttacks(repeatAttacks(attacks))
			rd.judge()
		})
		rep.ran += time.Since(began)
		if !passed {
			t.Fatalf("round %d failed; to repeat it, run: %s", n+1, repeatCommand)
		}
	}
	if missing := rep.missingHits(); *chaosDuration == 0 && len(missing) > 0 {
		t.Errorf("after %d rounds, these have not hit often enough: %s", rep.rounds, strings.Join(missing, "; "))
	}
	hasMoreRestores := *chaosDuration > 0 && *chaosRestores > 1
	if hasMoreRestores && rep.hasTooFewRestores() {
		t.Errorf("got %.1f restored backups a minute, want at least %d", rep.restoresPerMinute(), minRestores)
	}
}

// A chaosReport counts what happened in all rounds.
type chaosReport struct {
	began     time.Time
	ran       time.Duration // how long the finished rounds have taken
	attacks   []attack
	notPlayed []string // the attacks and faults that were not played, each with the reason

	rounds, newPasses, restored int
	hits, misses                map[string]int // the number of attacks, by name
	faults                      map[string]int // the number of requests that got a fault, by its kind
	requests, idealRequests     int            // idealRequests is one request for each page of the first pass
	causes                      map[string]int // the number of requests, by cause
	lost, doubled, unexplained  int
}

func newChaosReport(attacks []attack, notPlayed []string) *chaosReport {
	return &chaosReport{
		began: time.Now(), attacks: attacks, notPlayed: notPlayed,
		hits: map[string]int{}, misses: map[string]int{}, faults: map[string]int{}, causes: map[string]int{},
	}
}

// addAttack counts an attack as a hit or as a miss, see the comment of attack.
func (rep *chaosReport) addAttack(a attack, hit bool) {
	if hit {
		rep.hits[a.reportName()]++
	} else {
		rep.misses[a.reportName()]++
	}
}

// missingHits returns the names of the attacks that have not hit often enough, and of the usual faults that have hit no request.
func (rep *chaosReport) missingHits() (names []string) {
	for _, a := range rep.attacks {
		minHits := 1
		if a.group == groupKill {
			minHits = minKills
		}
		if rep.hits[a.reportName()] < minHits {
			names = append(names, a.reportName())
		}
	}
	for _, kind := range usualFaults {
		if rep.faults[kind] == 0 {
			names = append(names, "fault: "+kind)
		}
	}
	return names
}

// minRestores is the number of backups that the rounds must restore each minute, if they take a minute or longer. It holds only for
// rounds with more restores than usual (-chaos.restores).
const minRestores = 3

func (rep *chaosReport) restoresPerMinute() float64 {
	if rep.ran == 0 {
		return 0
	}
	return float64(rep.restored) / rep.ran.Minutes()
}

// hasTooFewRestores reports whether the rounds took a minute or longer and restored fewer backups than minRestores requires.
func (rep *chaosReport) hasTooFewRestores() bool {
	return rep.ran >= time.Minute && rep.restoresPerMinute() < minRestores
}

// print writes the report as a table.
func (rep *chaosReport) print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	addRow := func(name string, n int) { fmt.Fprintf(w, "%s\t%d\n", name, n) }
	fmt.Fprintf(w, "%d rounds in %s\tcount\tmissed\n", rep.rounds, time.Since(rep.began).Round(time.Second))
	for _, a := range rep.attacks {
		fmt.Fprintf(w, "%s\t%d\t%d\n", a.reportName(), rep.hits[a.reportName()], rep.misses[a.reportName()])
	}
	for _, kind := range mockapi.FaultKinds() { // also those that were not played, with the number 0
		addRow("fault: "+string(kind), rep.faults[string(kind)])
	}
	addRow("new passes", rep.newPasses)
	fmt.Fprintf(w, "backups restored\t%d\t%.1f a minute\n", rep.restored, rep.restoresPerMinute())
	addRow("requests", rep.requests)
	addRow("  ideal", rep.idealRequests)
	for _, cause := range []string{
		causeStored, causeReread, causeRemoved, causeEnd, causeFault, causeRateLimit, causeCursor, causeAttack, causeDropped,
	} {
		addRow("  "+cause, rep.causes[cause])
	}
	addRow("lost", rep.lost)
	addRow("doubled", rep.doubled)
	addRow("unexplained", rep.unexplained)
	for _, entry := range rep.notPlayed {
		fmt.Fprintf(w, "not played: %s\n", entry)
	}
	return w.Flush()
}

// TestTooFewRestores checks that hasTooFewRestores requires minRestores, which is 3 a minute, and only after the first minute.
func TestTooFewRestores(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		restored int
		ran      time.Duration
		want     bool
	}{
		{restored: 0, ran: 59 * time.Second, want: false},
		{restored: 2, ran: time.Minute, want: true},
		{restored: 3, ran: time.Minute, want: false},
		{restored: 29, ran: 10 * time.Minute, want: true},
		{restored: 30, ran: 10 * time.Minute, want: false},
	} {
		rep := chaosReport{restored: tt.restored, ran: tt.ran}
		if got := rep.hasTooFewRestores(); got != tt.want {
			t.Errorf("%d restores in %s: got too few %v, want %v", tt.restored, tt.ran, got, tt.want)
		}
	}
}
