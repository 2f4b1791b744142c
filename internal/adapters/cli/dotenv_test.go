package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

func write(t *testing.T, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "settings")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSettingsFromAFile(t *testing.T) {
	t.Parallel()
	file := write(t, "# a comment\nexport PAWL_STREAM=from-file\nBATCH_SIZE='250'\nAPI_KEY=key-from-file\nPAWL_TRIES=9\n")
	var got cli.Settings
	// What the environment sets stays, what it sets to nothing counts as unset, and a flag comes before both.
	env := sound("API_KEY=", "BATCH_SIZE=100")
	code, _, stderr := pawl(t, env, wiring(oneEmptyPage{}, domaintest.NewMemDatabase(), &got),
		"run", "--env-file", file, "--tries", "3")
	if code != cli.ExitDone {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if got.Stream.Source != "from-file" || got.PageSize != 100 || got.APIKey != "key-from-file" || got.Tries != 3 {
		t.Errorf("settings %+v", got)
	}
}

func TestASecretInTheEnvironmentComesBeforeItsFileInDotEnv(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ env, file, want string }{
		{"API_KEY=from-env", "API_KEY_FILE=/nowhere", "from-env"},
		{"API_KEY_FILE=" + write(t, "from-secret-file"), "API_KEY=from-dotenv", "from-secret-file"},
		{"API_KEY=", "\ufeffAPI_KEY=after-a-mark", "after-a-mark"},
		{"API_KEY=", "API_KEY='$HOME#1'", "$HOME#1"},
	} {
		var got cli.Settings
		code, _, stderr := pawl(t, sound("API_KEY=", tt.env), wiring(oneEmptyPage{}, domaintest.NewMemDatabase(), &got),
			"run", "--env-file", write(t, tt.file+"\n"))
		if code != cli.ExitDone || got.APIKey != tt.want {
			t.Errorf("%s over %s: exit %d, key %q: %s", tt.env, tt.file, code, got.APIKey, stderr)
		}
	}
}

func TestDotEnvInTheWorkingDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	var got cli.Settings
	run := func() int {
		code, _, _ := pawl(t, sound(), wiring(oneEmptyPage{}, domaintest.NewMemDatabase(), &got), "run")
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

func TestBadFilesAndNames(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		env  []string
		args []string
		want []string
	}{
		{"a file that is not there", sound(), []string{"--env-file", "/nowhere/.env"}, []string{"--env-file", "/nowhere/.env"}},
		{"a file that is a folder", sound(), []string{"--env-file", "/"}, []string{"--env-file"}},
		{"a file that is none of that kind", sound(), []string{"--env-file", write(t, "A=\""+password+"\n")}, []string{"--env-file", "NAME=value"}},
		{"a file too large to be one", sound(), []string{"--env-file", write(t, "A=1\n"+strings.Repeat("#", 1<<20))}, []string{"--env-file", "larger"}},
		{"an unknown name", sound("PAWL_TRYS=3"), nil, []string{"PAWL_TRYS", "PAWL_TRIES"}},
		{"an unknown name in a file", sound(), []string{"--env-file", write(t, "PAWL_LOGLEVEL=debug\n")}, []string{"PAWL_LOGLEVEL", "PAWL_LOG_LEVEL"}},
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
					t.Errorf("%q does not say %q", stderr, want)
				}
			}
		})
	}
	// What is set to nothing is not set.
	if code, _, stderr := pawl(t, []string{"PAWL_TRYS="}, cli.Wiring{}, "version"); code != cli.ExitDone {
		t.Errorf("exit %d: %s", code, stderr)
	}
}
