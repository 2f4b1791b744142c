package progress

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"
)

const (
	// redrawInterval is short enough for a window that changes its size and for seconds that count down.
	redrawInterval = 200 * time.Millisecond
	// reportInterval is the time between two log lines.
	reportInterval = 5 * time.Second
)

// A Display shows one line.
type Display interface {
	Draw(line string)
	Clear()
	Width() int // columns, now
	Colour() bool
}

// Show draws the run on a display every redrawInterval. It draws first after that time, so that a short run does not flicker.
// stop clears the line and returns when nothing more will be drawn. It may be called again.
func (t *Tracker) Show(d Display) (stop func()) {
	return callEvery(redrawInterval, func(now time.Time) {
		d.Draw(Line(t.At(now), now, d.Width(), d.Colour()))
	}, d.Clear)
}

// Report logs the run every reportInterval, first after that time. stop returns when nothing more will be logged. It may be
// called again.
func (t *Tracker) Report(log *slog.Logger) (stop func()) {
	return callEvery(reportInterval, func(now time.Time) {
		if s := t.At(now); s.State != Complete {
			log.LogAttrs(context.Background(), slog.LevelInfo, "progress", Fields(s, now)...)
		}
	}, func() {})
}

// Fields returns s as the fields of a log line, without those that are not known.
func Fields(s Snapshot, now time.Time) []slog.Attr {
	fields := []slog.Attr{slog.Int64("events", s.Offset)}
	if s.Total.Known {
		fields = append(fields, slog.Int64("of", s.Total.N))
	}
	if done, known := s.permille(); known {
		fields = append(fields, slog.String("share", fmt.Sprintf("%d.%d%%", done/10, done%10)))
	}
	if s.PerSecond > 0 {
		fields = append(fields, slog.Float64("per_second", math.Round(s.PerSecond*10)/10))
	}
	if s.Left > 0 {
		fields = append(fields, slog.String("eta", (time.Duration(ceilSeconds(s.Left))*time.Second).String()))
		if s.LeftByQuota {
			fields = append(fields, slog.String("eta_bound_by", "rate limit"))
		}
	}
	return append(fields, slog.Int("retries", s.Retries), slog.String("state", s.stateText(now)))
}

// Steps shows the steps of a command whose progress cannot be measured. Its methods may be called from any goroutine.
type Steps struct {
	mu   sync.Mutex
	step string
}

// Begin ends the current step and begins another.
func (s *Steps) Begin(step string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.step = step
}

// Show draws the current step on a display, as [Tracker.Show] draws a run.
func (s *Steps) Show(d Display) (stop func()) {
	return callEvery(redrawInterval, func(time.Time) {
		s.mu.Lock()
		step := s.step
		s.mu.Unlock()
		d.Draw(cut(step, max(d.Width()-1, 0)))
	}, d.Clear)
}

// callEvery calls do at that interval, from one goroutine, until stop is called. stop then calls end, once.
func callEvery(interval time.Duration, do func(now time.Time), end func()) (stop func()) {
	done := make(chan struct{})
	var worker sync.WaitGroup
	worker.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				do(time.Now())
			case <-done:
				return
			}
		}
	})
	return sync.OnceFunc(func() {
		close(done)
		worker.Wait()
		end()
	})
}
