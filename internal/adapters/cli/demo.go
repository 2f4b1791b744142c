package cli

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/domain"
)

type demoCommand struct {
	Folder string `name:"folder" default:".pawl/demo" placeholder:"DIR" help:"The folder of the private PostgreSQL."`
	Port   string `name:"port" default:"18080" placeholder:"N" help:"The port of the mock API on 127.0.0.1. A stream remembers its API, so later demos in the same folder need the same port."`
}

// Help returns the details for `pawl demo --help`. kong calls it.
func (c *demoCommand) Help() string {
	return "The mock API refuses some requests and fails some others, and some of its records cannot become rows. The demo ignores " +
		"DATABASE_URL and the settings of the API. Kill it at any time: the next demo continues after the last stored page."
}

// toleratesWrongSettings implements settingsTolerant, because wrong values of the settings that the demo replaces do not matter.
func (c *demoCommand) toleratesWrongSettings() {}

// demoPageSize is the number of events in a page of the demo, so that there are enough pages to watch.
const demoPageSize = 1000

// Run executes `pawl demo`. kong calls it.
func (c *demoCommand) Run(s *session) error {
	const maxPort = 65535
	port, err := strconv.Atoi(c.Port)
	if err != nil || port < 1 || port > maxPort {
		return settings.Invalid("--port", fmt.Sprintf("%q should be a number from 1 to %d", c.Port, maxPort))
	}
	if strings.TrimSpace(c.Folder) == "" {
		return settings.Invalid("--folder", "it names no folder")
	}
	s.folderHint = "name a folder you may write to with --folder"
	if s.settings, err = c.replace(s.values).Check(s.origins); err != nil {
		return err
	}
	baseURL, key, stop, err := s.wiring.Demo(s.ctx, port)
	if err != nil {
		return err
	}
	defer stop()
	s.settings.APIBaseURL, s.settings.APIKey = baseURL, key
	s.prefix = c.prefix(s, key)
	if err := (&runCommand{}).Run(s); err != nil {
		return withPortHint(err)
	}
	_, err = fmt.Fprintf(s.Stdout, "\nGo on with:\n  %s\n  %s\n  %s\n",
		s.commandLine("psql -c 'SELECT type, count(*) FROM events GROUP BY type'"), s.commandLine("verify"), s.commandLine("status"))
	return outputError(err)
}

// replace returns the user's values with those that the demo replaces. Its API is not known yet.
func (c *demoCommand) replace(values settings.Values) settings.Values {
	values.APIBaseURL, values.APIKey, values.APIKeyFile, values.PageSize = "", "", "", strconv.Itoa(demoPageSize)
	values.DatabaseURL, values.DatabaseURLFile = embeddedPrefix+c.Folder, ""
	values.MigrateURL, values.Migrate = "", settings.MigrateAuto // otherwise the demo would migrate another database, or none
	return values
}

// prefix returns the variables that other commands need to read the database of the demo in spite of the user's settings.
func (c *demoCommand) prefix(s *session, key string) (prefix string) {
	values := s.values
	if values.APIBaseURL != "" || values.DatabaseURL != "" || values.DatabaseURLFile != "" || c.Folder != demoFolder {
		if s.origins.FromEnvironment("DATABASE_URL_FILE") {
			prefix = "DATABASE_URL_FILE= "
		}
		prefix += "DATABASE_URL=" + quoteForShell(s.settings.DatabaseURL) + " "
	}
	values.DatabaseURL, values.DatabaseURLFile = s.settings.DatabaseURL, ""
	isWrong := func() bool {
		_, err := values.Check(s.origins)
		return err != nil
	}
	if isWrong() {
		values.APIKey, values.APIKeyFile = key, ""
		prefix += "API_KEY_FILE= API_KEY=" + quoteForShell(key) + " "
	}
	if isWrong() {
		prefix += "BATCH_SIZE=" + strconv.Itoa(demoPageSize) + " "
	}
	return prefix
}

// withPortHint returns err. If the stream in the demo's folder was read from another port, it returns err with a hint for demos: the other
// ways to another address do not work, because the demo replaces the settings of the API.
func withPortHint(err error) error {
	if domain.CodeOf(err) != domain.CodeStreamOtherAddress {
		return err
	}
	hinted := *domain.AsError(err)
	hinted.Hint, hinted.Remedy = "continue with --port and the former port, or begin again in another --folder", 0
	return &hinted
}

// quoteForShell returns text as a shell reads it back as one word.
func quoteForShell(text string) string {
	isPlain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_./:@%+,=-", r)
	}
	if !strings.ContainsFunc(text, func(r rune) bool { return !isPlain(r) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
