package cli

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write .env.example anew")

// TestEnvExample keeps .env.example what the settings say: `go test ./internal/adapters/cli -run EnvExample -update`.
func TestEnvExample(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "..", ".env.example")
	want := envExample()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf(".env.example is not what the settings say; run this test with -update")
	}
	if _, err := readEnvFile(path); err != nil {
		t.Error(err)
	}
}

func envExample() string {
	var b strings.Builder
	b.WriteString("# Settings for pawl. Copy this file to .env and fill in what you need; the environment and flags come before it.\n")
	for field := range reflect.TypeFor[knobs]().Fields() {
		if names := field.Tag.Get("setting"); names != "" {
			name, _, _ := strings.Cut(names, ",")
			fmt.Fprintf(&b, "\n# %s\n#%s=%s\n", field.Tag.Get("help"), name, field.Tag.Get("default"))
		}
	}
	return b.String()
}
