package cli

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
)

const description = "Takes events from a cursor-paginated, rate-limited HTTP API into PostgreSQL, each exactly once."

// These texts are the end of `pawl --help`.
const (
	examples = `Examples:
  pawl demo                                  try it; it needs no settings
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
	codeHelp = `A message ends in a code: pawl help api-key-refused explains the code [api-key-refused].
`
)

// printHelp prints kong's help. The help of the program itself ends with examples, the exit codes and a line about the codes of messages.
func printHelp(options kong.HelpOptions, c *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, c); err != nil {
		return err
	}
	if isHelpOfCommand := c.Selected() != nil; isHelpOfCommand {
		return nil
	}
	_, err := fmt.Fprint(c.Stdout, "\n", examples, "\n", exitCodes, "\n", codeHelp)
	return err
}

// flagGroups returns the groups of flags for the help. A group's description lists the settings of the group that have no flag.
func flagGroups() []kong.Group {
	return []kong.Group{
		{Key: "api", Title: "The API:", Description: listSettingsWithoutFlag("api")},
		{Key: "database", Title: "The database:", Description: listSettingsWithoutFlag("database")},
		{Key: "output", Title: "Settings and output:"},
	}
}

// listSettingsWithoutFlag returns a text that lists those settings of a group that have no flag. Each setting has its own line. The
// line begins with a tab, because kong does not wrap indented lines.
func listSettingsWithoutFlag(group string) string {
	var b strings.Builder
	b.WriteString("Set these in the environment or in .env. They have no flags: other users of this machine can read the arguments " +
		"of a command:\n\n")
	for _, s := range settings.All() {
		if s.Group == group && s.Flag == "" {
			fmt.Fprintf(&b, "\t%-24s %s\n", strings.Join(s.EnvNames, ", "), s.Help)
		}
	}
	return b.String()
}

// formatFlagHelp returns a flag's help, followed by its default and its environment names, if the flag has them.
func formatFlagHelp(value *kong.Value) string {
	help, envNames := value.Help, value.Tag.Get("setting")
	if value.HasDefault {
		help += fmt.Sprintf(" Default %s.", value.Default)
	}
	if envNames != "" {
		help += fmt.Sprintf(" (%s)", envNames)
	}
	return help
}
