package settings

import (
	"slices"
	"strings"
	"testing"
)

// TestAll checks that every setting has a help text and a group, that its default is one of its choices, and that no two settings have
// the same name.
func TestAll(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, s := range All() {
		if s.Help == "" || s.Group == "" {
			t.Errorf("%s: got help %q and group %q, want both", s.Name(), s.Help, s.Group)
		}
		if len(s.Choices) > 0 && !slices.Contains(s.Choices, s.Default) {
			t.Errorf("%s: the default %q is not among the choices %q", s.Name(), s.Default, s.Choices)
		}
		for _, name := range append(s.EnvNames, s.Flag) {
			if name == "" { // s has no flag
				continue
			}
			if names[name] {
				t.Errorf("got two settings with the name %s, want one", name)
			}
			names[name] = true
		}
	}
}

// TestFind checks that a setting is found by each of its names, and the error for an unknown name.
func TestFind(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		want    string // the first name of the setting; empty if an error is expected
		wantErr string // a part of the error; empty if none is expected
	}{
		{name: "API_KEY", want: "API_KEY"},
		{name: "TARGET_API_KEY", want: "API_KEY"},
		{name: "--env-file", want: "--env-file"},
		{name: "PAWL_TRYS", wantErr: "did you mean PAWL_TRIES?"},
		{name: "", wantErr: "there is no such setting"},
	} {
		got, err := Find(tt.name)
		if tt.wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("Find(%q): got error %v, want %q in it", tt.name, err, tt.wantErr)
			}
			continue
		}
		if err != nil {
			t.Errorf("Find(%q): got error %v, want none", tt.name, err)
		} else if got.Name() != tt.want {
			t.Errorf("Find(%q): got setting %s, want %s", tt.name, got.Name(), tt.want)
		}
	}
}

// TestSecretNames checks that the names of all secrets, and of the files of secrets, are returned.
func TestSecretNames(t *testing.T) {
	t.Parallel()
	want := []string{"API_KEY", "TARGET_API_KEY", "API_KEY_FILE", "DATABASE_URL", "DATABASE_URL_FILE", "PAWL_MIGRATE_URL"}
	if got := SecretNames(); !slices.Equal(got, want) {
		t.Errorf("got names %q, want %q", got, want)
	}
}
