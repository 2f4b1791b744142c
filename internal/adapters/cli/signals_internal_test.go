package cli

import (
	"context"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestSignal_Repeated checks which signals count as the second one, which ends pawl at once. GNU timeout sends the same signal twice.
func TestSignal_Repeated(t *testing.T) {
	t.Parallel()
	const term, interrupt = syscall.SIGTERM, syscall.SIGINT
	for _, tt := range []struct {
		name   string
		first  os.Signal
		second os.Signal
		after  time.Duration // the time between the two
		want   int
	}{
		{"the same signal at once", term, term, time.Millisecond, ExitAgain},
		{"the same signal at the same time", term, term, 0, ExitAgain},
		{"the same signal after a while", term, term, 2 * time.Second, 128 + int(term)},
		{"another signal at once", term, interrupt, time.Millisecond, 128 + int(interrupt)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				signals := make(chan os.Signal)
				s := session{ctx: t.Context(), Process: Process{Signals: signals}}
				s.output = newOutputState()
				s.busy.Store(true)
				go func() {
					signals <- tt.first
					time.Sleep(tt.after)
					signals <- tt.second
				}()
				ctx, end := context.WithCancel(t.Context())
				defer end() // so that no goroutine is left
				got := s.runUntilSignal(func() int {
					<-s.ctx.Done()
					select { // its current step
					case <-time.After(5 * time.Second):
					case <-ctx.Done():
					}
					return ExitAgain
				})
				if got != tt.want {
					t.Errorf("got exit %d, want %d", got, tt.want)
				}
			})
		})
	}
}
