package mockapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// A scenarioJSON is a Scenario as a file or the admin endpoint has it: durations like "1m30s", rules as their text.
type scenarioJSON struct {
	Events      int         `json:"events"`
	Grow        int         `json:"grow"`
	RateLimit   int         `json:"rate_limit"`
	RateWindow  span        `json:"rate_window"`
	RateHeaders RateHeaders `json:"rate_headers"`
	RetryAfter  RetryAfter  `json:"retry_after"`
	CursorTTL   span        `json:"cursor_ttl"`
	Latency     span        `json:"latency"`
	Envelope    Envelope    `json:"envelope"`
	Faults      []Fault     `json:"faults"`
	Drifts      []Drift     `json:"drifts"`
}

// A span is a duration with the text of one.
type span time.Duration

func (d span) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *span) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = span(parsed)
	return err
}

func (c Scenario) json() scenarioJSON {
	j := scenarioJSON{
		c.Events, c.Grow, c.RateLimit, span(c.RateWindow), c.RateHeaders, c.RetryAfter, span(c.CursorTTL), span(c.Latency), c.Envelope,
		c.Faults, c.Drifts,
	}
	if j.Faults == nil {
		j.Faults = []Fault{}
	}
	if j.Drifts == nil {
		j.Drifts = []Drift{}
	}
	return j
}

func (j scenarioJSON) scenario() Scenario {
	return Scenario{
		j.Events, j.Grow, j.RateLimit, time.Duration(j.RateWindow), j.RateHeaders, j.RetryAfter, time.Duration(j.CursorTTL),
		time.Duration(j.Latency), j.Envelope, j.Faults, j.Drifts,
	}
}

// MarshalJSON gives every field.
func (c Scenario) MarshalJSON() ([]byte, error) { return json.Marshal(c.json()) }

// UnmarshalJSON changes the fields that are named and leaves the others; a list is replaced whole. On an error, which an
// unknown field is too, nothing is changed.
func (c *Scenario) UnmarshalJSON(text []byte) error {
	// What is decoded into must not share memory with c: a rule would be written over in place.
	j := c.json()
	j.Faults, j.Drifts = nil, nil
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&j); err != nil {
		return fmt.Errorf("scenario: %w", inWords(err))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("scenario: something follows the object")
	}
	changed := j.scenario()
	if j.Faults == nil {
		changed.Faults = c.Faults
	}
	if j.Drifts == nil {
		changed.Drifts = c.Drifts
	}
	*c = changed
	return nil
}

// inWords says of a value of the wrong type what it is and where it stands, and not what it was to become in Go.
func inWords(err error) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case !ok:
		return err
	case wrong.Field == "":
		return fmt.Errorf("a JSON %s is no object of settings", wrong.Value)
	default:
		return fmt.Errorf("%s: a JSON %s is of the wrong type", wrong.Field, wrong.Value)
	}
}
