package mockapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The bounds of a Config: nothing it can say makes the mock take memory or time without end.
const (
	maxEvents       = 1_000_000_000
	maxPage         = 100_000
	maxGrowth       = 1_000_000
	maxRateLimit    = 1_000_000
	maxSpan         = 24 * time.Hour
	maxLatency      = 10 * time.Minute
	maxJournalLimit = 10_000_000
)

// A Config says which service is mocked. Start from [DefaultConfig]: zero is a value here, not a default.
type Config struct {
	// Seed decides every event and every random fault and drift.
	Seed uint64
	// APIKey is what X-API-Key must hold.
	APIKey string
	// DefaultLimit is the size of a page when none is asked for, in items.
	DefaultLimit int
	// MaxLimit caps the size of a page silently, in items.
	MaxLimit int
	// JournalLimit is the number of requests the journal keeps, and a tenth of the number of drifted records; totals are
	// counted beyond it.
	JournalLimit int
	// Scenario is what may change while the mock runs.
	Scenario
}

// DefaultConfig is the service as recorded [R], with 100,000 events, the key "demo-key" and nothing wrong.
func DefaultConfig() Config {
	return Config{
		Seed:         1,
		APIKey:       "demo-key",
		DefaultLimit: 100,
		MaxLimit:     5000,
		JournalLimit: 100_000,
		Scenario:     DefaultScenario(),
	}
}

// validate names the first setting that cannot be served, by the name of its flag in cmd/mockapi.
func (c Config) validate() error {
	if c.APIKey == "" {
		return errors.New("api-key: must not be empty")
	}
	if err := (bounds[int]{
		{"max-limit", c.MaxLimit, 1, maxPage},
		{"default-limit", c.DefaultLimit, 1, c.MaxLimit},
		{"journal-limit", c.JournalLimit, 0, maxJournalLimit},
	}).check(); err != nil {
		return err
	}
	return c.Scenario.validate()
}

// bounds are settings and between what they must lie.
type bounds[T int | time.Duration] []struct {
	name          string
	got, min, max T
}

func (all bounds[T]) check() error {
	for _, b := range all {
		if b.got < b.min || b.got > b.max {
			return fmt.Errorf("%s: %v is not between %v and %v", b.name, b.got, b.min, b.max)
		}
	}
	return nil
}

// An Envelope is the shape of a page around its items.
type Envelope string

const (
	// EnvelopeNested is what the service sends [R]: {data, pagination{…}, meta{…}}.
	EnvelopeNested Envelope = "nested"
	// EnvelopeFlat is what its documentation promises: {data, hasMore, nextCursor}, without a total.
	EnvelopeFlat Envelope = "flat"
	// EnvelopeMixed is now the one and now the other, by the request's number.
	EnvelopeMixed Envelope = "mixed"
)

// A RateHeaders is how an answer tells of its rate limit window.
type RateHeaders string

const (
	// RateSeconds is X-RateLimit-Limit, -Remaining and -Reset, the last in whole seconds left [R].
	RateSeconds RateHeaders = "seconds"
	// RateEpoch is the same with -Reset as Unix seconds.
	RateEpoch RateHeaders = "epoch"
	// RateEpochMillis is the same with -Reset as Unix milliseconds.
	RateEpochMillis RateHeaders = "epoch-ms"
	// RateDate is the same with -Reset as an HTTP-date.
	RateDate RateHeaders = "http-date"
	// RateIETF is RateLimit and RateLimit-Policy of draft-ietf-httpapi-ratelimit-headers, in place of the others.
	RateIETF RateHeaders = "ietf"
	// RateAbsent is no such header.
	RateAbsent RateHeaders = "absent"
	// RateLying is X-RateLimit headers by which the window is always fresh and about to end.
	RateLying RateHeaders = "lying"
)

// A RetryAfter is how a 429 says when to come back.
type RetryAfter string

const (
	// RetrySeconds is whole seconds [R].
	RetrySeconds RetryAfter = "seconds"
	// RetryDate is an HTTP-date.
	RetryDate RetryAfter = "http-date"
	// RetryZero is 0, whatever the wait.
	RetryZero RetryAfter = "zero"
	// RetryAbsent is no Retry-After.
	RetryAbsent RetryAfter = "absent"
)

// A Scenario is what may change while the mock runs. A request is served by the scenario in which it arrived.
type Scenario struct {
	// Events is the size of the collection; 0 is the empty collection. A larger number adds events at the head.
	Events int
	// Grow is the number of events that appear at the head after each request to /events.
	Grow int
	// RateLimit is the number of requests in one window of /events; 0 means no limit and no headers of one, for any
	// endpoint. The other endpoints have limits of their own, as recorded [R].
	RateLimit int
	// RateWindow is the length of a window, which its first request opens.
	RateWindow time.Duration
	// RateHeaders is how an answer tells of its window.
	RateHeaders RateHeaders
	// RetryAfter is how a 429 says when to come back.
	RetryAfter RetryAfter
	// CursorTTL is the life of a cursor from the arrival of the request that minted it.
	CursorTTL time.Duration
	// Latency passes between the arrival of a request and its answer.
	Latency time.Duration
	// Envelope is the shape of a page.
	Envelope Envelope
	// Faults are what goes wrong with answers, at most one per request.
	Faults []Fault
	// Drifts are what is wrong with records, at most one per record.
	Drifts []Drift
}

// DefaultScenario is the service as recorded [R], with 100,000 events and nothing wrong. The live service takes 0.5 to 5 s
// per page; here an answer comes at once.
func DefaultScenario() Scenario {
	return Scenario{
		Events:      100_000,
		RateLimit:   10,
		RateWindow:  60 * time.Second,
		RateHeaders: RateSeconds,
		RetryAfter:  RetrySeconds,
		CursorTTL:   120 * time.Second,
		Envelope:    EnvelopeNested,
	}
}

func (c Scenario) validate() error {
	for _, err := range []error{
		checkOneOf("envelope", c.Envelope, EnvelopeNested, EnvelopeFlat, EnvelopeMixed),
		checkOneOf("rate-headers", c.RateHeaders, RateSeconds, RateEpoch, RateEpochMillis, RateDate, RateIETF, RateAbsent, RateLying),
		checkOneOf("retry-after", c.RetryAfter, RetrySeconds, RetryDate, RetryZero, RetryAbsent),
		bounds[int]{
			{"events", c.Events, 0, maxEvents},
			{"grow", c.Grow, 0, maxGrowth},
			{"rate-limit", c.RateLimit, 0, maxRateLimit},
		}.check(),
		bounds[time.Duration]{
			{"rate-window", c.RateWindow, time.Millisecond, maxSpan},
			{"cursor-ttl", c.CursorTTL, time.Millisecond, maxSpan},
			{"latency", c.Latency, 0, maxLatency},
		}.check(),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkOneOf[T ~string](name string, got T, all ...T) error {
	if slices.Contains(all, got) {
		return nil
	}
	names := make([]string, len(all))
	for i, v := range all {
		names[i] = string(v)
	}
	return fmt.Errorf("%s: %q is none of %s", name, got, strings.Join(names, ", "))
}
