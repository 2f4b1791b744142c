package settings

import (
	"slices"
	"strings"
	"testing"
)

// TestAll checks that the tags of every setting are complete.
func TestAll(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, s := range All() {
		if s.Help == "" || s.Group == "" {
			t.Errorf("%s has no help or no group", s.Name())
		}
		if len(s.Choices) > 0 && !slices.Contains(s.Choices, s.Default) {
			t.Errorf("%s: the default %q is not among the choices %q", s.Name(), s.Default, s.Choices)
		}
		for _, name := range append(s.EnvNames, s.Flag) {
			if name != "" && names[name] {
				t.Errorf("two settings have the name %s", name)
			}
			names[name] = true
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want, err string
	}{
		{"API_KEY", "API_KEY", ""},
		{"TARGET_API_KEY", "API_KEY", ""},
		{"--env-file", "--env-file", ""},
		{"PAWL_TRYS", "", "did you mean PAWL_TRIES?"},
		{"", "", "there is no such setting"},
	} {
		got, err := Find(tt.name)
		switch {
		case tt.err == "" && (err != nil || got.Name() != tt.want):
			t.Errorf("Find(%q): got %s, %v, want %s", tt.name, got.Name(), err, tt.want)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("Find(%q): got error %v, want %q", tt.name, err, tt.err)
		}
	}
}

func TestSecretNames(t *testing.T) {
	t.Parallel()
	want := []string{"API_KEY", "TARGET_API_KEY", "API_KEY_FILE", "DATABASE_URL", "DATABASE_URL_FILE"}
	if got := SecretNames(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
