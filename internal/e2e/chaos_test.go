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
	chaosDuration = flag.Duration("chaos.duration", 0, "how long TestChaos starts new rounds; 0: until each state was hit often enough")
	chaosSeed     = flag.Uint64("chaos.seed", 0, "the seed of TestChaos's first round; 0: a random one, which is printed")
)

const (
	// Without a duration, rounds are run until there were minKills kills in every state, but at most maxRounds.
	minKills  = 10
	maxRounds = 5
	// restoresFactor multiplies the restores of a round if there is a duration, to reach minRestores.
	restoresFactor = 2
)

// TestChaos checks that no record is lost, doubled, altered or invented while runs are killed and disturbed in every state;
// see the package documentation. It is not parallel, since a crash of the database would disturb other tests.
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
		repeat := fmt.Sprintf("make chaos DURATION=1s SEED=%d", roundSeed)
		fmt.Fprintf(os.Stderr, "chaos: round %d, to repeat it: %s\n", n+1, repeat)
		began := time.Now()
		passed := t.Run(fmt.Sprintf("seed=%d", roundSeed), func(t *testing.T) {
			rd := newRound(t, roundSeed, rep)
			rd.runAttacks(repeatAttacks(attacks))
			rd.judge()
		})
		rep.ran += time.Since(began)
		if !passed {
			t.Fatalf("round %d failed; to repeat it: %s", n+1, repeat)
		}
	}
	if gaps := rep.gaps(); *chaosDuration == 0 && len(gaps) > 0 {
		t.Errorf("after %d rounds not hit often enough: %s", rep.rounds, strings.Join(gaps, "; "))
	}
	if *chaosDuration > 0 && rep.hasTooFewRestores() {
		t.Errorf("got %.1f restored backups a minute, want at least %d", rep.restoresPerMinute(), minRestores)
	}
}

// A chaosReport counts what happened in all rounds.
type chaosReport struct {
	began     time.Time
	ran       time.Duration // of the rounds that have ended
	attacks   []attack
	notPlayed []string // attacks and faults that could not be played, and why

	rounds, passes, restored   int
	hits, misses               map[string]int // by attack
	faults                     map[string]int // requests, by kind
	requests, idealRequests    int
	causes                     map[string]int // requests, by cause
	lost, doubled, unexplained int
}

func newChaosReport(attacks []attack, notPlayed []string) *chaosReport {
	return &chaosReport{
		began: time.Now(), attacks: attacks, notPlayed: notPlayed,
		hits: map[string]int{}, misses: map[string]int{}, faults: map[string]int{}, causes: map[string]int{},
	}
}

// addAttack counts an attack. One that missed its state counts as a miss.
func (rep *chaosReport) addAttack(a attack, hit bool) {
	if hit {
		rep.hits[a.row()]++
	} else {
		rep.misses[a.row()]++
	}
}

// gaps returns the names of the attacks that have not hit often enough, and of the usual faults that hit no request.
func (rep *chaosReport) gaps() (names []string) {
	for _, a := range rep.attacks {
		minHits := 1
		if a.group == groupKill {
			minHits = minKills
		}
		if rep.hits[a.row()] < minHits {
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

// minRestores is the number of backups that the rounds must restore each minute, if they ran for a minute or longer.
const minRestores = 3

func (rep *chaosReport) restoresPerMinute() float64 {
	if rep.ran == 0 {
		return 0
	}
	return float64(rep.restored) / rep.ran.Minutes()
}

// hasTooFewRestores reports whether the rounds have restored fewer backups than minRestores requires.
func (rep *chaosReport) hasTooFewRestores() bool {
	return rep.ran >= time.Minute && rep.restoresPerMinute() < minRestores
}

// print writes the report as a table.
func (rep *chaosReport) print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	row := func(name string, n int) { fmt.Fprintf(w, "%s\t%d\n", name, n) }
	fmt.Fprintf(w, "%d rounds in %s\tcount\tmissed\n", rep.rounds, time.Since(rep.began).Round(time.Second))
	for _, a := range rep.attacks {
		fmt.Fprintf(w, "%s\t%d\t%d\n", a.row(), rep.hits[a.row()], rep.misses[a.row()])
	}
	for _, kind := range mockapi.FaultKinds() { // all of them: a fault that was not played has a 0
		row("fault: "+string(kind), rep.faults[string(kind)])
	}
	row("new passes", rep.passes)
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
		fmt.Fprintf(w, "not played: %s\n", what)
	}
	return w.Flush()
}

// TestTooFewRestores checks the rate of restored backups that `make chaos` requires.
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
			t.Errorf("%d restores in %s: too few %v, want %v", tt.restored, tt.ran, got, tt.want)
		}
	}
}
