package progress

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A recorder is a Display and an io.Writer. It records each line that is drawn or written, and "(cleared)" for each call of Clear.
type recorder struct {
	mu    sync.Mutex
	lines []string
}

func (r *recorder) Draw(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
}

func (r *recorder) Write(p []byte) (int, error) {
	r.Draw(string(p))
	return len(p), nil
}

// recorded returns the lines up to now.
func (r *recorder) recorded() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines)
}

func (r *recorder) Clear()       { r.Draw("(cleared)") }
func (r *recorder) Width() int   { return 80 }
func (r *recorder) Colour() bool { return false }

// TestTrackerShow checks that Show draws the state at each interval, and that only the first call of stop clears the line.
func TestTrackerShow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracker, display := NewTracker(noNewPass), &recorder{}
		stop := tracker.Show(display)
		time.Sleep(redrawInterval + time.Millisecond) // for one drawing
		tracker.SetClaiming()
		time.Sleep(redrawInterval) // for one more drawing
		stop()
		stop()
		time.Sleep(time.Hour) // nothing is drawn after stop
		const emptyColumns = "[          ]                        "
		want := []string{emptyColumns + "preparing the database", emptyColumns + "claiming the stream", "(cleared)"}
		if !slices.Equal(display.recorded(), want) {
			t.Errorf("got lines %q, want %q", display.recorded(), want)
		}
	})
}

// TestTrackerShow_ShortRun checks that a run that ends before the first interval draws nothing.
func TestTrackerShow_ShortRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		display := &recorder{}
		stop := NewTracker(noNewPass).Show(display)
		time.Sleep(redrawInterval - time.Millisecond)
		stop()
		if want := []string{"(cleared)"}; !slices.Equal(display.recorded(), want) {
			t.Errorf("got lines %q, want %q", display.recorded(), want)
		}
	})
}

// TestTrackerReport checks that Report writes a log line at each interval, and none after stop.
func TestTrackerReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &recorder{}
		stop := NewTracker(noNewPass).Report(slog.New(slog.NewTextHandler(log, nil)))
		const intervals = 4
		for passed := range intervals {
			if n := len(log.recorded()); n != passed {
				t.Errorf("got %d lines after %d intervals, want one for each", n, passed)
			}
			time.Sleep(reportInterval + time.Millisecond)
		}
		stop()
		stop()
		time.Sleep(time.Hour)
		lines := log.recorded()
		if len(lines) != intervals {
			t.Fatalf("got %d lines at the end, want %d", len(lines), intervals)
		}
		if want := `level=INFO msg=progress events=0 retries=0 state="preparing the database"`; !strings.Contains(lines[0], want) {
			t.Errorf("got line %q, want %q in it", lines[0], want)
		}
	})
}

// A narrowDisplay is a Display of 12 columns. It records a line only if the line differs from the line before.
type narrowDisplay struct {
	mu    sync.Mutex
	lines []string
}

func (n *narrowDisplay) Draw(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.lines) == 0 || n.lines[len(n.lines)-1] != line {
		n.lines = append(n.lines, line)
	}
}

func (n *narrowDisplay) Clear()     { n.Draw("") }
func (*narrowDisplay) Width() int   { return 12 }
func (*narrowDisplay) Colour() bool { return false }

// TestStepsShow checks that Show draws the current step, that it cuts a long step, and that stop clears the line.
func TestStepsShow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var steps Steps
		display := &narrowDisplay{}
		steps.Begin("replaced before the first drawing")
		stop := steps.Show(display)
		steps.Begin("first")
		time.Sleep(time.Second)
		steps.Begin("second and long")
		time.Sleep(time.Second)
		stop()
		stop()
		if want := []string{"first", "second a...", ""}; !slices.Equal(display.lines, want) {
			t.Errorf("got lines %q, want %q", display.lines, want)
		}
	})
}
