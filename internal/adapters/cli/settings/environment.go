package settings

import (
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// A variable is a value and where it was set: processSource, or the path of the .env file.
type variable struct{ value, source string }

const (
	flagSource    = "flag"
	processSource = "environment"
)

// An Environment holds environment variables by name. An empty variable counts as not set.
type Environment map[string]variable

// NewEnvironment returns the NAME=value pairs of os.Environ as an Environment. If a name occurs twice, the last pair prevails.
func NewEnvironment(pairs []string) Environment {
	env := Environment{}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = variable{value, processSource}
	}
	return env
}

// Get returns the value of a variable, empty if it is not set.
func (e Environment) Get(name string) string { return e[name].value }

// first returns the value of the first of the names that is set, and its origin.
func (e Environment) first(names []string) (value string, from Origin) {
	for _, name := range names {
		if v := e[name]; v.value != "" {
			return v.value, Origin{source: v.source, name: name}
		}
	}
	return "", Origin{}
}

// ownPrefix begins the environment names of all settings whose names could otherwise belong to another program.
const ownPrefix = "PAWL_"

// checkNames returns an Invalid error for a variable with pawl's prefix that is no setting. It is a typing error, and the
// setting that was meant would not have the value.
func (e Environment) checkNames() error {
	for _, name := range slices.Sorted(maps.Keys(e)) {
		if strings.HasPrefix(name, ownPrefix) && e[name].value != "" {
			if _, err := Find(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// An Origin is where a setting's value comes from. The zero Origin means that the value is the default.
type Origin struct {
	source string // flagSource, processSource or the path of a file
	name   string // of the flag or variable there
}

// String returns the origin in words, for example "flag --stream".
func (o Origin) String() string {
	if o.source == "" {
		return "default"
	}
	return o.source + " " + o.name
}

// Origins are the origins of the settings that were set. The key is the flag, or the first environment name of a setting
// without a flag.
type Origins map[string]Origin

// userName returns the name that the user set the setting with, or its flag.
func (o Origins) userName(flag string) string {
	if from := o[flag]; from.name != "" {
		return from.name
	}
	return "--" + flag
}

// A Loader fills a grammar that embeds Values while kong parses the command line. Flags prevail over the environment, and the
// environment over the .env file. The steps are: parse with Resolver, check Err, then call Complete.
type Loader struct {
	env     Environment
	origins Origins
	loaded  bool
	err     error
}

// NewLoader returns a loader that adds the variables of the .env file to env.
func NewLoader(env Environment) *Loader { return &Loader{env: env, origins: Origins{}} }

// Resolver returns the source of the flags that are not on the command line. Its first call reads the .env file.
func (l *Loader) Resolver() kong.Resolver {
	return kong.ResolverFunc(func(c *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if !l.loaded {
			l.loaded = true
			if l.err = l.env.addFile(envFile(c)); l.err == nil {
				l.err = l.env.checkNames()
			}
		}
		value, origin := l.env.first(splitList(flag.Tag.Get("setting")))
		if origin.name == "" {
			return nil, nil //nolint:nilnil // kong's way to say that the resolver has no value
		}
		l.origins[flag.Name] = origin
		return value, nil
	})
}

// Err returns the error of reading the .env file or of a wrong name in the environment, if there was one.
func (l *Loader) Err() error { return l.err }

// Complete sets the fields of v that have no flag, and returns where all values come from.
func (l *Loader) Complete(c *kong.Context, v *Values) Origins {
	for _, part := range c.Path {
		if part.Flag != nil && !part.Resolved {
			l.origins[part.Flag.Name] = Origin{flagSource, "--" + part.Flag.Name}
		}
	}
	for _, s := range All() {
		if s.Flag != "" {
			continue
		}
		value, origin := l.env.first(s.EnvNames)
		s.value(v).SetString(value)
		if origin.name != "" {
			l.origins[s.key()] = origin
		}
	}
	return l.origins
}
