package mockapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The settings have upper bounds, so that no Config makes the server use unlimited memory or time.
const (
	maxEvents       = 1_000_000_000
	maxPageSize     = 100_000
	maxGrowth       = 1_000_000
	maxRateLimit    = 1_000_000
	maxLifetime     = 24 * time.Hour // applies to a rate limit window and to a cursor
	maxLatency      = 10 * time.Minute
	maxJournalLimit = 10_000_000
)

// A Config describes the service to mock. Start from [DefaultConfig], because a zero field does not mean a default.
type Config struct {
	// Seed decides every event and every random fault and drift.
	Seed uint64
	// APIKey is the key that clients must send as X-API-Key.
	APIKey string
	// DefaultLimit is the number of items in a page if a request has no limit.
	DefaultLimit int
	// MaxLimit is the maximum number of items in a page. A larger limit is silently reduced to it.
	MaxLimit int
	// JournalLimit is the maximum number of entries in the journal. The journal also stores up to ten times as many
	// drifted records. The totals in its [Summary] have no limit.
	JournalLimit int
	// Scenario contains the settings that can change while the server runs.
	Scenario
}

// DefaultConfig returns the recorded configuration of the live service [R] (doc.go explains the mark). The number of events
// (100,000) and the key ("demo-key") are those of the mock. There are no faults and no drifts.
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

// validate returns an error for the first invalid setting. The error names the setting by its flag in cmd/mockapi.
func (c Config) validate() error {
	if c.APIKey == "" {
		return errors.New("api-key: must not be empty")
	}
	if err := (bounds[int]{
		{name: "max-limit", got: c.MaxLimit, min: 1, max: maxPageSize},
		{name: "default-limit", got: c.DefaultLimit, min: 1, max: c.MaxLimit},
		{name: "journal-limit", got: c.JournalLimit, min: 0, max: maxJournalLimit},
	}).check(); err != nil {
		return err
	}
	return c.Scenario.validate()
}

// An Envelope is the form of the JSON that surrounds the items of a page.
type Envelope string

const (
	// EnvelopeNested is the form that the service sends [R]: {data, pagination{…}, meta{…}}.
	EnvelopeNested Envelope = "nested"
	// EnvelopeFlat is the form in the service's documentation: {data, hasMore, nextCursor}, without a total.
	EnvelopeFlat Envelope = "flat"
	// EnvelopeMixed selects one of the two forms at random for each request.
	EnvelopeMixed Envelope = "mixed"
)

// RateHeaders is the form of a response's rate limit headers.
type RateHeaders string

const (
	// RateSeconds sends X-RateLimit-Limit, X-RateLimit-Remaining and X-RateLimit-Reset. X-RateLimit-Reset is the number of
	// seconds until the window ends, rounded up [R].
	RateSeconds RateHeaders = "seconds"
	// RateEpoch sends the same headers, but X-RateLimit-Reset is the end of the window in Unix seconds.
	RateEpoch RateHeaders = "epoch"
	// RateEpochMillis sends the same headers, but X-RateLimit-Reset is the end of the window in Unix milliseconds.
	RateEpochMillis RateHeaders = "epoch-ms"
	// RateDate sends the same headers, but X-RateLimit-Reset is the end of the window as an HTTP-date.
	RateDate RateHeaders = "http-date"
	// RateIETF sends RateLimit and RateLimit-Policy of draft-ietf-httpapi-ratelimit-headers instead of X-RateLimit headers.
	RateIETF RateHeaders = "ietf"
	// RateAbsent omits all of these headers.
	RateAbsent RateHeaders = "absent"
	// RateLying sends X-RateLimit headers with false values. They say that no request was counted, and that the window ends
	// in 1 s.
	RateLying RateHeaders = "lying"
)

// RetryAfter is the form of the header Retry-After on a 429.
type RetryAfter string

const (
	// RetrySeconds gives the time to wait in whole seconds [R].
	RetrySeconds RetryAfter = "seconds"
	// RetryDate gives the time at which to retry as an HTTP-date.
	RetryDate RetryAfter = "http-date"
	// RetryZero always gives 0, which is a false value.
	RetryZero RetryAfter = "zero"
	// RetryAbsent omits the header.
	RetryAbsent RetryAfter = "absent"
)

// A Scenario contains the settings that can change while the server runs (see [Server.Change]). Each request uses the
// scenario at its arrival.
type Scenario struct {
	// Events is the size of the collection, which may be 0. A larger number adds events at the head.
	Events int
	// Grow is the number of events that appear at the head after each request to /events.
	Grow int
	// RateLimit is the number of requests to /events that one window allows. The other endpoints have their own recorded
	// limits [R]. If RateLimit is 0, no endpoint has a limit or sends rate limit headers.
	RateLimit int
	// RateWindow is the length of a window. The first request of a window opens it.
	RateWindow time.Duration
	// RateHeaders is the form of the rate limit headers.
	RateHeaders RateHeaders
	// RetryAfter is the form of Retry-After on a 429.
	RetryAfter RetryAfter
	// CursorTTL is the time for which a cursor is valid. The time begins when the request that gets the cursor arrives.
	CursorTTL time.Duration
	// Latency is the time from the arrival of a request to its response.
	Latency time.Duration
	// Envelope is the form of a page.
	Envelope Envelope
	// Faults select the requests that get a wrong response. At most one applies to a request.
	Faults []Fault
	// Drifts select the records that are changed. At most one applies to a record.
	Drifts []Drift
}

// DefaultScenario returns the recorded settings of the live service [R]. The number of events (100,000) is that of the
// mock. There are no faults and no drifts. The latency is 0, although the live service takes 0.5 to 5 s per page.
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
			{name: "events", got: c.Events, min: 0, max: maxEvents},
			{name: "grow", got: c.Grow, min: 0, max: maxGrowth},
			{name: "rate-limit", got: c.RateLimit, min: 0, max: maxRateLimit},
		}.check(),
		bounds[time.Duration]{
			{name: "rate-window", got: c.RateWindow, min: time.Millisecond, max: maxLifetime},
			{name: "cursor-ttl", got: c.CursorTTL, min: time.Millisecond, max: maxLifetime},
			{name: "latency", got: c.Latency, min: 0, max: maxLatency},
		}.check(),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// bounds is a list of settings, each with its value, minimum and maximum.
type bounds[T int | time.Duration] []struct {
	name          string
	got, min, max T
}

// check returns an error for the first setting that is out of bounds.
func (all bounds[T]) check() error {
	for _, b := range all {
		if b.got < b.min || b.got > b.max {
			return fmt.Errorf("%s: %v is not between %v and %v", b.name, b.got, b.min, b.max)
		}
	}
	return nil
}

// checkOneOf returns an error if got is not one of the allowed values.
func checkOneOf[T ~string](name string, got T, allowed ...T) error {
	if slices.Contains(allowed, got) {
		return nil
	}
	return fmt.Errorf("%s: %q is not one of %s", name, got, strings.Join(toStrings(allowed), ", "))
}
