package mockapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

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
