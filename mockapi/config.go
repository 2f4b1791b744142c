package mockapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Upper bounds of the settings, so that no Config makes the server use unlimited memory or time.
const (
	maxEvents       = 1_000_000_000
	maxPage         = 100_000
	maxGrowth       = 1_000_000
	maxRateLimit    = 1_000_000
	maxSpan         = 24 * time.Hour
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
	// JournalLimit is the maximum number of entries in the journal. The journal stores up to ten times as many drifted
	// records. The totals in its [Summary] have no limit.
	JournalLimit int
	// Scenario contains the settings that can change while the server runs.
	Scenario
}

// DefaultConfig returns the configuration of the live service as recorded [R], with 100,000 events, the key "demo-key", no
// faults and no drifts.
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

// validate returns an error for the first invalid setting. It names the setting by its flag in cmd/mockapi.
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

// An Envelope is the form of a page's JSON around the items.
type Envelope string

const (
	// EnvelopeNested is the form that the service sends [R]: {data, pagination{…}, meta{…}}.
	EnvelopeNested Envelope = "nested"
	// EnvelopeFlat is the form in the documentation: {data, hasMore, nextCursor}, without a total.
	EnvelopeFlat Envelope = "flat"
	// EnvelopeMixed is one of the two forms, selected at random for each request.
	EnvelopeMixed Envelope = "mixed"
)

// A RateHeaders is the form of a response's rate limit headers.
type RateHeaders string

const (
	// RateSeconds is X-RateLimit-Limit, -Remaining and -Reset, with -Reset as the seconds left, rounded up [R].
	RateSeconds RateHeaders = "seconds"
	// RateEpoch is the same with -Reset as Unix seconds.
	RateEpoch RateHeaders = "epoch"
	// RateEpochMillis is the same with -Reset as Unix milliseconds.
	RateEpochMillis RateHeaders = "epoch-ms"
	// RateDate is the same with -Reset as an HTTP-date.
	RateDate RateHeaders = "http-date"
	// RateIETF is RateLimit and RateLimit-Policy of draft-ietf-httpapi-ratelimit-headers, instead of the others.
	RateIETF RateHeaders = "ietf"
	// RateAbsent omits all of these headers.
	RateAbsent RateHeaders = "absent"
	// RateLying is X-RateLimit headers with false values: no request was counted, and the window ends in 1 s.
	RateLying RateHeaders = "lying"
)

// A RetryAfter is the form of the header Retry-After on a 429.
type RetryAfter string

const (
	// RetrySeconds is whole seconds [R].
	RetrySeconds RetryAfter = "seconds"
	// RetryDate is an HTTP-date.
	RetryDate RetryAfter = "http-date"
	// RetryZero is 0, independent of the time left.
	RetryZero RetryAfter = "zero"
	// RetryAbsent omits the header.
	RetryAbsent RetryAfter = "absent"
)

// A Scenario contains the settings that can change while the server runs. Each request uses the scenario at its arrival.
type Scenario struct {
	// Events is the size of the collection, which may be 0. A larger number adds events at the head.
	Events int
	// Grow is the number of events that appear at the head after each request to /events.
	Grow int
	// RateLimit is the number of requests in one window of /events. 0 means no limit and no rate limit headers on all
	// endpoints; otherwise the other endpoints have their own limits, as recorded [R].
	RateLimit int
	// RateWindow is the length of a window, which its first request opens.
	RateWindow time.Duration
	// RateHeaders is the form of the rate limit headers.
	RateHeaders RateHeaders
	// RetryAfter is the form of Retry-After on a 429.
	RetryAfter RetryAfter
	// CursorTTL is the time after which a cursor expires, from the arrival of the request that minted it.
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

// DefaultScenario returns the settings of the live service as recorded [R], with 100,000 events, no faults and no drifts.
// It has no latency, while the live service takes 0.5 to 5 s per page.
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

// bounds is a list of settings, each with its minimum and maximum.
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

func checkOneOf[T ~string](name string, got T, all ...T) error {
	if slices.Contains(all, got) {
		return nil
	}
	return fmt.Errorf("%s: %q is not one of %s", name, got, strings.Join(toStrings(all), ", "))
}
