package cli

import (
	"reflect"
	"strings"
)

// A setting is one knob, described.
type setting struct {
	field   string   // of knobs
	flag    string   // without dashes, empty where there is none
	names   []string // in the environment, in order of preference; none for a flag that has none
	group   string
	initial string // what it is where nobody sets it
	help    string
}

// allSettings describes the knobs in the order they are declared in.
func allSettings() (all []setting) {
	for field := range reflect.TypeFor[knobs]().Fields() {
		tag := field.Tag
		s := setting{
			field: field.Name, flag: tag.Get("name"), group: tag.Get("group"), initial: tag.Get("default"), help: tag.Get("help"),
		}
		if names := tag.Get("setting"); names != "" {
			s.names = strings.Split(names, ",")
		}
		all = append(all, s)
	}
	return all
}

// name is what the setting is called: its first name in the environment, else its flag.
func (s setting) name() string {
	if len(s.names) > 0 {
		return s.names[0]
	}
	return "--" + s.flag
}

// key is what its origin is noted under.
func (s setting) key() string {
	if s.flag != "" {
		return s.flag
	}
	return s.names[0]
}

// of is where the knob's value stands.
func (s setting) of(k *knobs) reflect.Value { return reflect.ValueOf(k).Elem().FieldByName(s.field) }

// secretNames returns the environment names of the settings without a flag: each is a secret or leads to one.
func secretNames() (names []string) {
	for _, s := range allSettings() {
		if s.flag == "" {
			names = append(names, s.names...)
		}
	}
	return names
}
