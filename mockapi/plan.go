package mockapi

import (
	"fmt"
	"time"
)

// A plan is a scenario made ready to be played. It does not change.
type plan struct {
	Scenario
	faults schedule[FaultKind]
	drifts *drifting // nil if no record drifts
	// longestTTL is the longest life that a cursor was given so far.
	longestTTL time.Duration
}

// newPlan checks a scenario. Its drifts number the events of a collection of the size origin.
func newPlan(seed uint64, origin int, c Scenario) (*plan, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	faults, err := newSchedule(seed, c.Faults)
	if err != nil {
		return nil, err
	}
	drifts, err := newSchedule(seed, c.Drifts)
	if err != nil {
		return nil, err
	}
	p := &plan{Scenario: c, faults: faults, longestTTL: c.CursorTTL}
	if !drifts.empty() {
		p.drifts = newDrifting(seed, origin, drifts)
	}
	return p, nil
}

// Scenario is what is played now; its Events are those that there are, grown ones included.
func (s *Server) Scenario() Scenario {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.scenario()
}

func (s *Server) scenario() Scenario {
	c := s.plan.Scenario
	c.Events = s.size
	return c
}

// Change alters the scenario: change gets what is played now. Requests that arrived before are answered as they would have
// been. Numbers of requests go on, and drifts keep numbering the events of the collection that the mock was started with.
// If change fails, or the outcome cannot be served, nothing is altered.
func (s *Server) Change(change func(*Scenario) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.scenario()
	if err := change(&c); err != nil {
		return err
	}
	p, err := newPlan(s.cfg.Seed, s.cfg.Events, c)
	if err != nil {
		return fmt.Errorf("mockapi: %w", err)
	}
	p.longestTTL = max(p.longestTTL, s.plan.longestTTL)
	s.plan, s.size = p, c.Events
	return nil
}
