package cli_test

import (
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
)

// TestHelp checks that the help names the settings and has no value of a secret.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"run", "--help"}} {
		code, stdout, _ := pawl(t, validEnv(), cli.Wiring{}, args...)
		if code != cli.ExitDone || strings.Contains(stdout, password) {
			t.Errorf("%v: got exit %d, want exit 0 and no password in\n%s", args, code, stdout)
		}
		stdout = strings.Join(strings.Fields(stdout), " ") // without line breaks
		for _, want := range []string{"API_BASE_URL", "BATCH_SIZE", "RATE_LIMIT_DELAY_MS", "PAWL_STREAM", "Default 5000."} {
			if !strings.Contains(stdout, want) {
				t.Errorf("%v: got no %s in\n%s", args, want, stdout)
			}
		}
	}
	_, stdout, _ := pawl(t, nil, cli.Wiring{}, "--help") // only this help lists the settings without a flag
	for _, want := range []string{"API_KEY, TARGET_API_KEY", "API_KEY_FILE", "DATABASE_URL", "DATABASE_URL_FILE", "Exit codes"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("--help: got no %s in\n%s", want, stdout)
		}
	}
}
