package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// Settings are the knobs, checked. An API or database setting may still be missing: not every command needs it.
type Settings struct {
	APIBaseURL   string
	APIKey       string
	PageSize     int
	RequestDelay time.Duration
	Timeout      time.Duration
	MaxPageBytes int64
	Tries        int
	MaxWait      time.Duration
	RejectRatio  float64 // of a page

	DatabaseURL string
	Migrate     string // one of the Migrate… constants
	Stream      domain.StreamID

	progress  string // one of the progress… constants
	logFormat string
	logLevel  slog.Level
}

// What a run does about the schema.
const (
	MigrateAuto  = "auto"
	MigrateCheck = "check"
	MigrateOff   = "off"
)

var streamName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// settings checks every knob. The error names the first that is wrong, as the user gave it, and what it should be.
func (k knobs) settings(from origins) (Settings, error) {
	c := checker{from: from}
	s := Settings{
		APIBaseURL:   k.APIBaseURL,
		PageSize:     int(c.whole("page-size", k.PageSize, 1, 5000)),
		RequestDelay: time.Duration(c.whole("rate-limit-delay-ms", k.RequestDelay, 0, 3_600_000)) * time.Millisecond,
		Timeout:      c.duration("request-timeout", k.Timeout),
		MaxPageBytes: c.whole("max-page-bytes", k.MaxPageBytes, 1024, 1<<30),
		Tries:        int(c.whole("tries", k.Tries, 1, math.MaxInt32)),
		MaxWait:      c.duration("max-wait", k.MaxWait),
		RejectRatio:  c.share("max-reject-ratio", k.RejectRatio),
		Migrate:      c.choice("migrate", k.Migrate, MigrateAuto, MigrateCheck, MigrateOff),
		Stream:       domain.StreamID{Source: k.Stream},
		progress:     c.choice("progress", k.Progress, progressAuto, progressAlways, progressNever),
		logFormat:    c.choice("log-format", k.LogFormat, "text", "json"),
		APIKey:       c.secret("API_KEY", k.APIKey, k.APIKeyFile),
		DatabaseURL:  c.secret("DATABASE_URL", k.DatabaseURL, k.DatabaseURLFile),
	}
	if err := s.logLevel.UnmarshalText([]byte(c.choice("log-level", k.LogLevel, "debug", "info", "warn", "error"))); err != nil {
		c.fail("log-level", err.Error())
	}
	if !streamName.MatchString(k.Stream) {
		c.fail("stream", fmt.Sprintf("%q should be 1 to 63 letters, digits, '.', '_' or '-'", k.Stream))
	}
	if strings.ContainsFunc(s.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		c.failNamed("API_KEY", "it should be printable ASCII without spaces, as it goes into an HTTP header")
	}
	return s, c.err
}

// needAPI reports the first setting missing for talking to the API.
func (s Settings) needAPI() error {
	switch {
	case s.APIBaseURL == "":
		return missing("API_BASE_URL", "the API's address, like https://host/api/v1")
	case s.APIKey == "":
		return missing("API_KEY", "the API's key, or set API_KEY_FILE to a file that holds it")
	}
	return nil
}

// needDatabase reports a missing database.
func (s Settings) needDatabase() error {
	if s.DatabaseURL == "" {
		return missing("DATABASE_URL",
			"postgres://user:password@host:5432/database, or embedded:./.pawl for a private PostgreSQL in that folder, "+
				"or set DATABASE_URL_FILE to a file that holds it")
	}
	return nil
}

func missing(name, should string) error {
	return invalid(name, "not set; it should be "+should)
}

func invalid(name, what string) error {
	return &domain.Error{Kind: domain.Invalid, Op: name, Err: errors.New(what)}
}

// A checker turns text into values and keeps the first error.
type checker struct {
	from origins
	err  error
}

func (c *checker) fail(flag, what string) {
	c.failNamed(c.from.named(flag), what)
}

func (c *checker) failNamed(name, what string) {
	if c.err == nil {
		c.err = invalid(name, what)
	}
}

func (c *checker) whole(flag, text string, least, most int64) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		c.fail(flag, fmt.Sprintf("%q should be a whole number from %d to %d", text, least, most))
	}
	return n
}

func (c *checker) share(flag, text string) float64 {
	share, err := strconv.ParseFloat(text, 64)
	if err != nil || !(share >= 0 && share <= 1) { // NaN is neither
		c.fail(flag, fmt.Sprintf("%q should be a number from 0 to 1", text))
	}
	return share
}

func (c *checker) duration(flag, text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		c.fail(flag, fmt.Sprintf("%q should be a time longer than nothing, like 90s or 1h30m", text))
	}
	return d
}

func (c *checker) choice(flag, text string, choices ...string) string {
	if !slices.Contains(choices, text) {
		c.fail(flag, fmt.Sprintf("%q should be one of %s", text, strings.Join(choices, ", ")))
	}
	return text
}
