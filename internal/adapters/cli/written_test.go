package cli

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write anew what the settings say")

// TestWrittenFromTheSettings keeps .env.example and the README's table what the settings say:
// `go test ./internal/adapters/cli -run WrittenFromTheSettings -update`.
func TestWrittenFromTheSettings(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..")
	for _, file := range []struct {
		path  string
		write func(old string) string
	}{
		{filepath.Join(root, ".env.example"), envExample},
		{filepath.Join(root, "README.md"), withSettingsTable},
	} {
		old, err := os.ReadFile(file.path)
		if err != nil {
			t.Fatal(err)
		}
		want := file.write(string(old))
		if *update {
			if err := os.WriteFile(file.path, []byte(want), 0o600); err != nil {
				t.Fatal(err)
			}
		} else if string(old) != want {
			t.Errorf("%s is not what the settings say; run this test with -update", file.path)
		}
	}
	if _, err := readEnvFile(filepath.Join(root, ".env.example")); err != nil {
		t.Error(err)
	}
}

func envExample(string) string {
	var b strings.Builder
	b.WriteString("# Settings for pawl. Copy this file to .env and fill in what you need; the environment and flags come before it.\n" +
		"# In single quotes a value is taken as it stands; without them $NAME is replaced, and # begins a comment.\n")
	for _, s := range allSettings() {
		if len(s.names) > 0 {
			fmt.Fprintf(&b, "\n# %s\n#%s=%s\n", s.help, s.names[0], s.initial)
		}
	}
	return b.String()
}

// withSettingsTable puts the table between its marks.
func withSettingsTable(readme string) string {
	const begin, end = "<!-- settings: begin -->\n", "<!-- settings: end -->\n"
	before, rest, found := strings.Cut(readme, begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return "a README with " + begin + " and " + end
	}
	var b strings.Builder
	b.WriteString("| environment | flag | default | |\n|---|---|---|---|\n")
	for _, s := range allSettings() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", codes(s.names...), codes(flagged(s.flag)), codes(s.initial), s.help)
	}
	return before + begin + b.String() + end + after
}

func flagged(name string) string {
	if name == "" {
		return ""
	}
	return "--" + name
}

func codes(texts ...string) string {
	var quoted []string
	for _, text := range texts {
		if text != "" {
			quoted = append(quoted, "`"+text+"`")
		}
	}
	return strings.Join(quoted, ", ")
}
