package cli

import (
	"strings"

	"github.com/alecthomas/kong"
)

// A variable is a value and where it was set: "environment", or the .env file's path.
type variable struct{ value, source string }

// An environment is the process's environment as a value. An empty variable counts as unset.
type environment map[string]variable

const processSource = "environment"

// newEnvironment reads NAME=value pairs as os.Environ gives them; of several with one name the last counts.
func newEnvironment(pairs []string) environment {
	env := environment{}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = variable{value, processSource}
	}
	return env
}

// first is the value of the first of the names that is set, and its origin.
func (e environment) first(names []string) (value string, from origin) {
	for _, name := range names {
		if v := e[name]; v.value != "" {
			return v.value, origin{source: v.source, name: name}
		}
	}
	return "", origin{}
}

// resolver gives kong the values of flags that are not on the command line, and notes where they came from. It first
// completes the environment by prepare, once.
func (e environment) resolver(from origins, prepare func(*kong.Context)) kong.Resolver {
	prepared := false
	return kong.ResolverFunc(func(c *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if !prepared {
			prepared = true
			prepare(c)
		}
		value, origin := e.first(strings.Split(flag.Tag.Get("setting"), ","))
		if origin.name == "" {
			return nil, nil //nolint:nilnil // kong's way to say that the resolver has no value
		}
		from[flag.Name] = origin
		return value, nil
	})
}

// fillSecrets sets the knobs that have no flag, and notes where they came from.
func (e environment) fillSecrets(k *knobs, from origins) {
	for _, s := range allSettings() {
		if s.flag != "" {
			continue
		}
		value, origin := e.first(s.names)
		s.of(k).SetString(value)
		if origin.name != "" {
			from[s.key()] = origin
		}
	}
}
