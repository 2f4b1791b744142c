package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
)

const password = "hunter2"

// sound is an environment in which `pawl run` starts.
func sound(changes ...string) []string {
	return append([]string{
		"API_BASE_URL=https://api.example/v1", "API_KEY=key-" + password,
		"DATABASE_URL=postgres://user:" + password + "@127.0.0.1:5432/db",
	}, changes...)
}

func TestBadSettingsAreNamedAndNothingStarts(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		env  []string
		args []string
		want []string // in the one line of error
	}{
		{"no base URL", sound("API_BASE_URL="), nil, []string{"API_BASE_URL", "https://host/api/v1"}},
		{"no key", sound("API_KEY="), nil, []string{"API_KEY", "API_KEY_FILE"}},
		{"no database", sound("DATABASE_URL="), nil, []string{"DATABASE_URL", "postgres://user:password@host:5432/database"}},
		{"page size is no number", sound("BATCH_SIZE=many"), nil, []string{"BATCH_SIZE", `"many"`, "1 to 5000"}},
		{"page size over the API's cap", sound(), []string{"--page-size=5001"}, []string{"--page-size", "1 to 5000"}},
		{"page size of nothing", sound("BATCH_SIZE=0"), nil, []string{"BATCH_SIZE"}},
		{"a delay below nothing", sound("RATE_LIMIT_DELAY_MS=-1"), nil, []string{"RATE_LIMIT_DELAY_MS"}},
		{"no tries", sound("PAWL_TRIES=0"), nil, []string{"PAWL_TRIES"}},
		{"a share of more than all", sound("PAWL_MAX_REJECT_RATIO=1.01"), nil, []string{"PAWL_MAX_REJECT_RATIO", `"1.01"`, "0 to 1"}},
		{"a share below nothing", sound(), []string{"--max-reject-ratio=-0.1"}, []string{"--max-reject-ratio"}},
		{"a share that is no number", sound(), []string{"--max-reject-ratio=NaN"}, []string{"--max-reject-ratio"}},
		{"a wait without a unit", sound("PAWL_MAX_WAIT=90"), nil, []string{"PAWL_MAX_WAIT", "90s"}},
		{"a timeout of nothing", sound(), []string{"--request-timeout=0s"}, []string{"--request-timeout"}},
		{"a page of no bytes", sound("PAWL_MAX_PAGE_BYTES=0"), nil, []string{"PAWL_MAX_PAGE_BYTES"}},
		{"an unknown mode", sound("PAWL_MIGRATE=maybe"), nil, []string{"PAWL_MIGRATE", "auto, check, off"}},
		{"an unknown way to show progress", sound("PAWL_PROGRESS=loud"), nil, []string{"PAWL_PROGRESS", "auto, always, never"}},
		{"an unknown log format", sound("PAWL_LOG_FORMAT=xml"), nil, []string{"PAWL_LOG_FORMAT", "text, json"}},
		{"an unknown log level", sound(), []string{"--log-level=loud"}, []string{"--log-level", "debug, info, warn, error"}},
		{"a stream name with a space", sound("PAWL_STREAM=a b"), nil, []string{"PAWL_STREAM"}},
		{"a stream name of nothing", sound(), []string{"--stream="}, []string{"--stream"}},
		{"a key with a line break", sound("API_KEY=a\n" + password), nil, []string{"API_KEY"}},
		{"a key twice", sound("API_KEY_FILE=" + empty), nil, []string{"API_KEY", "not both"}},
		{"a key file that is not there", sound("API_KEY=", "API_KEY_FILE=/nowhere/key"), nil, []string{"API_KEY_FILE", "/nowhere/key"}},
		{"an empty key file", sound("API_KEY=", "API_KEY_FILE="+empty), nil, []string{"API_KEY_FILE", "empty"}},
		{"a key file that is a folder", sound("API_KEY=", "API_KEY_FILE=/"), nil, []string{"API_KEY_FILE"}},
		{"an unknown flag", sound(), []string{"--no-such"}, []string{"--no-such", "pawl --help"}},
		{"a secret as a flag", sound(), []string{"--api-key=x"}, []string{"--api-key"}},
		{"an argument too many", sound(), []string{"now"}, []string{"now"}},
		{"an argument that is no text", sound(), []string{"--api-base-url=\xff"}, []string{`\xff" is not UTF-8`, "pawl --help"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// A wiring of nil functions: whatever is started panics.
			code, stdout, stderr := pawl(t, tt.env, cli.Wiring{}, append([]string{"run"}, tt.args...)...)
			if code != cli.ExitSettings || stdout != "" {
				t.Errorf("exit %d, stdout %q", code, stdout)
			}
			if strings.Count(stderr, "\n") != 1 || strings.Contains(stderr, password) {
				t.Errorf("it should be one line without secrets: %q", stderr)
			}
			for _, want := range tt.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("%q does not say %q", stderr, want)
				}
			}
		})
	}
}

func TestNoCommand(t *testing.T) {
	t.Parallel()
	code, _, stderr := pawl(t, nil, cli.Wiring{})
	if code != cli.ExitSettings || !strings.Contains(stderr, "run") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestHelpNamesEverySetting(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"run", "--help"}} {
		code, stdout, _ := pawl(t, sound(), cli.Wiring{}, args...)
		if code != cli.ExitDone || strings.Contains(stdout, password) {
			t.Errorf("%v: exit %d", args, code)
		}
		stdout = strings.Join(strings.Fields(stdout), " ") // lines break where they must
		for _, want := range []string{"API_BASE_URL", "BATCH_SIZE", "RATE_LIMIT_DELAY_MS", "PAWL_STREAM", "Default 5000."} {
			if !strings.Contains(stdout, want) {
				t.Errorf("%v does not name %s:\n%s", args, want, stdout)
			}
		}
	}
	_, stdout, _ := pawl(t, nil, cli.Wiring{}, "--help")
	for _, want := range []string{"API_KEY, TARGET_API_KEY", "API_KEY_FILE", "DATABASE_URL", "DATABASE_URL_FILE", "Exit codes"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("--help does not name %s:\n%s", want, stdout)
		}
	}
}
