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

var (
	chaosDuration = flag.Duration("chaos.duration", 0, "how long TestChaos begins new laps; 0 is just the laps that hit each state often enough")
	chaosSeed     = flag.Uint64("chaos.seed", 0, "what decides TestChaos; 0 is a new one, which is printed")
)

const (
	// Without a duration laps are run until they have come to killsInEach in every state, but not more than mostLaps.
	minKills  = 10
	maxRounds = 5
	// With a duration backups are restored so many times more often, to come to leastRestores.
	restoresFactor = 2
)

// TestChaos kills and disturbs run after run, in states that are seen and not waited for, and holds what they leave
// against the truth. It runs alone: a crash of the database would hit other tests too.
func TestChaos(t *testing.T) {
	seed := *chaosSeed
	for seed == 0 {
		seed = rand.Uint64N(1_000_000)
	}
	attacks, notPlayed := attacks(), notPlayedYet
	if why := cannotCrash(t); why == "" {
		attacks = append(attacks, crashes()...)
	} else {
		notPlayed = append(notPlayed, "database crash: "+why)
	}
	for i := range attacks {
		if *chaosDuration > 0 && attacks[i].group == groupRestore {
			attacks[i].times *= restoresFactor
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
	more := func(rounds uint64) bool {
		if *chaosDuration > 0 {
			return rounds == 0 || time.Since(rep.began) < *chaosDuration
		}
		return len(rep.gaps()) > 0 && rounds < maxRounds
	}
	for n := uint64(0); more(n); n++ {
		roundSeed := seed + n
		again := fmt.Sprintf("make chaos DURATION=1s SEED=%d", roundSeed)
		fmt.Fprintf(os.Stderr, "chaos: lap %d, to repeat it: %s\n", n+1, again)
		began := time.Now()
		passed := t.Run(fmt.Sprintf("seed=%d", roundSeed), func(t *testing.T) {
			rd := newRound(t, roundSeed, rep)
			rd.runAttacks(repeatAttacks(attacks))
			rd.judge()
		})
		rep.ran += time.Since(began)
		if !passed {
			t.Fatalf("lap %d failed; to repeat it: %s", n+1, again)
		}
	}
	if missing := rep.gaps(); *chaosDuration == 0 && len(missing) > 0 {
		t.Errorf("after %d laps not hit often enough: %s", rep.rounds, strings.Join(missing, "; "))
	}
	if *chaosDuration > 0 && rep.hasTooFewRestores() {
		t.Errorf("%.1f backups restored a minute, want at least %d", rep.restoresPerMinute(), minRestores)
	}
}

// A tally is what came of all laps.
type chaosReport struct {
	began     time.Time
	ran       time.Duration // the laps that are over
	attacks   []attack
	notPlayed []string // what could not be run, and why

	rounds, passes, restored   int
	hits, misses               map[string]int // by attack
	faults                     map[string]int // requests, by kind
	requests, idealRequests    int            // requests
	causes                     map[string]int // by cause
	lost, doubled, unexplained int
}

func newChaosReport(attacks []attack, notPlayed []string) *chaosReport {
	return &chaosReport{
		began: time.Now(), attacks: attacks, notPlayed: notPlayed,
		hits: map[string]int{}, misses: map[string]int{}, faults: map[string]int{}, causes: map[string]int{},
	}
}

func (rep *chaosReport) addAttack(a attack, hit bool) {
	if hit {
		rep.hits[a.row()]++
	} else {
		rep.misses[a.row()]++
	}
}

// missing names the attacks that have not hit often enough, and the usual faults that no request met.
func (rep *chaosReport) gaps() (names []string) {
	for _, a := range rep.attacks {
		least := 1
		if a.group == groupKill {
			least = minKills
		}
		if rep.hits[a.row()] < least {
			names = append(names, a.row())
		}
	}
	for _, kind := range usualFaults {
		if rep.faults[kind] == 0 {
			names = append(names, "fault: "+kind)
		}
	}
	return names
}

// leastRestores is how many backups the laps must restore each minute, if they ran for at least one.
const minRestores = 3

func (rep *chaosReport) restoresPerMinute() float64 {
	if rep.ran == 0 {
		return 0
	}
	return float64(rep.restored) / rep.ran.Minutes()
}

// tooFewRestores reports whether the laps have shown too little of restored backups.
func (rep *chaosReport) hasTooFewRestores() bool {
	return rep.ran >= time.Minute && rep.restoresPerMinute() < minRestores
}

// print writes the table. An attack that missed its state does not count.
func (rep *chaosReport) print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	row := func(name string, n int) { fmt.Fprintf(w, "%s\t%d\n", name, n) }
	fmt.Fprintf(w, "%d laps in %s\tcount\tmissed\n", rep.rounds, time.Since(rep.began).Round(time.Second))
	for _, a := range rep.attacks {
		fmt.Fprintf(w, "%s\t%d\t%d\n", a.row(), rep.hits[a.row()], rep.misses[a.row()])
	}
	for _, kind := range mockapi.FaultKinds() { // all: what was not played is a 0
		row("fault: "+string(kind), rep.faults[string(kind)])
	}
	row("passes begun anew", rep.passes)
	fmt.Fprintf(w, "backups restored\t%d\t%.1f a minute\n", rep.restored, rep.restoresPerMinute())
	row("requests", rep.requests)
	row("  ideal", rep.idealRequests)
	for _, cause := range []string{forPage, forRereading, forUndone, forEnd, forFault, forLimit, forCursor, forNothing} {
		row("  "+cause, rep.causes[cause])
	}
	row("lost", rep.lost)
	row("doubled", rep.doubled)
	row("unexplained", rep.unexplained)
	for _, what := range rep.notPlayed {
		fmt.Fprintf(w, "not run: %s\n", what)
	}
	return w.Flush()
}

// TestTooFewRestores checks the rate that `make chaos` must keep.
func TestTooFewRestores(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		restored int
		ran      time.Duration
		want     bool
	}{
		{0, 59 * time.Second, false},
		{2, time.Minute, true},
		{3, time.Minute, false},
		{29, 10 * time.Minute, true},
		{30, 10 * time.Minute, false},
	} {
		rep := chaosReport{restored: tt.restored, ran: tt.ran}
		if got := rep.hasTooFewRestores(); got != tt.want {
			t.Errorf("%d restores in %s are too few: %v", tt.restored, tt.ran, got)
		}
	}
}
