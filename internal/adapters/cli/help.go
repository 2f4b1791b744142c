package cli

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

const description = "Takes events from a cursor-paginated, rate-limited HTTP API into PostgreSQL, each exactly once."

// examples and exitCodes end `pawl --help`.
const (
	examples = `Examples:
  DATABASE_URL=embedded:./.pawl pawl run     into a private PostgreSQL under ./.pawl
  pawl run --json | jq .inserted             the summary for a script
  pawl psql -c 'SELECT count(*) FROM events' look at the rows
  pawl dlq list --summary                    which records could not be stored, and why
  pawl config                                every setting, and where it comes from
`
	exitCodes = `Exit codes:
  0  done                    3  not finished: run again later
  1  a bug: report it        4  look at the data
  2  fix the settings        5  another runner has the stream
`
)

// printHelp is kong's help; that of the program itself ends with examples and exit codes.
func printHelp(options kong.HelpOptions, c *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, c); err != nil || c.Selected() != nil {
		return err
	}
	_, err := fmt.Fprint(c.Stdout, "\n", examples, "\n", exitCodes)
	return err
}

// flagGroups are the headings of the flags. A setting without a flag stands below the heading.
func flagGroups() []kong.Group {
	return []kong.Group{
		{Key: "api", Title: "The API:", Description: flagless("api")},
		{Key: "database", Title: "The database:", Description: flagless("database")},
		{Key: "output", Title: "Settings and output:"},
	}
}

// flagless lists a group's settings that have no flag, one a line; kong leaves indented text as it is.
func flagless(group string) string {
	var b strings.Builder
	b.WriteString("In the environment or .env only, since arguments can be read by everybody:\n\n")
	for _, s := range allSettings() {
		if s.group == group && s.flag == "" {
			fmt.Fprintf(&b, "\t%-24s %s\n", strings.Join(s.names, ", "), s.help)
		}
	}
	return b.String()
}

// explain is a flag's line of help with its default and environment name.
func explain(value *kong.Value) string {
	help, env := value.Help, value.Tag.Get("setting")
	if value.HasDefault {
		help += fmt.Sprintf(" Default %s.", value.Default)
	}
	if env != "" {
		help += fmt.Sprintf(" (%s)", env)
	}
	return help
}
