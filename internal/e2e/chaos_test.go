//go:build e2e

package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
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
