//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

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

func (a attack) row() string { return a.group + ": " + a.name }

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
