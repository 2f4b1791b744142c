package cli

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
)

const description = "Takes events from a cursor-paginated, rate-limited HTTP API into PostgreSQL, each exactly once."

// `pawl --help` ends with these.
const (
	examples = `Examples:
  DATABASE_URL=embedded:./.pawl pawl run     into a private PostgreSQL under ./.pawl
  pawl run --json | jq .inserted             the summary for a script
  pawl psql -c 'SELECT count(*) FROM events' query the rows
  pawl dlq list --summary                    which records could not be stored, and why
  pawl config                                every setting and where it comes from
`
	exitCodes = `Exit codes:
  0  done                    3  not finished: run again later
  1  a bug: report it        4  check the data
  2  fix the settings        5  another runner has the stream
`
)

// printHelp prints kong's help. The help of the program itself ends with examples and exit codes.
func printHelp(options kong.HelpOptions, c *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, c); err != nil || c.Selected() != nil {
		return err
	}
	_, err := fmt.Fprint(c.Stdout, "\n", examples, "\n", exitCodes)
	return err
}

// flagGroups returns the headings of the flags. The settings without a flag are listed below the heading.
func flagGroups() []kong.Group {
	return []kong.Group{
		{Key: "api", Title: "The API:", Description: listFlagless("api")},
		{Key: "database", Title: "The database:", Description: listFlagless("database")},
		{Key: "output", Title: "Settings and output:"},
	}
}

// listFlagless lists the settings of a group that have no flag, one a line. Kong does not wrap indented text.
func listFlagless(group string) string {
	var b strings.Builder
	b.WriteString("Only in the environment or .env, because everybody on the machine can read arguments:\n\n")
	for _, s := range settings.All() {
		if s.Group == group && s.Flag == "" {
			fmt.Fprintf(&b, "\t%-24s %s\n", strings.Join(s.EnvNames, ", "), s.Help)
		}
	}
	return b.String()
}

// formatFlagHelp returns a flag's line of help with its default and environment names.
func formatFlagHelp(value *kong.Value) string {
	help, env := value.Help, value.Tag.Get("setting")
	if value.HasDefault {
		help += fmt.Sprintf(" Default %s.", value.Default)
	}
	if env != "" {
		help += fmt.Sprintf(" (%s)", env)
	}
	return help
}
