package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

const password = "hunter2"

func TestSettings_Run(t *testing.T) {
	t.Parallel()
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got cli.Settings
	env := validEnv("API_KEY=", "API_KEY_FILE="+keyFile, "BATCH_SIZE=100", "RATE_LIMIT_DELAY_MS=250", "PAWL_MAX_WAIT=2m",
		"PAWL_STREAM=from-env", "PAWL_TRIES=")
	code, _, stderr := pawl(t, env, newWiring(emptySource{}, domaintest.NewMemDatabase(), &got),
		"run", "--stream", "from-flag")
	if code != cli.ExitDone {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if got.APIKey != "from-file" || got.PageSize != 100 || got.RequestDelay != 250*time.Millisecond ||
		got.MaxWait != 2*time.Minute || got.Stream.Source != "from-flag" || got.Tries != 5 {
		t.Errorf("got settings %+v", got)
	}
	code, _, _ = pawl(t, validEnv("API_KEY=", "TARGET_API_KEY=other-name"), newWiring(emptySource{}, domaintest.NewMemDatabase(), &got), "run")
	if code != cli.ExitDone || got.APIKey != "other-name" {
		t.Errorf("exit %d, got key %q, want other-name", code, got.APIKey)
	}
}

// TestSettings_Invalid checks that one line names the wrong setting and that nothing is started.
func TestSettings_Invalid(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		env  []string
		args []string
		want []string // texts in the error
	}{
		{"no base URL", validEnv("API_BASE_URL="), nil, []string{"API_BASE_URL", "https://host/api/v1"}},
		{"no key", validEnv("API_KEY="), nil, []string{"API_KEY", "API_KEY_FILE"}},
		{"no database", validEnv("DATABASE_URL="), nil, []string{"DATABASE_URL", "postgres://user:password@host:5432/database"}},
		{"page size is not a number", validEnv("BATCH_SIZE=many"), nil, []string{"BATCH_SIZE", `"many"`, "1 to 5000"}},
		{"page size over the API's cap", validEnv(), []string{"--page-size=5001"}, []string{"--page-size", "1 to 5000"}},
		{"page size 0", validEnv("BATCH_SIZE=0"), nil, []string{"BATCH_SIZE"}},
		{"a negative delay", validEnv("RATE_LIMIT_DELAY_MS=-1"), nil, []string{"RATE_LIMIT_DELAY_MS"}},
		{"no tries", validEnv("PAWL_TRIES=0"), nil, []string{"PAWL_TRIES"}},
		{"a ratio above 1", validEnv("PAWL_MAX_REJECT_RATIO=1.01"), nil, []string{"PAWL_MAX_REJECT_RATIO", `"1.01"`, "0 to 1"}},
		{"a negative ratio", validEnv(), []string{"--max-reject-ratio=-0.1"}, []string{"--max-reject-ratio"}},
		{"a ratio that is not a number", validEnv(), []string{"--max-reject-ratio=NaN"}, []string{"--max-reject-ratio"}},
		{"a wait without a unit", validEnv("PAWL_MAX_WAIT=90"), nil, []string{"PAWL_MAX_WAIT", "90s"}},
		{"a timeout of 0", validEnv(), []string{"--request-timeout=0s"}, []string{"--request-timeout"}},
		{"a page of 0 bytes", validEnv("PAWL_MAX_PAGE_BYTES=0"), nil, []string{"PAWL_MAX_PAGE_BYTES"}},
		{"an unknown mode", validEnv("PAWL_MIGRATE=maybe"), nil, []string{"PAWL_MIGRATE", "auto, check, off"}},
		{"an unknown way to show progress", validEnv("PAWL_PROGRESS=loud"), nil, []string{"PAWL_PROGRESS", "auto, always, never"}},
		{"an unknown log format", validEnv("PAWL_LOG_FORMAT=xml"), nil, []string{"PAWL_LOG_FORMAT", "text, json"}},
		{"an unknown log level", validEnv(), []string{"--log-level=loud"}, []string{"--log-level", "debug, info, warn, error"}},
		{"a stream name with a space", validEnv("PAWL_STREAM=a b"), nil, []string{"PAWL_STREAM"}},
		{"an empty stream name", validEnv(), []string{"--stream="}, []string{"--stream"}},
		{"a key with a line break", validEnv("API_KEY=a\n" + password), nil, []string{"API_KEY"}},
		{"a key twice", validEnv("API_KEY_FILE=" + empty), nil, []string{"API_KEY", "not both"}},
		{"a missing key file", validEnv("API_KEY=", "API_KEY_FILE=/nowhere/key"), nil, []string{"API_KEY_FILE", "/nowhere/key"}},
		{"an empty key file", validEnv("API_KEY=", "API_KEY_FILE="+empty), nil, []string{"API_KEY_FILE", "empty"}},
		{"a key file that is a folder", validEnv("API_KEY=", "API_KEY_FILE=/"), nil, []string{"API_KEY_FILE"}},
		{"an unknown flag", validEnv(), []string{"--no-such"}, []string{"--no-such", "pawl --help"}},
		{"a secret as a flag", validEnv(), []string{"--api-key=x"}, []string{"--api-key"}},
		{"an argument too many", validEnv(), []string{"now"}, []string{"now"}},
		{"an argument that is not UTF-8", validEnv(), []string{"--api-base-url=\xff"}, []string{`\xff" is not UTF-8`, "pawl --help"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// The functions of this wiring are nil: a call of any of them panics.
			code, stdout, stderr := pawl(t, tt.env, cli.Wiring{}, append([]string{"run"}, tt.args...)...)
			if code != cli.ExitSettings || stdout != "" {
				t.Errorf("exit %d, stdout %q", code, stdout)
			}
			if strings.Count(stderr, "\n") != 1 || strings.Contains(stderr, password) {
				t.Errorf("got %q, want one line without secrets", stderr)
			}
			for _, want := range tt.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("got %q, want %q in it", stderr, want)
				}
			}
		})
	}
}

func TestEnvFile(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "# a comment\nexport PAWL_STREAM=from-file\nBATCH_SIZE='250'\nAPI_KEY=key-from-file\nPAWL_TRIES=9\n")
	var got cli.Settings
	// The environment prevails over the file, an empty variable counts as not set, and a flag prevails over both.
	env := validEnv("API_KEY=", "BATCH_SIZE=100")
	code, _, stderr := pawl(t, env, newWiring(emptySource{}, domaintest.NewMemDatabase(), &got),
		"run", "--env-file", file, "--tries", "3")
	if code != cli.ExitDone {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if got.Stream.Source != "from-file" || got.PageSize != 100 || got.APIKey != "key-from-file" || got.Tries != 3 {
		t.Errorf("got settings %+v", got)
	}
}

// TestEnvFile_Secret checks that a secret in the environment, or its file, prevails over both forms in the .env file.
func TestEnvFile_Secret(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ env, file, want string }{
		{"API_KEY=from-env", "API_KEY_FILE=/nowhere", "from-env"},
		{"API_KEY_FILE=" + writeFile(t, "from-secret-file"), "API_KEY=from-dotenv", "from-secret-file"},
		{"API_KEY=", "\ufeffAPI_KEY=after-a-mark", "after-a-mark"},
		{"API_KEY=", "API_KEY='$HOME#1'", "$HOME#1"},
	} {
		var got cli.Settings
		code, _, stderr := pawl(t, validEnv("API_KEY=", tt.env), newWiring(emptySource{}, domaintest.NewMemDatabase(), &got),
			"run", "--env-file", writeFile(t, tt.file+"\n"))
		if code != cli.ExitDone || got.APIKey != tt.want {
			t.Errorf("%s over %s: exit %d, got key %q: %s", tt.env, tt.file, code, got.APIKey, stderr)
		}
	}
}

func TestEnvFile_WorkingDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	var got cli.Settings
	run := func() int {
		code, _, _ := pawl(t, validEnv(), newWiring(emptySource{}, domaintest.NewMemDatabase(), &got), "run")
		return code
	}
	if code := run(); code != cli.ExitDone || got.Stream.Source != "datasync" {
		t.Errorf("without a .env: exit %d, %+v", code, got)
	}
	if err := os.WriteFile(".env", []byte("PAWL_STREAM=from-dotenv\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := run(); code != cli.ExitDone || got.Stream.Source != "from-dotenv" {
		t.Errorf("with one: exit %d, %+v", code, got)
	}
}

// TestEnvFile_Invalid has wrong files, and wrong names in files and in the environment.
func TestEnvFile_Invalid(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		env  []string
		args []string
		want []string
	}{
		{"a missing file", validEnv(), []string{"--env-file", "/nowhere/.env"}, []string{"--env-file", "/nowhere/.env"}},
		{"a file that is a folder", validEnv(), []string{"--env-file", "/"}, []string{"--env-file"}},
		{"a file of another kind", validEnv(), []string{"--env-file", writeFile(t, "A=\""+password+"\n")}, []string{"--env-file", "NAME=value"}},
		{
			"a file that is too large",
			validEnv(),
			[]string{"--env-file", writeFile(t, "A=1\n"+strings.Repeat("#", 1<<20))},
			[]string{"--env-file", "larger"},
		},
		{"an unknown name", validEnv("PAWL_TRYS=3"), nil, []string{"PAWL_TRYS", "PAWL_TRIES"}},
		{
			"an unknown name in a file",
			validEnv(),
			[]string{"--env-file", writeFile(t, "PAWL_LOGLEVEL=debug\n")},
			[]string{"PAWL_LOGLEVEL", "PAWL_LOG_LEVEL"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := pawl(t, tt.env, cli.Wiring{}, append([]string{"run"}, tt.args...)...)
			if code != cli.ExitSettings || strings.Count(stderr, "\n") != 1 || strings.Contains(stderr, password) {
				t.Errorf("exit %d: %s", code, stderr)
			}
			for _, want := range tt.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("got %q, want %q in it", stderr, want)
				}
			}
		})
	}
	// An empty variable counts as not set.
	if code, _, stderr := pawl(t, []string{"PAWL_TRYS="}, cli.Wiring{}, "version"); code != cli.ExitDone {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func writeFile(t *testing.T, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "settings")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
