package cli

import (
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// An environment is the process's environment as a value. An empty variable counts as unset.
type environment map[string]string

// newEnvironment reads NAME=value pairs as os.Environ gives them; of several with one name the last counts.
func newEnvironment(pairs []string) environment {
	env := environment{}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	return env
}

// first is the value of the first of the comma-separated names that is set, and that name.
func (e environment) first(names string) (value, name string) {
	for name := range strings.SplitSeq(names, ",") {
		if value := e[name]; value != "" {
			return value, name
		}
	}
	return "", ""
}

// resolver gives kong the values of flags that are not on the command line, and notes in origin where they came from. It
// first completes the environment by prepare, once.
func (e environment) resolver(origin map[string]string, prepare func(*kong.Context)) kong.Resolver {
	prepared := false
	return kong.ResolverFunc(func(c *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if !prepared {
			prepared = true
			prepare(c)
		}
		value, name := e.first(flag.Tag.Get("setting"))
		if name == "" {
			return nil, nil //nolint:nilnil // kong's way to say that the resolver has no value
		}
		origin[flag.Name] = name
		return value, nil
	})
}

// fillSecrets sets the knobs that have no flag.
func (e environment) fillSecrets(k *knobs) {
	v := reflect.ValueOf(k).Elem()
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		if tag.Get("kong") == "-" {
			value, _ := e.first(tag.Get("setting"))
			v.Field(i).SetString(value)
		}
	}
}
