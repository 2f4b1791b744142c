package mockapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Scenario returns the current scenario. Its Events include those that have appeared since the start.
func (s *Server) Scenario() Scenario {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.currentScenario()
}

// currentScenario implements Scenario; the caller must hold s.mu.
func (s *Server) currentScenario() Scenario {
	c := s.plan.Scenario
	c.Events = s.size
	return c
}

// Change calls change with the current scenario, and then uses the scenario that change leaves. Requests that arrived
// before are not affected. The numbering of requests continues, and drifts still number the events of the collection with
// which the server started. If change returns an error, or the new scenario is invalid, Change returns that error and
// changes nothing. change must not call methods of the Server.
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

// A plan is a checked scenario with its schedules. It is immutable.
type plan struct {
	Scenario
	faults schedule[FaultKind]
	drifts *driftPlan // nil if no record drifts
	// maxTTL is the maximum CursorTTL of all plans so far.
	maxTTL time.Duration
}

// newPlan returns the plan for a scenario, or an error if the scenario is invalid. The drifts number the events of a
// collection of size startSize.
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

// MarshalJSON encodes all fields.
func (c Scenario) MarshalJSON() ([]byte, error) { return json.Marshal(c.toJSON()) }

// UnmarshalJSON changes the fields that text contains and no others. A list replaces the whole old list. An unknown field
// is an error. On an error it changes nothing.
func (c *Scenario) UnmarshalJSON(text []byte) error {
	// The lists are decoded into new memory: the decoder would overwrite the elements of c's lists.
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
	j := scenarioJSON{
		c.Events, c.Grow, c.RateLimit, jsonDuration(c.RateWindow), c.RateHeaders, c.RetryAfter, jsonDuration(c.CursorTTL),
		jsonDuration(c.Latency), c.Envelope, c.Faults, c.Drifts,
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

// explainJSONError rewords an error about a JSON type, so that it names the field and the JSON type but no Go type.
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
