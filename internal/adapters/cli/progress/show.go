package progress

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"
)

const (
	// redrawInterval is the time between two drawings of the line. It is short, so that the line soon fits a resized window and the
	// seconds of a wait count down regularly.
	redrawInterval = 200 * time.Millisecond
	// reportInterval is the time between two log lines about the progress.
	reportInterval = 5 * time.Second
	// watchInterval is the time between two calls for a program that watches the progress.
	watchInterval = time.Second
)

// A Display shows one line. A terminal.Screen is a Display.
type Display interface {
	Draw(line string) // shows line instead of the line before
	Clear()           // removes the line
	Width() int       // returns the current number of columns
	Colour() bool     // reports whether to use colours
}

// Show starts to draw the line about the progress on a display every redrawInterval. It first draws after one interval, so that a short
// run shows no line. The function stop ends the drawing, waits for a call of Draw in progress, and clears the line. A second call of
// stop does nothing.
func (t *Tracker) Show(d Display) (stop func()) {
	return callEvery(redrawInterval, func(now time.Time) {
		d.Draw(Line(t.Snapshot(now), now, d.Width(), d.Colour()))
	}, d.Clear)
}

// Report starts to log the progress every reportInterval, for the first time after one interval. The function stop ends the reports and
// waits for a log line in progress. A second call of stop does nothing.
func (t *Tracker) Report(log *slog.Logger) (stop func()) {
	nothing := func() {}
	return callEvery(reportInterval, func(now time.Time) {
		if s := t.Snapshot(now); s.State != Complete {
			log.LogAttrs(context.Background(), slog.LevelInfo, "progress", Fields(s, now)...)
		}
	}, nothing)
}

// Watch calls do with a snapshot every watchInterval until the run is complete, for the first time after one interval. The function stop
// ends the calls, waits for one in progress, and calls do with the last snapshot. A second call of stop does nothing.
func (t *Tracker) Watch(do func(s Snapshot, now time.Time)) (stop func()) {
	return callEvery(watchInterval, func(now time.Time) {
		if s := t.Snapshot(now); s.State != Complete {
			do(s, now)
		}
	}, func() {
		now := time.Now()
		do(t.Snapshot(now), now)
	})
}

// Fields returns s as the fields of a log line. It leaves out the values that are not known.
func Fields(s Snapshot, now time.Time) []slog.Attr {
	fields := []slog.Attr{slog.Int64("events", s.Offset)}
	if s.Total.Known {
		fields = append(fields, slog.Int64("of", s.Total.N))
	}
	if stored, known := s.permille(); known {
		fields = append(fields, slog.String("share", formatPermille(stored)))
	}
	if s.PerSecond > 0 {
		fields = append(fields, slog.Float64("per_second", s.RoundedSpeed()))
	}
	if s.Left > 0 {
		eta := time.Duration(ceilSeconds(s.Left)) * time.Second
		fields = append(fields, slog.String("eta", eta.String()))
		if s.LeftByQuota {
			fields = append(fields, slog.String("eta_bound_by", "rate limit"))
		}
	}
	return append(fields, slog.Int("retries", s.Retries), slog.String("state", s.stateForms(now)[0]))
}

// RoundedSpeed returns PerSecond with one decimal.
func (s Snapshot) RoundedSpeed() float64 { return math.Round(s.PerSecond*10) / 10 }

// Steps shows the steps of a command whose progress cannot be measured. Its methods may be called from any goroutine.
type Steps struct {
	mu   sync.Mutex
	step string
}

// Begin sets the description of the current step.
func (s *Steps) Begin(step string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.step = step
}

// Show starts to draw the description of the current step on a display, at the same times as [Tracker.Show]. The function stop does the
// same as that of [Tracker.Show].
func (s *Steps) Show(d Display) (stop func()) {
	return callEvery(redrawInterval, func(time.Time) {
		s.mu.Lock()
		step := s.step
		s.mu.Unlock()
		d.Draw(cut(step, max(d.Width()-1, 0)))
	}, d.Clear)
}

// callEvery starts a goroutine that calls do every interval. The first call of stop ends the goroutine, waits for its end and then calls
// end. A later call of stop does nothing.
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
