package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/domain"
)

// password is a part of the secrets in tests. No output may contain it.
const password = "hunter2"

// TestSettings_Run checks that a run takes its settings from a flag, the environment, the file of a secret, or the default.
func TestSettings_Run(t *testing.T) {
	t.Parallel()
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got cli.Settings
	env := validEnv("API_KEY=", "API_KEY_FILE="+keyFile, "BATCH_SIZE=100", "RATE_LIMIT_DELAY_MS=250", "PAWL_MAX_WAIT=2m",
		"PAWL_STREAM=from-env", "PAWL_TRIES=") // an empty variable counts as not set
	code, _, stderr := pawl(t, env, newRecordingWiring(&got),
		"run", "--stream", "from-flag")
	if code != cli.ExitDone {
		t.Fatalf("got exit %d, want 0: %s", code, stderr)
	}
	const defaultTries = 10
	compared := cli.Settings{
		APIKey: got.APIKey, PageSize: got.PageSize, RequestDelay: got.RequestDelay, MaxWait: got.MaxWait,
		Stream: got.Stream, Tries: got.Tries,
	}
	want := cli.Settings{
		APIKey: "from-file", PageSize: 100, RequestDelay: 250 * time.Millisecond, MaxWait: 2 * time.Minute,
		Stream: domain.StreamID{Source: "from-flag"}, Tries: defaultTries,
	}
	if compared != want {
		t.Errorf("got settings %+v, want %+v", compared, want)
	}
	// The key has a second environment name.
	code, _, _ = pawl(t, validEnv("API_KEY=", "TARGET_API_KEY=from-second-name"), newRecordingWiring(&got), "run")
	if code != cli.ExitDone || got.APIKey != "from-second-name" {
		t.Errorf("got exit %d and key %q, want exit 0 and key from-second-name", code, got.APIKey)
	}
}

// TestSettings_Invalid checks that a wrong setting ends a run before it starts anything, with an error on one line that names the
// setting.
func TestSettings_Invalid(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		env  []string // variables that are set in addition to validEnv
		args []string // arguments after "run"
		want []string // texts that the error must contain
	}{
		{name: "no base URL", env: []string{"API_BASE_URL="}, want: []string{"API_BASE_URL", "https://host/api/v1"}},
		{name: "no key", env: []string{"API_KEY="}, want: []string{"API_KEY", "API_KEY_FILE"}},
		{name: "no database", env: []string{"DATABASE_URL="}, want: []string{"DATABASE_URL", "postgres://user:password@host:5432/database"}},
		{name: "page size is not a number", env: []string{"BATCH_SIZE=many"}, want: []string{"BATCH_SIZE", `"many"`, "1 to 5000"}},
		{name: "page size over the API's maximum", args: []string{"--page-size=5001"}, want: []string{"--page-size", "1 to 5000"}},
		{name: "page size 0", env: []string{"BATCH_SIZE=0"}, want: []string{"BATCH_SIZE"}},
		{name: "a negative delay", env: []string{"RATE_LIMIT_DELAY_MS=-1"}, want: []string{"RATE_LIMIT_DELAY_MS"}},
		{name: "no tries", env: []string{"PAWL_TRIES=0"}, want: []string{"PAWL_TRIES"}},
		{name: "a ratio above 1", env: []string{"PAWL_MAX_REJECT_RATIO=1.01"}, want: []string{"PAWL_MAX_REJECT_RATIO", `"1.01"`, "0 to 1"}},
		{name: "a negative ratio", args: []string{"--max-reject-ratio=-0.1"}, want: []string{"--max-reject-ratio"}},
		{name: "a ratio that is not a number", args: []string{"--max-reject-ratio=NaN"}, want: []string{"--max-reject-ratio"}},
		{name: "a wait without a unit", env: []string{"PAWL_MAX_WAIT=90"}, want: []string{"PAWL_MAX_WAIT", "90s"}},
		{name: "a timeout of 0", args: []string{"--request-timeout=0s"}, want: []string{"--request-timeout"}},
		{name: "a page of 0 bytes", env: []string{"PAWL_MAX_PAGE_BYTES=0"}, want: []string{"PAWL_MAX_PAGE_BYTES"}},
		{name: "an unknown mode", env: []string{"PAWL_MIGRATE=maybe"}, want: []string{"PAWL_MIGRATE", "auto, check, off"}},
		{
			name: "an unknown way to show progress", env: []string{"PAWL_PROGRESS=loud"},
			want: []string{"PAWL_PROGRESS", "auto, always, never"},
		},
		{name: "an unknown log format", env: []string{"PAWL_LOG_FORMAT=xml"}, want: []string{"PAWL_LOG_FORMAT", "text, json"}},
		{name: "an unknown log level", args: []string{"--log-level=loud"}, want: []string{"--log-level", "debug, info, warn, error"}},
		{name: "a stream name with a space", env: []string{"PAWL_STREAM=a b"}, want: []string{"PAWL_STREAM"}},
		{name: "an empty stream name", args: []string{"--stream="}, want: []string{"--stream"}},
		{name: "a key with a line break", env: []string{"API_KEY=a\n" + password}, want: []string{"API_KEY"}},
		{name: "a key twice", env: []string{"API_KEY_FILE=" + empty}, want: []string{"API_KEY", "not both"}},
		{name: "a missing key file", env: []string{"API_KEY=", "API_KEY_FILE=/nowhere/key"}, want: []string{"API_KEY_FILE", "/nowhere/key"}},
		{name: "an empty key file", env: []string{"API_KEY=", "API_KEY_FILE=" + empty}, want: []string{"API_KEY_FILE", "empty"}},
		{name: "a key file that is a folder", env: []string{"API_KEY=", "API_KEY_FILE=/"}, want: []string{"API_KEY_FILE"}},
		{name: "an unknown flag", args: []string{"--no-such"}, want: []string{"--no-such", "pawl --help"}},
		{name: "a secret as a flag", args: []string{"--api-key=x"}, want: []string{"--api-key"}},
		{name: "an argument too many", args: []string{"now"}, want: []string{"now"}},
		{name: "an argument that is not UTF-8", args: []string{"--api-base-url=\xff"}, want: []string{`\xff" is not UTF-8`, "pawl --help"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := pawl(t, validEnv(tt.env...), newEmptyWiring(), append([]string{"run"}, tt.args...)...)
			if code != cli.ExitSettings || stdout != "" {
				t.Errorf("got exit %d and output %q, want exit %d and no output", code, stdout, cli.ExitSettings)
			}
			if strings.Count(stderr, "\n") != 1 || strings.Contains(stderr, password) {
				t.Errorf("got error %q, want one line without secrets", stderr)
			}
			for _, want := range tt.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("got %q, want %q in it", stderr, want)
				}
			}
		})
	}
}

// TestEnvFile checks that the environment prevails over the .env file, that an empty variable counts as not set, and that a flag
// prevails over both.
func TestEnvFile(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "# a comment\nexport PAWL_STREAM=from-file\nBATCH_SIZE='250'\nAPI_KEY=key-from-file\nPAWL_TRIES=9\n")
	var got cli.Settings
	env := validEnv("API_KEY=", "BATCH_SIZE=100")
	code, _, stderr := pawl(t, env, newRecordingWiring(&got),
		"run", "--env-file", file, "--tries", "3")
	if code != cli.ExitDone {
		t.Fatalf("got exit %d, want 0: %s", code, stderr)
	}
	if got.Stream.Source != "from-file" || got.PageSize != 100 || got.APIKey != "key-from-file" || got.Tries != 3 {
		t.Errorf("got settings %+v, want the stream from-file, page size 100, the key key-from-file and 3 tries", got)
	}
}

// TestEnvFile_Secret checks that a secret in the environment prevails over the same secret in the .env file, also if one of the two names
// the secret's file. It also checks a .env file with a byte order mark and one with a value in quotes.
func TestEnvFile_Secret(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ env, envFile, want string }{
		{env: "API_KEY=from-env", envFile: "API_KEY_FILE=/nowhere", want: "from-env"},
		{env: "API_KEY_FILE=" + writeFile(t, "from-secret-file"), envFile: "API_KEY=from-dotenv", want: "from-secret-file"},
		{env: "API_KEY=", envFile: "\ufeffAPI_KEY=after-byte-order-mark", want: "after-byte-order-mark"},
		{env: "API_KEY=", envFile: "API_KEY='$HOME#1'", want: "$HOME#1"},
	} {
		var got cli.Settings
		code, _, stderr := pawl(t, validEnv("API_KEY=", tt.env), newRecordingWiring(&got),
			"run", "--env-file", writeFile(t, tt.envFile+"\n"))
		if code != cli.ExitDone || got.APIKey != tt.want {
			t.Errorf("environment %s, file %s: got exit %d and key %q, want exit 0 and key %q: %s",
				tt.env, tt.envFile, code, got.APIKey, tt.want, stderr)
		}
	}
}

// TestEnvFile_WorkingDirectory checks that pawl reads the file .env in the working directory if it exists.
func TestEnvFile_WorkingDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	var got cli.Settings
	run := func() int {
		code, _, _ := pawl(t, validEnv(), newRecordingWiring(&got), "run")
		return code
	}
	if code := run(); code != cli.ExitDone || got.Stream.Source != "datasync" {
		t.Errorf("without a .env: got exit %d and stream %q, want exit 0 and stream datasync", code, got.Stream.Source)
	}
	if err := os.WriteFile(".env", []byte("PAWL_STREAM=from-dotenv\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := run(); code != cli.ExitDone || got.Stream.Source != "from-dotenv" {
		t.Errorf("with a .env: got exit %d and stream %q, want exit 0 and stream from-dotenv", code, got.Stream.Source)
	}
}

// TestEnvFile_Invalid checks the errors about wrong .env files, and about unknown names in such a file or in the environment.
func TestEnvFile_Invalid(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		env  []string // variables that are set in addition to validEnv
		args []string // arguments after "run"
		want []string // texts that the error must contain
	}{
		{name: "a missing file", args: []string{"--env-file", "/nowhere/.env"}, want: []string{"--env-file", "/nowhere/.env"}},
		{name: "a file that is a folder", args: []string{"--env-file", "/"}, want: []string{"--env-file"}},
		{
			name: "a file with a quote that does not end", args: []string{"--env-file", writeFile(t, "A=\""+password+"\n")},
			want: []string{"--env-file", "NAME=value"},
		},
		{
			name: "a file that is larger than 1 MiB",
			args: []string{"--env-file", writeFile(t, "A=1\n"+strings.Repeat("#", 1<<20))},
			want: []string{"--env-file", "larger"},
		},
		{name: "an unknown name", env: []string{"PAWL_TRYS=3"}, want: []string{"PAWL_TRYS", "PAWL_TRIES"}},
		{
			name: "an unknown name in a file",
			args: []string{"--env-file", writeFile(t, "PAWL_LOGLEVEL=debug\n")},
			want: []string{"PAWL_LOGLEVEL", "PAWL_LOG_LEVEL"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := pawl(t, validEnv(tt.env...), newEmptyWiring(), append([]string{"run"}, tt.args...)...)
			if code != cli.ExitSettings || strings.Count(stderr, "\n") != 1 || strings.Contains(stderr, password) {
				t.Errorf("got exit %d and error %q, want exit %d and one line without secrets", code, stderr, cli.ExitSettings)
			}
			for _, want := range tt.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("got %q, want %q in it", stderr, want)
				}
			}
		})
	}
	// An empty variable counts as not set, so an unknown name is no error.
	if code, _, stderr := pawl(t, []string{"PAWL_TRYS="}, cli.Wiring{}, "version"); code != cli.ExitDone {
		t.Errorf("an empty unknown variable: got exit %d, want 0: %s", code, stderr)
	}
}

// writeFile writes a file with content and returns its path.
func writeFile(t *testing.T, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "settings")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
