// Package settings reads pawl's settings from flags, the environment and a .env file, and checks them. The struct tags of
// [Values] describe every setting; the help, .env.example and the reference documentation are generated from them.
package settings

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

// Settings are the checked settings. The fields of the API or of the database may be empty, because not every command needs them. See
// [Settings.RequireAPI].
type Settings struct {
	APIBaseURL   string
	APIKey       string
	PageSize     int
	RequestDelay time.Duration
	Timeout      time.Duration
	MaxPageBytes int64
	MaxBuffer    int64 // bytes of pages that are fetched ahead
	Tries        int
	MaxPageTime  time.Duration // for the attempts to fetch one page
	MaxWait      time.Duration
	RejectRatio  float64 // the maximum part of a page's records that may become dead letters, 0 to 1

	DatabaseURL string
	MigrateURL  string        // where the schema is updated; empty for DatabaseURL
	MaxOutage   time.Duration // how long the database may be away
	Download    bool          // PostgreSQL may be downloaded without a question
	Migrate     string        // one of the Migrate… constants
	Grace       time.Duration // how long a run goes on storing after it was asked to stop
	Stream      domain.StreamID

	Progress  string // one of the Progress… constants
	LogFormat string // one of the Log… constants
	LogLevel  slog.Level
}

// The values of Settings.Migrate. They say what a run first does about the schema of the database.
const (
	MigrateAuto  = "auto"  // the run updates the schema
	MigrateCheck = "check" // the run ends with an error if the schema is not up to date
	MigrateOff   = "off"   // the run ends with an error only if the schema is that of a newer version
)

// The values of Settings.Progress. They say how a run shows its progress.
const (
	ProgressAuto   = "auto"   // as a live line on a terminal that can show it, as log lines otherwise
	ProgressAlways = "always" // as a live line
	ProgressNever  = "never"  // not at all
	ProgressJSON   = "json"   // as a JSON object on a line of its own
)

// The values of Settings.LogFormat.
const (
	LogText = "text"
	LogJSON = "json"
)

var streamName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// The limits of numbers in the settings.
const (
	maxPageSize        = 5000      // the largest page that the API returns
	maxDelayMS         = 3_600_000 // one hour
	lowestPageLimit    = 1 << 10   // for --max-page-bytes
	highestPageLimit   = 1 << 30   // for --max-page-bytes
	highestBufferLimit = 1 << 30   // for --max-buffer-bytes
)

// Check parses and checks the values of v and returns the settings. If a value is wrong, Check also returns an Invalid error about the
// first such value. The error names the setting as the user did, and says what the value should be. A command that shows the settings
// can use them in spite of the error.
func (v Values) Check(origins Origins) (Settings, error) {
	c := checker{origins: origins}
	s := Settings{
		APIBaseURL:   v.APIBaseURL,
		PageSize:     int(c.integer("page-size", v.PageSize, 1, maxPageSize)),
		RequestDelay: time.Duration(c.integer("rate-limit-delay-ms", v.RequestDelay, 0, maxDelayMS)) * time.Millisecond,
		Timeout:      c.duration("request-timeout", v.Timeout),
		MaxPageBytes: c.integer("max-page-bytes", v.MaxPageBytes, lowestPageLimit, highestPageLimit),
		MaxBuffer:    c.integer("max-buffer-bytes", v.MaxBuffer, 0, highestBufferLimit),
		Tries:        int(c.integer("tries", v.Tries, 1, math.MaxInt32)),
		MaxPageTime:  c.duration("max-page-time", v.MaxPageTime),
		MaxWait:      c.duration("max-wait", v.MaxWait),
		MaxOutage:    c.duration("max-outage", v.MaxOutage),
		RejectRatio:  c.ratio("max-reject-ratio", v.RejectRatio),
		MigrateURL:   v.MigrateURL,
		Download:     v.Download == "yes",
		Migrate:      c.choice("migrate", v.Migrate),
		Grace:        c.duration("grace", v.Grace),
		Stream:       domain.StreamID{Source: v.Stream},
		Progress:     c.choice("progress", v.Progress),
		LogFormat:    c.choice("log-format", v.LogFormat),
		APIKey:       c.secret("API_KEY", v.APIKey, v.APIKeyFile),
		DatabaseURL:  c.secret("DATABASE_URL", v.DatabaseURL, v.DatabaseURLFile),
	}
	if err := s.LogLevel.UnmarshalText([]byte(c.choice("log-level", v.LogLevel))); err != nil {
		c.fail("log-level", err.Error())
	}
	if !streamName.MatchString(v.Stream) {
		c.fail("stream", fmt.Sprintf("%q should be 1 to 63 letters, digits, '.', '_' or '-'", v.Stream))
	}
	if v.Download != "" && v.Download != "yes" && v.Download != "no" {
		c.failName("PAWL_DOWNLOAD", fmt.Sprintf("%q should be yes or no", v.Download))
	}
	cannotBeSent := func(r rune) bool { return r <= ' ' || r > '~' }
	if strings.ContainsFunc(s.APIKey, cannotBeSent) {
		c.failName("API_KEY", "it should be printable ASCII without spaces, because it is sent in an HTTP header")
	}
	return s, c.err
}

// A Wanted is a setting that a command needs and that is not set.
type Wanted struct {
	Name string // the environment name
	Want string // what the setting should be
}

// MissingAPI returns those settings of the API that are not set.
func (s Settings) MissingAPI() (missing []Wanted) {
	if s.APIBaseURL == "" {
		missing = append(missing, Wanted{"API_BASE_URL", "the API's base URL, like https://host/api/v1"})
	}
	if s.APIKey == "" {
		missing = append(missing, Wanted{"API_KEY", "the API's key, or set API_KEY_FILE to a file that holds it"})
	}
	return missing
}

// RequireAPI returns an Invalid error if the API's base URL or its key is not set. The error names all that is not set.
func (s Settings) RequireAPI() error { return Missing(s.MissingAPI()...) }

// Missing returns an Invalid error about settings that are not set, or nil if none is given.
func Missing(settings ...Wanted) error {
	if len(settings) == 0 {
		return nil
	}
	op := "settings"
	if len(settings) == 1 {
		op = settings[0].Name
	}
	return &domain.Error{Kind: domain.Invalid, Code: domain.CodeSettingMissing, Op: op, Err: missingError{settings}}
}

// A missingError says which settings are not set.
type missingError struct{ settings []Wanted }

func (m missingError) Error() string {
	if len(m.settings) == 1 {
		return "not set; it should be " + m.settings[0].Want
	}
	var texts []string
	for _, s := range m.settings {
		texts = append(texts, s.Name+": "+s.Want)
	}
	return "these are not set: " + strings.Join(texts, "; ")
}

// MissingNames returns the names of the settings that an error of [Missing] is about. It returns none for another error.
func MissingNames(err error) (names []string) {
	missing, _ := errors.AsType[missingError](err)
	for _, s := range missing.settings {
		names = append(names, s.Name)
	}
	return names
}

// Invalid returns an Invalid error about a setting, a flag or an argument.
func Invalid(name, problem string) error {
	return newError(domain.CodeSettingInvalid, name, problem)
}

func newError(code domain.Code, name, problem string) error {
	return &domain.Error{Kind: domain.Invalid, Code: code, Op: name, Err: errors.New(problem)}
}

// A checker converts text to values and stores the first error.
type checker struct {
	origins Origins
	err     error
}

// fail stores an error about the setting with that flag, unless the checker has an error already. The error names the setting as the
// user did.
func (c *checker) fail(flag, problem string) {
	c.failName(c.origins.usedName(flag), problem)
}

// failName stores an error about the setting with that name, unless the checker has an error already.
func (c *checker) failName(name, problem string) {
	if c.err == nil {
		c.err = Invalid(name, problem)
	}
}

func (c *checker) integer(flag, text string, minimum, maximum int64) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < minimum || n > maximum {
		c.fail(flag, fmt.Sprintf("%q should be a whole number from %d to %d", text, minimum, maximum))
	}
	return n
}

func (c *checker) ratio(flag, text string) float64 {
	ratio, err := strconv.ParseFloat(text, 64)
	isInRange := ratio >= 0 && ratio <= 1 // false for NaN
	if err != nil || !isInRange {
		c.fail(flag, fmt.Sprintf("%q should be a number from 0 to 1", text))
	}
	return ratio
}

func (c *checker) duration(flag, text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		c.fail(flag, fmt.Sprintf("%q should be a time above 0, like 90s or 1h30m", text))
	}
	return d
}

func (c *checker) choice(flag, text string) string {
	choices := settingOfFlag(flag).Choices
	if !slices.Contains(choices, text) {
		c.fail(flag, fmt.Sprintf("%q should be one of %s", text, strings.Join(choices, ", ")))
	}
	return text
}

// secret returns the secret that the setting name holds in value, or that is in a file. It removes the white space around the content of
// the file, because editors end files with a line break. It stores an error if value and file are both set.
func (c *checker) secret(name, value, file string) string {
	switch {
	case file == "":
		return value
	case value != "":
		c.failName(name, fmt.Sprintf("set it or %s_FILE, not both", name))
		return ""
	}
	content, err := readSecret(file)
	if err != nil {
		c.failName(name+"_FILE", fmt.Sprintf("it should name a readable file: %v", err))
		return ""
	}
	if content == "" {
		c.failName(name+"_FILE", fmt.Sprintf("the file %s is empty", file))
	}
	return content
}
