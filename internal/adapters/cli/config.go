package cli

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
)

type configCommand struct {
	Name string `arg:"" optional:"" help:"The name of a setting, to print only its value."`
	JSON bool   `name:"json" help:"Print each setting as a JSON object on its own line, with its name, value and origin."`
}

// Help returns the details for `pawl config --help`. kong calls it.
func (c *configCommand) Help() string {
	return "Secrets are masked. The command opens no connection. It also prints settings that are wrong, and then the first error."
}

// toleratesWrongSettings implements settingsTolerant, so that the user can see the wrong setting.
func (c *configCommand) toleratesWrongSettings() {}

// Run executes `pawl config`. kong calls it.
func (c *configCommand) Run(s *session) error {
	lines := settings.Show(s.values, s.settings, s.origins)
	c.addChosenDatabase(s, lines)
	if c.Name != "" {
		setting, err := settings.Find(c.Name)
		if err != nil {
			return err
		}
		lines = slices.DeleteFunc(lines, func(l settings.Line) bool { return l.Name != setting.Name() })
	}
	if err := c.print(s, lines); err != nil {
		return outputError(err)
	}
	return s.settingsErr // nil if no setting is wrong
}

// addChosenDatabase replaces the line of a database that is not set by the private database that a run would use, if there is one.
func (c *configCommand) addChosenDatabase(s *session, lines []settings.Line) {
	i := slices.IndexFunc(lines, func(l settings.Line) bool { return l.Name == "DATABASE_URL" })
	if s.settings.DatabaseURL != "" || s.values.DatabaseURLFile != "" {
		return
	}
	if folder, err := s.chooseFolder(mayCreate); err == nil {
		lines[i].Value, lines[i].Origin = embeddedPrefix+folder, "chosen: "+folder
	}
}

// print writes the lines as JSON or as a table. For a setting that the user named, it writes only the value.
func (c *configCommand) print(s *session, lines []settings.Line) error {
	if c.JSON {
		encoder := json.NewEncoder(s.Stdout)
		encoder.SetEscapeHTML(false)
		for _, line := range lines {
			if err := encoder.Encode(line); err != nil {
				return err
			}
		}
		return nil
	}
	if c.Name != "" {
		_, err := fmt.Fprintln(s.Stdout, lines[0].Value) // the only line
		return err
	}
	var rows table
	for _, line := range lines {
		rows = append(rows, []string{line.Name, line.Value, line.Origin})
	}
	return rows.write(s.Stdout)
}
