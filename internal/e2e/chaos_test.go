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
	killsInEach = 10
	mostLaps    = 5
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
	attacks, notRun := attacks(), leftOut
	if why := cannotCrash(t); why == "" {
		attacks = append(attacks, crashes()...)
	} else {
		notRun = append(notRun, "database crash: "+why)
	}
	for i := range attacks {
		if *chaosDuration > 0 && attacks[i].group == groupRestore {
			attacks[i].times *= restoresFactor
		}
	}
	y := newTally(attacks, notRun)
	t.Cleanup(func() {
		var table strings.Builder
		if err := y.print(&table); err != nil {
			t.Error(err)
		}
		fmt.Fprintf(os.Stderr, "chaos, seed %d\n%s", seed, table.String())
	})
	more := func(laps uint64) bool {
		if *chaosDuration > 0 {
			return laps == 0 || time.Since(y.began) < *chaosDuration
		}
		return len(y.missing()) > 0 && laps < mostLaps
	}
	for n := uint64(0); more(n); n++ {
		lapSeed := seed + n
		again := fmt.Sprintf("make chaos DURATION=1s SEED=%d", lapSeed)
		fmt.Fprintf(os.Stderr, "chaos: lap %d, to repeat it: %s\n", n+1, again)
		began := time.Now()
		passed := t.Run(fmt.Sprintf("seed=%d", lapSeed), func(t *testing.T) {
			l := newLap(t, lapSeed, y)
			l.drive(deck(attacks))
			l.judge()
		})
		y.ran += time.Since(began)
		if !passed {
			t.Fatalf("lap %d failed; to repeat it: %s", n+1, again)
		}
	}
	if missing := y.missing(); *chaosDuration == 0 && len(missing) > 0 {
		t.Errorf("after %d laps not hit often enough: %s", y.laps, strings.Join(missing, "; "))
	}
	if *chaosDuration > 0 && y.tooFewRestores() {
		t.Errorf("%.1f backups restored a minute, want at least %d", y.restoresPerMinute(), leastRestores)
	}
}

// A tally is what came of all laps.
type tally struct {
	began   time.Time
	ran     time.Duration // the laps that are over
	attacks []attack
	notRun  []string // what could not be run, and why

	laps, passes, restored     int
	hits, misses               map[string]int // by attack
	faults                     map[string]int // requests, by kind
	asked, ideal               int            // requests
	requests                   map[string]int // by cause
	lost, doubled, unexplained int
}

func newTally(attacks []attack, notRun []string) *tally {
	return &tally{
		began: time.Now(), attacks: attacks, notRun: notRun,
		hits: map[string]int{}, misses: map[string]int{}, faults: map[string]int{}, requests: map[string]int{},
	}
}

func (y *tally) attacked(a attack, hit bool) {
	if hit {
		y.hits[a.row()]++
	} else {
		y.misses[a.row()]++
	}
}

// missing names the attacks that have not hit often enough, and the usual faults that no request met.
func (y *tally) missing() (names []string) {
	for _, a := range y.attacks {
		least := 1
		if a.group == groupKill {
			least = killsInEach
		}
		if y.hits[a.row()] < least {
			names = append(names, a.row())
		}
	}
	for _, kind := range usualFaults {
		if y.faults[kind] == 0 {
			names = append(names, "fault: "+kind)
		}
	}
	return names
}

// leastRestores is how many backups the laps must restore each minute, if they ran for at least one.
const leastRestores = 3

func (y *tally) restoresPerMinute() float64 {
	if y.ran == 0 {
		return 0
	}
	return float64(y.restored) / y.ran.Minutes()
}

// tooFewRestores reports whether the laps have shown too little of restored backups.
func (y *tally) tooFewRestores() bool {
	return y.ran >= time.Minute && y.restoresPerMinute() < leastRestores
}

// print writes the table. An attack that missed its state does not count.
func (y *tally) print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	row := func(name string, n int) { fmt.Fprintf(w, "%s\t%d\n", name, n) }
	fmt.Fprintf(w, "%d laps in %s\tcount\tmissed\n", y.laps, time.Since(y.began).Round(time.Second))
	for _, a := range y.attacks {
		fmt.Fprintf(w, "%s\t%d\t%d\n", a.row(), y.hits[a.row()], y.misses[a.row()])
	}
	for _, kind := range mockapi.FaultKinds() { // all: what was not played is a 0
		row("fault: "+string(kind), y.faults[string(kind)])
	}
	row("passes begun anew", y.passes)
	fmt.Fprintf(w, "backups restored\t%d\t%.1f a minute\n", y.restored, y.restoresPerMinute())
	row("requests", y.asked)
	row("  ideal", y.ideal)
	for _, cause := range []string{forPage, forReplay, forUndone, forEnd, forFault, forLimit, forCursor, forNothing} {
		row("  "+cause, y.requests[cause])
	}
	row("lost", y.lost)
	row("doubled", y.doubled)
	row("unexplained", y.unexplained)
	for _, what := range y.notRun {
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
		y := tally{restored: tt.restored, ran: tt.ran}
		if got := y.tooFewRestores(); got != tt.want {
			t.Errorf("%d restores in %s are too few: %v", tt.restored, tt.ran, got)
		}
	}
}
