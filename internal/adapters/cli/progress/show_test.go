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

// A notepad is a display and a writer that keeps what was drawn or written.
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

func TestShowEndsWithAClearedLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracker, pad := NewTracker(false), &notepad{}
		stop := tracker.Show(pad)
		time.Sleep(redrawEvery + time.Millisecond)
		tracker.Claiming()
		time.Sleep(redrawEvery)
		stop()
		stop()
		time.Sleep(time.Hour)
		if want := []string{"preparing the database", "claiming the stream", "(cleared)"}; !slices.Equal(pad.lines(), want) {
			t.Errorf("drawn %q, want %q", pad.lines(), want)
		}
	})
}

func TestShowDrawsNothingForARunThatIsOverAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pad := &notepad{}
		stop := NewTracker(false).Show(pad)
		time.Sleep(redrawEvery - time.Millisecond)
		stop()
		if !slices.Equal(pad.lines(), []string{"(cleared)"}) {
			t.Errorf("drawn %q", pad.lines())
		}
	})
}

func TestReportLogsEveryFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pad := &notepad{}
		stop := NewTracker(false).Report(slog.New(slog.NewTextHandler(pad, nil)))
		for want := range 4 {
			if n := len(pad.lines()); n != want {
				t.Errorf("%d lines, want %d", n, want)
			}
			time.Sleep(5*time.Second + time.Millisecond)
		}
		stop()
		stop()
		time.Sleep(time.Hour)
		lines := pad.lines()
		if len(lines) != 4 {
			t.Fatalf("%d lines in the end", len(lines))
		}
		if want := `level=INFO msg=progress events=0 retries=0 state="preparing the database"`; !strings.Contains(lines[0], want) {
			t.Errorf("logged %s, want %s", lines[0], want)
		}
	})
}
