package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"text/tabwriter"
)

type configCommand struct {
	Name string `arg:"" optional:"" help:"A setting's name, to print its value alone."`
	JSON bool   `name:"json" help:"Print one JSON object a line: name, value, origin."`
}

// Help is kong's detailed help.
func (c *configCommand) Help() string {
	return "Secrets are masked. Nothing is connected to, and settings that are wrong are shown too, followed by the error."
}

// A configLine is one setting as it holds for this command.
type configLine struct {
	Name   string `json:"name"`
	Value  string `json:"value"` // masked
	Origin string `json:"origin"`
}

// Run is called by kong.
func (c *configCommand) Run(s *session) error {
	lines := s.config()
	if c.Name != "" {
		settings := allSettings() // in the order of the lines
		i := slices.IndexFunc(settings, func(s setting) bool { return c.Name == s.name() || slices.Contains(s.names, c.Name) })
		if i < 0 {
			return invalid(c.Name, fmt.Sprintf("there is no such setting; did you mean %s?", nearest(c.Name, settingNames())))
		}
		lines = lines[i : i+1]
	}
	if err := printed(c.print(s, lines)); err != nil {
		return err
	}
	return s.wrong
}

func (c *configCommand) print(s *session, lines []configLine) error {
	if c.Name != "" && !c.JSON {
		_, err := fmt.Fprintln(s.Stdout, lines[0].Value)
		return err
	}
	table := tabwriter.NewWriter(s.Stdout, 0, 0, 2, ' ', 0)
	encoder := json.NewEncoder(s.Stdout)
	encoder.SetEscapeHTML(false)
	for _, line := range lines {
		if c.JSON {
			if err := encoder.Encode(line); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", line.Name, line.Value, line.Origin)
	}
	return table.Flush()
}

// config is every setting with its value, which for a secret kept in a file is the file's, and its origin.
func (s *session) config() (lines []configLine) {
	for _, knob := range allSettings() {
		value, from := knob.of(&s.knobs).String(), s.from[knob.key()].String()
		switch knob.name() {
		case "API_BASE_URL":
			value = maskAddress(value)
		case "API_KEY":
			value, from = mask(s.settings.APIKey), fileOrigin(s.knobs.APIKeyFile, from)
		case "DATABASE_URL":
			value, from = maskDatabase(s.settings.DatabaseURL), fileOrigin(s.knobs.DatabaseURLFile, from)
		}
		if value == "" {
			from = "not set"
		}
		lines = append(lines, configLine{knob.name(), value, from})
	}
	return lines
}

func fileOrigin(file, otherwise string) string {
	if file == "" {
		return otherwise
	}
	return "file " + file
}
