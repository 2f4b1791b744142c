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
	// shortLaps is how many laps are run without a duration, killsInEach what they must come to in every state.
	shortLaps   = 3
	killsInEach = 10
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
	y := newTally(attacks, notRun)
	t.Cleanup(func() {
		var table strings.Builder
		if err := y.print(&table); err != nil {
			t.Error(err)
		}
		fmt.Fprintf(os.Stderr, "chaos, seed %d\n%s", seed, table.String())
	})
	for n := uint64(0); n < shortLaps && *chaosDuration == 0 || n == 0 || time.Since(y.began) < *chaosDuration; n++ {
		lapSeed := seed + n
		again := fmt.Sprintf("make chaos DURATION=1s SEED=%d", lapSeed)
		fmt.Fprintf(os.Stderr, "chaos: lap %d, to repeat it: %s\n", n+1, again)
		passed := t.Run(fmt.Sprintf("seed=%d", lapSeed), func(t *testing.T) {
			l := newLap(t, lapSeed, y)
			l.drive(deck(attacks))
			l.judge()
		})
		if !passed {
			t.Fatalf("lap %d failed; to repeat it: %s", n+1, again)
		}
	}
	if *chaosDuration == 0 {
		y.enough(t)
	}
}

// enough fails the test unless every state was hit as often as promised.
func (y *tally) enough(t *testing.T) {
	t.Helper()
	for _, a := range y.attacks {
		least := 1
		if a.group == groupKill {
			least = killsInEach
		}
		if n := y.hits[a.row()]; n < least {
			t.Errorf("%s: %d count, want %d", a.row(), n, least)
		}
	}
}
