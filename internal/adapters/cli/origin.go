package cli

import "github.com/alecthomas/kong"

// An origin is where a setting's value comes from; the zero origin is its default.
type origin struct {
	source string // flagSource, processSource or a file's path
	name   string // the flag or variable there
}

const flagSource = "flag"

func (o origin) String() string {
	if o.source == "" {
		return "default"
	}
	return o.source + " " + o.name
}

// origins are those of the settings that were set: by the flag's name, or by the first environment name where there is
// no flag.
type origins map[string]origin

// addFlags notes the flags on the command line.
func (o origins) addFlags(c *kong.Context) {
	for _, part := range c.Path {
		if part.Flag != nil && !part.Resolved {
			o[part.Flag.Name] = origin{flagSource, "--" + part.Flag.Name}
		}
	}
}

// named is what the user calls the setting: the name it was set by, else its flag.
func (o origins) named(flag string) string {
	if from := o[flag]; from.name != "" {
		return from.name
	}
	return "--" + flag
}
