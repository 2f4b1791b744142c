package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
)

const description = "Takes events from a cursor-paginated, rate-limited HTTP API into PostgreSQL, each exactly once."

// helpWidth is the greatest width of the help, in columns.
const helpWidth = 80

// These texts are parts of the help.
const (
	settingsHint = `Settings:
  Every command takes them as flags, such as --stream and --page-size, from
  the environment or from .env. See them all: pawl help settings
`
	exitCodes = `Exit codes:
  0  done                    3  not finished: run again later
  1  a bug: report it        4  check the data
  2  fix the settings        5  another runner has the stream
`
	codeHelp = `A message ends in a code, such as [api-key-refused]. To explain it:
  pawl help api-key-refused
`
	aboutSettings = "These settings are flags of every command, before or after its name. Each may also be set by the variable in " +
		"parentheses, in the environment or in the file .env. A flag prevails over the environment, and the environment over the file."
)

// printHelp prints the help of pawl or of one command: kong's help without the settings, and then examples. The help of pawl ends with
// the exit codes and a line about the codes of messages.
func printHelp(options kong.HelpOptions, c *kong.Context) error {
	for _, flag := range c.Model.Flags {
		flag.Hidden = flag.Hidden || flag.Group != nil // each setting has a group
	}
	node, heading := c.Selected(), "Example"
	if node == nil {
		node = c.Model.Node
	} else {
		c.Model.HelpFlag.Group = &kong.Group{Key: "shared", Title: "Shared flags:"} // so that the command's own flags come first
	}
	if err := kong.DefaultHelpPrinter(options, c); err != nil {
		return err
	}
	examples := examplesOf(node)
	if len(examples) > 1 {
		heading = "Examples"
	}
	_, err := fmt.Fprintf(c.Stdout, "\n%s\n%s, in the folder of `pawl demo`:\n  %s\n", settingsHint, heading,
		strings.ReplaceAll(strings.Join(examples, "\n"), "\n", "\n  "))
	if err == nil && c.Selected() == nil {
		_, err = fmt.Fprint(c.Stdout, "\n", exitCodes, "\n", codeHelp)
	}
	return err
}

// examplesOf returns the examples of a command and of all commands below it.
func examplesOf(node *kong.Node) (examples []string) {
	if example := node.Tag.Get("example"); example != "" {
		examples = append(examples, example)
	}
	for _, child := range node.Children {
		examples = append(examples, examplesOf(child)...)
	}
	return examples
}

// settingsTopic is the word behind `pawl help` for the help of the settings.
const settingsTopic = "settings"

// asksForSettings reports whether the arguments of pawl ask for the help of the settings.
func asksForSettings(args []string) bool { return slices.Equal(args, []string{"help", settingsTopic}) }

// printSettingsHelp prints the help of the settings: kong's help of pawl without everything else.
func printSettingsHelp(options kong.HelpOptions, c *kong.Context) error {
	if _, err := fmt.Fprintln(c.Stdout, wrapText(aboutSettings)); err != nil {
		return err
	}
	options.NoAppSummary = true
	c.Model.Help, c.Model.Children, c.Model.HelpFlag.Hidden = "", nil, true
	return kong.DefaultHelpPrinter(options, c)
}

// flagGroups returns the groups of flags for the help. A group's description lists the settings of the group that have no flag.
func flagGroups() []kong.Group {
	return []kong.Group{
		{Key: "api", Title: "The API:", Description: listSettingsWithoutFlag("api")},
		{Key: "database", Title: "The database:", Description: listSettingsWithoutFlag("database")},
		{Key: "output", Title: "Settings and output:"},
	}
}

// listSettingsWithoutFlag returns a text that lists those settings of a group that have no flag. Its lines begin with a tab, because kong
// does not wrap indented lines.
func listSettingsWithoutFlag(group string) string {
	const nameWidth, indent = 25, 6 // indent is what kong puts before these lines
	var b strings.Builder
	b.WriteString("Set these in the environment or in .env. They have no flags: other users of this machine can read the arguments " +
		"of a command:\n\n")
	for _, s := range settings.All() {
		if s.Group != group || s.Flag != "" {
			continue
		}
		name := strings.Join(s.EnvNames, ", ")
		for _, line := range wrap(s.Help, helpWidth-indent-nameWidth) {
			fmt.Fprintf(&b, "\t%-*s%s\n", nameWidth, name, line)
			name = ""
		}
	}
	return b.String()
}

// wrapText returns text in lines of at most helpWidth characters.
func wrapText(text string) string { return strings.Join(wrap(text, helpWidth), "\n") }

// wrap returns the words of text in lines of at most width characters. A longer word has a line of its own.
func wrap(text string, width int) (lines []string) {
	for word := range strings.FieldsSeq(text) {
		last := len(lines) - 1
		if last >= 0 && len(lines[last])+len(" ")+len(word) <= width {
			lines[last] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	return lines
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
