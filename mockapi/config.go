package mockapi

import (
	"errors"
	"fmt"
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
