package mockapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Scenario returns the current scenario. Its field Events is the current size of the collection.
func (s *Server) Scenario() Scenario {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.currentScenario()
}

// currentScenario returns the current scenario. The caller must hold s.mu.
func (s *Server) currentScenario() Scenario {
	current := s.plan.Scenario
	current.Events = s.size
	return current
}

// Change calls change to edit a copy of the current scenario, and then uses the copy. Requests that arrived before the
// call are not affected. The requests are still numbered from the first one, and the numbers of a [Drift] are still the
// indices at the start. If change returns an error, or the new scenario is invalid, Change returns that error and changes
// nothing. The function change must not call methods of the Server.
func (s *Server) Change(change func(*Scenario) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := s.currentScenario()
	if err := change(&changed); err != nil {
		return err
	}
	newPlan, err := makePlan(s.cfg.Seed, s.cfg.Events, changed)
	if err != nil {
		return fmt.Errorf("mockapi: %w", err)
	}
	newPlan.maxTTL = max(newPlan.maxTTL, s.plan.maxTTL)
	s.plan, s.size = newPlan, changed.Events
	return nil
}

// A plan is a checked scenario with its schedules. It is immutable.
type plan struct {
	Scenario
	faults schedule[FaultKind]
	drifts *driftPlan // nil if no record drifts
	// maxTTL is the longest CursorTTL of this plan and all plans before it.
	maxTTL time.Duration
}

// makePlan returns the plan for a scenario, or an error if the scenario is invalid. startSize is the size of the collection
// when the server started. The numbers of a [Drift] are the indices of that time.
func makePlan(seed uint64, startSize int, scenario Scenario) (*plan, error) {
	if err := scenario.validate(); err != nil {
		return nil, err
	}
	faults, err := newSchedule(seed, scenario.Faults)
	if err != nil {
		return nil, err
	}
	drifts, err := newSchedule(seed, scenario.Drifts)
	if err != nil {
		return nil, err
	}
	p := &plan{Scenario: scenario, faults: faults, maxTTL: scenario.CursorTTL}
	if !drifts.isEmpty() {
		p.drifts = newDriftPlan(seed, startSize, drifts)
	}
	return p, nil
}

// MarshalJSON encodes all fields.
func (c Scenario) MarshalJSON() ([]byte, error) { return json.Marshal(c.toJSON()) }

// UnmarshalJSON changes the fields that text contains and no others. A list replaces the whole old list. If text has an
// unknown field or another error, UnmarshalJSON returns an error and changes nothing.
func (c *Scenario) UnmarshalJSON(text []byte) error {
	// The lists are decoded into new memory, because the decoder would overwrite the elements of c's lists.
	decoded := c.toJSON()
	decoded.Faults, decoded.Drifts = nil, nil
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&decoded); err != nil {
		return fmt.Errorf("scenario: %w", explainJSONError(err))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("scenario: there is more text after the JSON object")
	}
	changed := decoded.toScenario()
	if decoded.Faults == nil { // text does not contain the list
		changed.Faults = c.Faults
	}
	if decoded.Drifts == nil {
		changed.Drifts = c.Drifts
	}
	*c = changed
	return nil
}

// A scenarioJSON is the JSON form of a Scenario: durations like "1m30s", and rules as text.
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

// A jsonDuration is a duration that is encoded as its text.
type jsonDuration time.Duration

func (d jsonDuration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *jsonDuration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = jsonDuration(parsed)
	return err
}

func (c Scenario) toJSON() scenarioJSON {
	encodable := scenarioJSON{
		Events:      c.Events,
		Grow:        c.Grow,
		RateLimit:   c.RateLimit,
		RateWindow:  jsonDuration(c.RateWindow),
		RateHeaders: c.RateHeaders,
		RetryAfter:  c.RetryAfter,
		CursorTTL:   jsonDuration(c.CursorTTL),
		Latency:     jsonDuration(c.Latency),
		Envelope:    c.Envelope,
		Faults:      c.Faults,
		Drifts:      c.Drifts,
	}
	// An empty list is encoded as [], but nil would be null.
	if encodable.Faults == nil {
		encodable.Faults = []Fault{}
	}
	if encodable.Drifts == nil {
		encodable.Drifts = []Drift{}
	}
	return encodable
}

func (j scenarioJSON) toScenario() Scenario {
	return Scenario{
		Events:      j.Events,
		Grow:        j.Grow,
		RateLimit:   j.RateLimit,
		RateWindow:  time.Duration(j.RateWindow),
		RateHeaders: j.RateHeaders,
		RetryAfter:  j.RetryAfter,
		CursorTTL:   time.Duration(j.CursorTTL),
		Latency:     time.Duration(j.Latency),
		Envelope:    j.Envelope,
		Faults:      j.Faults,
		Drifts:      j.Drifts,
	}
}

// explainJSONError replaces an error about a JSON type by an error that names the field and the JSON type, but no Go type.
// It returns other errors unchanged.
func explainJSONError(err error) error {
	typeErr, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case !ok:
		return err
	case typeErr.Field == "":
		return fmt.Errorf("got a JSON %s, want an object with settings", typeErr.Value)
	default:
		return fmt.Errorf("%s: a JSON %s has the wrong type", typeErr.Field, typeErr.Value)
	}
}
