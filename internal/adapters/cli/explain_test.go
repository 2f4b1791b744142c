package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
)

// TestHelp_Code checks that `pawl help` explains a code, even if the settings are wrong.
func TestHelp_Code(t *testing.T) {
	t.Parallel()
	envFile := filepath.Join(t.TempDir(), "wrong.env")
	if err := os.WriteFile(envFile, []byte("no pair\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"help", "api-key-refused"},
		{"help", "[api-key-refused]"},
		{"help", "api-key-refused", "--env-file", envFile},
	} {
		code, stdout, stderr := pawl(t, validEnv("PAWL_TRIES=none", "PAWL_UNKNOWN=1"), cli.Wiring{}, args...)
		if code != cli.ExitDone || !strings.HasPrefix(stdout, "api-key-refused\n\n") || !strings.Contains(stdout, "What to do: ") ||
			!strings.HasSuffix(stdout, "\n\nExit code: 2\n") {
			t.Errorf("%v: got exit %d, stderr %q and\n%s\nwant exit 0 and the explanation", args, code, stderr, stdout)
		}
		for line := range strings.Lines(stdout) {
			if len(line) > len("\n")+80 {
				t.Errorf("got the line %q, want at most 80 characters", line)
			}
		}
	}
}

// TestHelp_Unknown checks that `pawl help` with another word names the most similar code or command.
func TestHelp_Unknown(t *testing.T) {
	t.Parallel()
	for topic, want := range map[string]string{
		"api-key-refuse": "did you mean `pawl help api-key-refused`? [usage]\n",
		"disk-full":      "did you mean `pawl help database-disk-full`? [usage]\n",
		"rum":            "did you mean `pawl help run`? [usage]\n",
	} {
		code, stdout, stderr := pawl(t, nil, cli.Wiring{}, "help", topic)
		if code != cli.ExitSettings || stdout != "" || !strings.HasSuffix(stderr, want) {
			t.Errorf("%s: got exit %d, stdout %q and stderr %q, want exit 2 and %q", topic, code, stdout, stderr, want)
		}
	}
}
