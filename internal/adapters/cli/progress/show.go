package progress

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// redrawEvery is often enough for a window that changes its size and for seconds that count down.
	redrawEvery = 200 * time.Millisecond
	// reportEvery is the time between two log lines.
	reportEvery = 5 * time.Second
)

// A Display has room for one line.
type Display interface {
	Draw(line string)
	Clear()
	Width() int // columns, now
	Colour() bool
}

// Show draws the run on a display several times a second, for the first time after redrawEvery: what is over at once does
// not flicker. The stop it returns, which may be called again, clears the line and returns when nothing more is drawn.
func (t *Tracker) Show(d Display) (stop func()) {
	return every(redrawEvery, func(now time.Time) {
		d.Draw(Line(t.At(now), now, d.Width(), d.Colour()))
	}, d.Clear)
}

// Report logs the run every reportEvery, for the first time after as long. The stop it returns, which may be called
// again, returns when nothing more is logged.
func (t *Tracker) Report(log *slog.Logger) (stop func()) {
	return every(reportEvery, func(now time.Time) {
		if s := t.At(now); s.State != Complete {
			log.LogAttrs(context.Background(), slog.LevelInfo, "progress", Fields(s, now)...)
		}
	}, func() {})
}

// every calls do at that interval, from one goroutine, until stop is called; then end, once.
func every(interval time.Duration, do func(now time.Time), end func()) (stop func()) {
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
