package settings

import (
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// A variable is the value of an environment variable, and where it was set.
type variable struct {
	value  string
	source string // processSource or the path of the .env file
}

// The sources of values that are not in the .env file.
const (
	flagSource    = "flag"
	processSource = "environment" // the environment of the process
)

// An Environment holds environment variables by name. An empty variable counts as not set.
type Environment map[string]variable

// NewEnvironment returns an Environment with the NAME=value pairs of os.Environ. If a name occurs twice, the last pair prevails.
func NewEnvironment(pairs []string) Environment {
	env := Environment{}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = variable{value: value, source: processSource}
	}
	return env
}

// Get returns the value of a variable. It returns an empty text if the variable is not set.
func (e Environment) Get(name string) string { return e[name].value }

// Similar returns a variable that is set and whose name differs from name in one or two characters, probably by a typing error. It returns
// an empty text if there is none. The names of other settings do not count.
func (e Environment) Similar(name string) string {
	const maxDistance = 2
	for _, other := range slices.Sorted(maps.Keys(e)) {
		_, err := Find(other)
		isSetting := err == nil
		if !isSetting && e[other].value != "" && distance(name, other) <= maxDistance {
			return other
		}
	}
	return ""
}

// firstSet returns the value and the origin of the first variable in names that is set. If none is set, it returns an empty text and the
// zero Origin.
func (e Environment) firstSet(names []string) (value string, origin Origin) {
	for _, name := range names {
		if v := e[name]; v.value != "" {
			return v.value, Origin{source: v.source, name: name}
		}
	}
	return "", Origin{}
}

// ownPrefix begins the environment names that only pawl uses. Other programs may use a name without this prefix, such as API_KEY.
const ownPrefix = "PAWL_"

// checkNames returns an Invalid error if a variable has pawl's prefix and belongs to no setting, because its name is probably misspelt.
// Without the error, the setting that the user meant would silently have another value.
func (e Environment) checkNames() error {
	for _, name := range slices.Sorted(maps.Keys(e)) {
		isOwn := strings.HasPrefix(name, ownPrefix) && e[name].value != ""
		if !isOwn {
			continue
		}
		if _, err := Find(name); err != nil {
			return err
		}
	}
	return nil
}

// An Origin is where a setting's value comes from. The zero Origin means that the value is the default.
type Origin struct {
	source string // flagSource, processSource or the path of the .env file
	name   string // the name of the flag or of the variable
}

// String returns the origin in words, for example "flag --stream" or "default".
func (o Origin) String() string {
	if o.source == "" {
		return "default"
	}
	return o.source + " " + o.name
}

// Origins are the origins of the settings that were set. The key is the setting's flag or, if it has none, its first environment name.
type Origins map[string]Origin

// FromEnvironment reports whether the environment of the process set the setting with that name, and no flag prevails over it.
func (o Origins) FromEnvironment(name string) bool {
	setting, err := Find(name)
	return err == nil && o[setting.key()].source == processSource
}

// Describe returns where the secret with that name comes from, for example "API_KEY from .env" or "API_KEY_FILE from the environment". It
// returns an empty text if the secret is not set.
func (o Origins) Describe(name string) string {
	origin := o[name]
	if origin.name == "" {
		origin = o[name+"_FILE"]
	}
	switch {
	case origin.name == "":
		return ""
	case origin.source == processSource:
		return origin.name + " from the environment"
	}
	return origin.name + " from " + origin.source
}

// usedName returns the name with which the user set the setting of that flag: the flag or an environment name. If the user did not set
// the setting, usedName returns the flag. It returns a flag with its dashes.
func (o Origins) usedName(flag string) string {
	if origin := o[flag]; origin.name != "" {
		return origin.name
	}
	return "--" + flag
}

// A Loader fills the Values in the grammar of kong, the library that parses the command line. Flags prevail over the environment, and the
// environment prevails over the .env file. The caller must parse with Resolver, then check Err, and then call Complete.
type Loader struct {
	env     Environment // after load, with the variables of the .env file
	origins Origins
	loaded  bool  // load was called
	err     error // the error of load
}

// NewLoader returns a loader that adds the variables of the .env file to env.
func NewLoader(env Environment) *Loader { return &Loader{env: env, origins: Origins{}} }

// Resolver returns a resolver, which kong asks for the value of each flag that is not on the command line. The resolver's first call
// reads the .env file.
func (l *Loader) Resolver() kong.Resolver {
	return kong.ResolverFunc(func(c *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if !l.loaded {
			l.loaded, l.err = true, l.load(c)
		}
		envNames := splitList(flag.Tag.Get("setting"))
		value, origin := l.env.firstSet(envNames)
		if origin == (Origin{}) {
			return nil, nil //nolint:nilnil // this tells kong that the resolver has no value
		}
		l.origins[flag.Name] = origin
		return value, nil
	})
}

// load adds the variables of the .env file to the environment and checks all names.
func (l *Loader) load(c *kong.Context) error {
	path, isNamed := envFilePath(c)
	if err := l.env.addFile(path, isNamed); err != nil {
		return err
	}
	return l.env.checkNames()
}

// Err returns the error of reading the .env file, or an error about an unknown name in the environment. It returns nil if there was
// neither.
func (l *Loader) Err() error { return l.err }

// Complete sets the fields of v that have no flag, and returns the origins of all values that are not defaults.
func (l *Loader) Complete(c *kong.Context, v *Values) Origins {
	for _, part := range c.Path {
		isOnCommandLine := part.Flag != nil && !part.Resolved
		if isOnCommandLine {
			l.origins[part.Flag.Name] = Origin{source: flagSource, name: "--" + part.Flag.Name}
		}
	}
	for _, s := range All() {
		if s.Flag != "" {
			continue
		}
		value, origin := l.env.firstSet(s.EnvNames)
		s.value(v).SetString(value)
		if origin != (Origin{}) {
			l.origins[s.key()] = origin
		}
	}
	return l.origins
}
