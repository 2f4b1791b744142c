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

// A notepad is a display and a writer that records what was drawn or written.
type notepad struct {
	mu    sync.Mutex
	drawn []string
}

func (n *notepad) Draw(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drawn = append(n.drawn, line)
}

func (n *notepad) Write(p []byte) (int, error) {
	n.Draw(string(p))
	return len(p), nil
}

func (n *notepad) lines() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.drawn)
}

func (n *notepad) Clear()       { n.Draw("(cleared)") }
func (n *notepad) Width() int   { return 80 }
func (n *notepad) Colour() bool { return false }

func TestTrackerShow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracker, pad := NewTracker(false), &notepad{}
		stop := tracker.Show(pad)
		time.Sleep(redrawInterval + time.Millisecond)
		tracker.Claiming()
		time.Sleep(redrawInterval)
		stop()
		stop()
		time.Sleep(time.Hour)
		if want := []string{"preparing the database", "claiming the stream", "(cleared)"}; !slices.Equal(pad.lines(), want) {
			t.Errorf("got %q, want %q", pad.lines(), want)
		}
	})
}

func TestTrackerShow_ShortRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pad := &notepad{}
		stop := NewTracker(false).Show(pad)
		time.Sleep(redrawInterval - time.Millisecond)
		stop()
		if !slices.Equal(pad.lines(), []string{"(cleared)"}) {
			t.Errorf("got %q, want only the cleared line", pad.lines())
		}
	})
}

func TestTrackerReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pad := &notepad{}
		stop := NewTracker(false).Report(slog.New(slog.NewTextHandler(pad, nil)))
		for want := range 4 {
			if n := len(pad.lines()); n != want {
				t.Errorf("got %d lines, want %d", n, want)
			}
			time.Sleep(5*time.Second + time.Millisecond)
		}
		stop()
		stop()
		time.Sleep(time.Hour)
		lines := pad.lines()
		if len(lines) != 4 {
			t.Fatalf("got %d lines at the end, want 4", len(lines))
		}
		if want := `level=INFO msg=progress events=0 retries=0 state="preparing the database"`; !strings.Contains(lines[0], want) {
			t.Errorf("got %s, want %s", lines[0], want)
		}
	})
}

// A narrowDisplay is 12 columns wide and records what it shows.
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

func TestStepsShow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var steps Steps
		display := &narrowDisplay{}
		steps.Begin("short")
		stop := steps.Show(display)
		steps.Begin("first")
		time.Sleep(time.Second)
		steps.Begin("second and long")
		time.Sleep(time.Second)
		stop()
		stop()
		if want := []string{"first", "second a...", ""}; !slices.Equal(display.lines, want) {
			t.Errorf("got %q, want %q", display.lines, want)
		}
	})
}
