package mockapi

import (
	"errors"
	"fmt"
	"time"
)

// An Envelope is the shape of a page around its events.
type Envelope string

const (
	// EnvelopeNested is what the service sends [R]: {data, pagination{…}, meta{…}}.
	EnvelopeNested Envelope = "nested"
	// EnvelopeFlat is what its documentation promises: {data, hasMore, nextCursor}, without a total.
	EnvelopeFlat Envelope = "flat"
)

// The bounds of a Config: nothing it can say makes the mock take memory or time without end.
const (
	maxEvents       = 1_000_000_000
	maxPage         = 100_000
	maxRateLimit    = 1_000_000
	maxSpan         = 24 * time.Hour
	maxLatency      = 10 * time.Minute
	maxJournalLimit = 10_000_000
)

// A Config says which service is mocked. Start from [DefaultConfig]: zero is a value here, not a default.
type Config struct {
	// Events is the size of the collection; 0 is the empty collection.
	Events int
	// Seed decides every event and every random fault.
	Seed uint64
	// APIKey is what X-API-Key must hold.
	APIKey string
	// RateLimit is the number of requests in one window; 0 means no limit and no X-RateLimit headers.
	RateLimit int
	// RateWindow is the length of a window, which its first request opens.
	RateWindow time.Duration
	// CursorTTL is the life of a cursor from the arrival of the request that minted it.
	CursorTTL time.Duration
	// Latency passes between the arrival of a request to /events and its answer.
	Latency time.Duration
	// Envelope is the shape of a page.
	Envelope Envelope
	// DefaultLimit is the size of a page when none is asked for, in events.
	DefaultLimit int
	// MaxLimit caps the size of a page silently, in events.
	MaxLimit int
	// Faults are what goes wrong, at most one per request.
	Faults []Fault
	// JournalLimit is the number of requests the journal keeps; totals are counted beyond it.
	JournalLimit int
}

// DefaultConfig is the service as recorded [R], with 100,000 events, the key "demo-key" and no faults.
// The live service takes 0.5 to 5 s per page; here an answer comes at once.
func DefaultConfig() Config {
	return Config{
		Events:       100_000,
		Seed:         1,
		APIKey:       "demo-key",
		RateLimit:    10,
		RateWindow:   60 * time.Second,
		CursorTTL:    120 * time.Second,
		Envelope:     EnvelopeNested,
		DefaultLimit: 100,
		MaxLimit:     5000,
		JournalLimit: 100_000,
	}
}

// validate names the first setting that cannot be served, by the name of its flag in cmd/mockapi.
func (c Config) validate() error {
	if c.APIKey == "" {
		return errors.New("api-key: must not be empty")
	}
	if c.Envelope != EnvelopeNested && c.Envelope != EnvelopeFlat {
		return fmt.Errorf("envelope: %q is neither %q nor %q", c.Envelope, EnvelopeNested, EnvelopeFlat)
	}
	for _, b := range []struct {
		name          string
		got, min, max int
	}{
		{"events", c.Events, 0, maxEvents},
		{"rate-limit", c.RateLimit, 0, maxRateLimit},
		{"max-limit", c.MaxLimit, 1, maxPage},
		{"default-limit", c.DefaultLimit, 1, c.MaxLimit},
		{"journal-limit", c.JournalLimit, 0, maxJournalLimit},
	} {
		if b.got < b.min || b.got > b.max {
			return fmt.Errorf("%s: %d is not between %d and %d", b.name, b.got, b.min, b.max)
		}
	}
	for _, b := range []struct {
		name          string
		got, min, max time.Duration
	}{
		{"rate-window", c.RateWindow, time.Millisecond, maxSpan},
		{"cursor-ttl", c.CursorTTL, time.Millisecond, maxSpan},
		{"latency", c.Latency, 0, maxLatency},
	} {
		if b.got < b.min || b.got > b.max {
			return fmt.Errorf("%s: %v is not between %v and %v", b.name, b.got, b.min, b.max)
		}
	}
	return nil
}
