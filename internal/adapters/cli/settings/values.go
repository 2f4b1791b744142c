package settings

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Values are all settings as text. A field's tag "name" is its flag. The tag "setting" has its environment names in order of preference,
// and the tag "choices" has the possible values. A secret has no flag, because other users of the machine can read the arguments of a
// process. A setting that names the file of a secret has no flag either, and a consent belongs to the
// environment.
type Values struct {
	APIBaseURL   string `group:"api" name:"api-base-url" setting:"API_BASE_URL" placeholder:"URL" help:"The API's base URL, without /events: https://host/api/v1."`
	APIKey       string `group:"api" kong:"-" setting:"API_KEY,TARGET_API_KEY" help:"The API's key."`
	APIKeyFile   string `group:"api" kong:"-" setting:"API_KEY_FILE" help:"A file that holds the API's key, instead of API_KEY."`
	PageSize     string `group:"api" name:"page-size" setting:"BATCH_SIZE" default:"5000" placeholder:"N" help:"Events to ask for in one page, 1 to 5000."`
	RequestDelay string `group:"api" name:"rate-limit-delay-ms" setting:"RATE_LIMIT_DELAY_MS" default:"0" placeholder:"MS" help:"Minimum time between two requests, in milliseconds."`
	Timeout      string `group:"api" name:"request-timeout" setting:"PAWL_REQUEST_TIMEOUT" default:"60s" placeholder:"TIME" help:"Maximum time for one request, with its answer. The answer may pause for a third of it."`
	MaxPageBytes string `group:"api" name:"max-page-bytes" setting:"PAWL_MAX_PAGE_BYTES" default:"16777216" placeholder:"N" help:"Maximum size of a page, in bytes."`
	MaxBuffer    string `group:"api" name:"max-buffer-bytes" setting:"PAWL_MAX_BUFFER_BYTES" default:"8388608" placeholder:"N" help:"Maximum size of all pages that are fetched ahead while earlier pages are stored, in bytes. 0 fetches no page ahead."`
	Tries        string `group:"api" name:"tries" setting:"PAWL_TRIES" default:"10" placeholder:"N" help:"Attempts before a page that cannot be fetched ends the run."`
	MaxPageTime  string `group:"api" name:"max-page-time" setting:"PAWL_MAX_PAGE_TIME" default:"10m" placeholder:"TIME" help:"Time for these attempts, from the first failure of a page. Waits for the rate limit do not count."`
	RejectRatio  string `group:"api" name:"max-reject-ratio" setting:"PAWL_MAX_REJECT_RATIO" default:"0.5" placeholder:"RATIO" help:"Maximum ratio of a page's records that may become dead letters, 0 to 1. A page with more dead letters than that, and at least 10, stops the run."`
	MaxWait      string `group:"api" name:"max-wait" setting:"PAWL_MAX_WAIT" default:"1h" placeholder:"TIME" help:"Maximum wait for the API's rate limit before one page."`

	DatabaseURL     string `group:"database" kong:"-" setting:"DATABASE_URL" help:"postgres://user:password@host:5432/database, or embedded:DIR for a private PostgreSQL in that folder."`
	DatabaseURLFile string `group:"database" kong:"-" setting:"DATABASE_URL_FILE" help:"A file that holds the database's URL, instead of DATABASE_URL."`
	MigrateURL      string `group:"database" kong:"-" setting:"PAWL_MIGRATE_URL" help:"The URL with which the schema is updated, if DATABASE_URL leads to a connection pooler or its user may not create tables."`
	Download        string `group:"database" kong:"-" setting:"PAWL_DOWNLOAD" help:"yes lets pawl download PostgreSQL for embedded:DIR if this machine has none. Otherwise pawl asks on a terminal, and refuses elsewhere."`
	MaxOutage       string `group:"database" name:"max-outage" setting:"PAWL_MAX_OUTAGE" default:"5m" placeholder:"TIME" help:"How long a run tries again while the database is away: it is stopped, starting, read-only, full, out of connections or cut off. The time begins with the first failure, and ends when something is stored."`
	Migrate         string `group:"database" name:"migrate" setting:"PAWL_MIGRATE" default:"auto" choices:"auto,check,off" placeholder:"MODE" help:"What a run does about the schema first: auto updates it, check stops the run if the schema is not up to date, off only refuses the schema of a newer version."`
	Grace           string `group:"database" name:"grace" setting:"PAWL_GRACE" default:"10s" placeholder:"TIME" help:"How long a run that is asked to stop stores pages that it has fetched. What is not committed then is rolled back, and fetched again by the next run."`
	Stream          string `group:"database" name:"stream" setting:"PAWL_STREAM" default:"datasync" placeholder:"NAME" help:"The stream's name. Each stream has its own checkpoint."`

	EnvFile   string `group:"output" name:"env-file" placeholder:"FILE" help:"A file of NAME=value lines. The environment prevails over it. Default .env, if it exists."`
	Progress  string `group:"output" name:"progress" setting:"PAWL_PROGRESS" default:"auto" choices:"auto,always,never,json" placeholder:"WHEN" help:"How a run shows its progress: auto shows a live line on a terminal and writes a log line every 5 s elsewhere, always shows the live line, never does neither, json writes a JSON object to standard error every second and at the end, between the log lines, which are JSON too with --log-format=json."`
	LogFormat string `group:"output" name:"log-format" setting:"PAWL_LOG_FORMAT" default:"text" choices:"text,json" placeholder:"FORMAT" help:"The format of log lines: text or json."`
	LogLevel  string `group:"output" name:"log-level" setting:"PAWL_LOG_LEVEL" default:"info" choices:"debug,info,warn,error" placeholder:"LEVEL" help:"The lowest level to log: debug, info, warn or error."`
}

// A Setting describes one field of Values.
type Setting struct {
	Flag     string   // without dashes; empty if the setting has no flag
	EnvNames []string // in order of preference; empty only for --env-file
	Group    string
	Default  string
	Choices  []string // the possible values; empty if there are too many to list
	Help     string

	field string // the name of the field in Values
}

// All returns all settings in the order of the fields of Values.
func All() (all []Setting) {
	for field := range reflect.TypeFor[Values]().Fields() {
		tag := field.Tag
		all = append(all, Setting{
			Flag: tag.Get("name"), EnvNames: splitList(tag.Get("setting")), Group: tag.Get("group"), Default: tag.Get("default"),
			Choices: splitList(tag.Get("choices")), Help: tag.Get("help"), field: field.Name,
		})
	}
	return all
}

// splitList returns the parts of text between commas, or nil if text is empty.
func splitList(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// Find returns the setting with that environment name. For a setting without environment names, name is its flag with the dashes. If
// there is no such setting, Find returns an Invalid error that suggests the most similar environment name.
func Find(name string) (Setting, error) {
	var known []string
	for _, s := range All() {
		if name == s.Name() || slices.Contains(s.EnvNames, name) {
			return s, nil
		}
		known = append(known, s.EnvNames...)
	}
	return Setting{}, Invalid(name, fmt.Sprintf("there is no such setting; did you mean %s?", MostSimilar(name, known)))
}

// MostSimilar returns the first known name that contains name. If there is none, it returns the first of those that differ least from
// name. known must not be empty.
func MostSimilar(name string, known []string) string {
	if i := slices.IndexFunc(known, func(k string) bool { return strings.Contains(k, name) }); i >= 0 {
		return known[i]
	}
	return slices.MinFunc(known, func(a, b string) int { return distance(name, a) - distance(name, b) })
}

// distance returns how many bytes of a must be inserted, deleted or replaced to get b (the Levenshtein distance).
func distance(a, b string) int {
	row := make([]int, len(b)+1) // row[j] is the distance from the first i bytes of a to the first j bytes of b, at first for i = 0
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0] // in the inner loop, row[j] of the row before
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			deleted, inserted := row[j+1]+1, row[j]+1
			diagonal = row[j+1]
			row[j+1] = min(replaced, deleted, inserted)
		}
	}
	return row[len(b)]
}

// SecretNames returns the environment names of all settings that are a secret or name the file of a secret: those without a flag, except
// Download.
func SecretNames() (names []string) {
	for _, s := range All() {
		if s.Flag == "" && s.field != "Download" {
			names = append(names, s.EnvNames...)
		}
	}
	return names
}

// DefaultStream returns the name of the stream if none is set.
func DefaultStream() string { return settingOfFlag("stream").Default }

// settingOfFlag returns the setting with that flag. It panics if there is none.
func settingOfFlag(flag string) Setting {
	all := All()
	return all[slices.IndexFunc(all, func(s Setting) bool { return s.Flag == flag })]
}

// Name returns the setting's first environment name. If it has none, Name returns the flag with its dashes.
func (s Setting) Name() string {
	if len(s.EnvNames) > 0 {
		return s.EnvNames[0]
	}
	return "--" + s.Flag
}

// key returns the setting's key in Origins: its flag without dashes or, without a flag, its first environment name.
func (s Setting) key() string {
	if s.Flag != "" {
		return s.Flag
	}
	return s.EnvNames[0]
}

// value returns the setting's field in v.
func (s Setting) value(v *Values) reflect.Value {
	return reflect.ValueOf(v).Elem().FieldByName(s.field)
}
