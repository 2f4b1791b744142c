package cli

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
)

type demoCommand struct {
	Folder string `name:"folder" default:".pawl/demo" placeholder:"DIR" help:"The folder of the private PostgreSQL."`
	Port   string `name:"port" default:"18080" placeholder:"N" help:"The port of the mock API on 127.0.0.1. A stream remembers its API, so later demos in the same folder need the same port."`
}

// Help returns the details for `pawl demo --help`. kong calls it.
func (c *demoCommand) Help() string {
	return "The mock API refuses some requests and fails some others, and some of its records cannot become rows. The demo ignores " +
		"DATABASE_URL and the settings of the API. Kill it at any time: the next demo continues behind the last stored page."
}

// demoPageSize is the number of events in a page of the demo, so that there are enough pages to watch.
const demoPageSize = 1000

// Run executes `pawl demo`. kong calls it.
func (c *demoCommand) Run(s *session) error {
	const maxPort = 65535
	port, err := strconv.Atoi(c.Port)
	if err != nil || port < 1 || port > maxPort {
		return settings.Invalid("--port", fmt.Sprintf("%q should be a number from 1 to %d", c.Port, maxPort))
	}
	baseURL, key, stop, err := s.wiring.Demo(s.ctx, port)
	if err != nil {
		return err
	}
	defer stop()
	userHasSettings := s.settings.APIBaseURL != "" || s.settings.DatabaseURL != "" || c.Folder != demoFolder
	s.settings.APIBaseURL, s.settings.APIKey, s.settings.PageSize = baseURL, key, demoPageSize
	s.settings.DatabaseURL = embeddedPrefix + c.Folder
	if userHasSettings {
		s.prefix = "DATABASE_URL=" + quoteForShell(s.settings.DatabaseURL) + " "
	}
	if err := (&runCommand{}).Run(s); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Stdout, "\nGo on with:\n  %s\n  %s\n  %s\n",
		s.commandLine("psql -c 'SELECT type, count(*) FROM events GROUP BY type'"), s.commandLine("verify"), s.commandLine("status"))
	return outputError(err)
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
