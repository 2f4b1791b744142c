package progress

import (
	"sync"
	"time"
)

// Steps is what a command does that cannot tell how far it is: one thing after the other. Its methods may be called from
// any goroutine.
type Steps struct {
	mu   sync.Mutex
	step string
}

// Begin ends the step before.
func (s *Steps) Begin(step string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.step = step
}

// Show draws the step under way on a display, as Tracker.Show does a run.
func (s *Steps) Show(d Display) (stop func()) {
	return every(redrawEvery, func(time.Time) {
		s.mu.Lock()
		step := s.step
		s.mu.Unlock()
		d.Draw(cut(step, max(d.Width()-1, 0)))
	}, d.Clear)
}
