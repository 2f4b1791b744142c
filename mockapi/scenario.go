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
	drifts *driftPlan // nil if no record drifts
	// longestTTL is the longest life that a cursor was given so far.
	maxTTL time.Duration
}

// newPlan checks a scenario. Its drifts number the events of a collection of the size origin.
func newPlan(seed uint64, startSize int, c Scenario) (*plan, error) {
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
	p := &plan{Scenario: c, faults: faults, maxTTL: c.CursorTTL}
	if !drifts.isEmpty() {
		p.drifts = newDriftPlan(seed, startSize, drifts)
	}
	return p, nil
}

// Scenario is what is played now; its Events are those that there are, grown ones included.
func (s *Server) Scenario() Scenario {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.currentScenario()
}

func (s *Server) currentScenario() Scenario {
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
	c := s.currentScenario()
	if err := change(&c); err != nil {
		return err
	}
	p, err := newPlan(s.cfg.Seed, s.cfg.Events, c)
	if err != nil {
		return fmt.Errorf("mockapi: %w", err)
	}
	p.maxTTL = max(p.maxTTL, s.plan.maxTTL)
	s.plan, s.size = p, c.Events
	return nil
}

// A scenarioJSON is a Scenario as a file or the admin endpoint has it: durations like "1m30s", rules as their text.
type scenarioJSON struct {
	Events      int          `json:"events"`
	Grow        int          `json:"grow"`
	RateLimit   int          `json:"rate_limit"`
	RateWindow  jsonDuration `json:"rate_window"`
	RateHeaders RateHeaders  `json:"rate_headers"`
	RetryAfter  RetryAfter   `json:"retry_after"`
	CursorTTL   jsonDuration `json:"cursor_ttl"`
	Latency     jsonDuration `json:"latency"`
	Envelope    Envelope     `json:"envelope"`
	Faults      []Fault      `json:"faults"`
	Drifts      []Drift      `json:"drifts"`
}

// A span is a duration with the text of one.
type jsonDuration time.Duration

func (d jsonDuration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *jsonDuration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = jsonDuration(parsed)
	return err
}

func (c Scenario) toJSON() scenarioJSON {
	j := scenarioJSON{
		c.Events, c.Grow, c.RateLimit, jsonDuration(c.RateWindow), c.RateHeaders, c.RetryAfter, jsonDuration(c.CursorTTL), jsonDuration(c.Latency), c.Envelope,
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

func (j scenarioJSON) toScenario() Scenario {
	return Scenario{
		j.Events, j.Grow, j.RateLimit, time.Duration(j.RateWindow), j.RateHeaders, j.RetryAfter, time.Duration(j.CursorTTL),
		time.Duration(j.Latency), j.Envelope, j.Faults, j.Drifts,
	}
}

// MarshalJSON gives every field.
func (c Scenario) MarshalJSON() ([]byte, error) { return json.Marshal(c.toJSON()) }

// UnmarshalJSON changes the fields that are named and leaves the others; a list is replaced whole. On an error, which an
// unknown field is too, nothing is changed.
func (c *Scenario) UnmarshalJSON(text []byte) error {
	// What is decoded into must not share memory with c: a rule would be written over in place.
	j := c.toJSON()
	j.Faults, j.Drifts = nil, nil
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&j); err != nil {
		return fmt.Errorf("scenario: %w", explainJSONError(err))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("scenario: something follows the object")
	}
	changed := j.toScenario()
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
func explainJSONError(err error) error {
	typeErr, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case !ok:
		return err
	case typeErr.Field == "":
		return fmt.Errorf("a JSON %s is no object of settings", typeErr.Value)
	default:
		return fmt.Errorf("%s: a JSON %s is of the wrong type", typeErr.Field, typeErr.Value)
	}
}
