package progress_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli/progress"
)

// A narrow display is 12 columns wide, and notes what it shows.
type narrow struct {
	mu    sync.Mutex
	lines []string
}

func (n *narrow) Draw(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.lines) == 0 || n.lines[len(n.lines)-1] != line {
		n.lines = append(n.lines, line)
	}
}

func (n *narrow) Clear()     { n.Draw("") }
func (*narrow) Width() int   { return 12 }
func (*narrow) Colour() bool { return false }

func TestStepsAreShownOneAfterTheOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var steps progress.Steps
		display := &narrow{}
		steps.Begin("over at once")
		stop := steps.Show(display)
		steps.Begin("first")
		time.Sleep(time.Second)
		steps.Begin("second and long")
		time.Sleep(time.Second)
		stop()
		stop()
		if want := []string{"first", "second a...", ""}; !slices.Equal(display.lines, want) {
			t.Errorf("showed %q, want %q", display.lines, want)
		}
	})
}
