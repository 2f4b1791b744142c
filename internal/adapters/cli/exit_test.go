package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/verify"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestExitCodes checks the exit code, the error and the summary of a run that fails with an error of each kind.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	tests := map[domain.Kind]int{
		domain.Unknown: cli.ExitBug, domain.RateLimited: cli.ExitAgain, domain.Transient: cli.ExitAgain,
		domain.BadPage: cli.ExitData, domain.CursorExpired: cli.ExitAgain, domain.CursorInvalid: cli.ExitAgain,
		domain.Unauthorized: cli.ExitSettings, domain.TooManyRejects: cli.ExitData, domain.Unstorable: cli.ExitData,
		domain.Fenced: cli.ExitFenced, domain.Uncertain: cli.ExitAgain, domain.Invalid: cli.ExitSettings,
		domain.Stopped: cli.ExitAgain, domain.Inconsistent: cli.ExitData, domain.SetBack: cli.ExitAgain,
		domain.Unconfirmed: cli.ExitData,
	}
	for kind, want := range tests {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			const longerThanMaxWait = 48 * time.Hour // ends a run that the rate limit refuses
			cause := &domain.Error{
				Kind: kind, Op: "fetch page", Hint: "do this", Err: errors.New("cause"), Until: time.Now().Add(longerThanMaxWait),
			}
			code, stdout, stderr := pawl(t, validEnv("PAWL_TRIES=1", "PAWL_LOG_LEVEL=error"),
				newWiring(failingSource{err: cause}, domaintest.NewMemDatabase()), "run", "--json")
			if code != want {
				t.Errorf("got exit %d, want %d: %s", code, want, stderr)
			}
			wantText := "cause"
			if kind == domain.Stopped { // pawl writes its own error, which says how to continue
				wantText = "run it again"
			}
			if !strings.Contains(stderr, "pawl: ") || !strings.Contains(stderr, wantText) {
				t.Errorf("got stderr %q, want %q in it", stderr, wantText)
			}
			if strings.Count(stderr, "\n") != 1 {
				t.Errorf("got stderr %q, want one line", stderr)
			}
			if !strings.Contains(stdout, `"done":false`) {
				t.Errorf("got stdout %q, want a summary in spite of the error", stdout)
			}
		})
	}
}

// TestStopped checks what a command that a signal stopped tells the user: only a run continues after the last page stored.
func TestStopped(t *testing.T) {
	t.Parallel()
	stopped := &domain.Error{Kind: domain.Stopped, Code: domain.CodeStopped, Op: "GET", Err: errors.New("stopped")}
	const begin = "pawl: stopped: a signal asked for it; "
	for args, want := range map[string]string{
		"run":           begin + "run it again to continue after the last page stored [stopped]\n",
		"run --dry-run": begin + "run it again [stopped]\n",
		"verify":        begin + "run it again [stopped]\n",
		"migrate":       begin + "run it again [stopped]\n",
	} {
		w := returning(verify.Report{}, stopped).wiring()
		run := newWiring(failingSource{err: stopped}, domaintest.NewMemDatabase())
		w.Runner = run.Runner
		w.Pages = func(context.Context, cli.Settings, ingest.WalkOptions, ingest.FetchObserver) (iter.Seq2[domain.DecodedPage, error], error) {
			return nil, stopped
		}
		if args == "migrate" {
			w.Migrate = func(context.Context, string) ([]string, error) { return nil, stopped }
		}
		code, _, stderr := pawl(t, validEnv("PAWL_LOG_LEVEL=error"), w, strings.Fields(args)...)
		if code != cli.ExitAgain || stderr != want {
			t.Errorf("%s: got exit %d and %q, want exit %d and %q", args, code, stderr, cli.ExitAgain, want)
		}
	}
}

// TestError_ControlCharacters checks that the message of an error is one line that does not control the terminal.
func TestError_ControlCharacters(t *testing.T) {
	t.Parallel()
	_, _, stderr := pawl(t, validEnv(), newEmptyWiring(), "run", "a\nb\x1b[31m")
	if strings.Count(stderr, "\n") != 1 || strings.Contains(stderr, "\x1b") || !strings.Contains(stderr, `a\nb\x1b[31m`) {
		t.Errorf("got %q, want one line with escapes", stderr)
	}
}

// TestError_Origin checks that a message about a secret says where it comes from.
func TestError_Origin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, envFile := write("key", "k"), write("settings", "API_KEY=k\n")
	failure := func(kind domain.Kind, code domain.Code) *domain.Error {
		return &domain.Error{Kind: kind, Code: code, Op: "x", Err: errors.New("wrong"), Hint: "correct it"}
	}
	refused, invalid := failure(domain.Unauthorized, domain.CodeAPIKeyRefused), failure(domain.Invalid, domain.CodeDatabaseURLInvalid)
	for _, tt := range []struct {
		err  *domain.Error
		env  []string
		args []string
		want string
	}{
		{err: refused, env: validEnv(), want: "correct it; the key is API_KEY from the environment [api-key-refused]\n"},
		{err: refused, env: validEnv("API_KEY=", "TARGET_API_KEY=k"), want: "; the key is TARGET_API_KEY from the environment ["},
		{err: refused, env: validEnv("API_KEY=", "API_KEY_FILE="+key), want: "; the key is API_KEY_FILE from the environment ["},
		{err: refused, env: validEnv("API_KEY="), args: []string{"--env-file", envFile}, want: "; the key is API_KEY from " + envFile + " ["},
		{err: invalid, env: validEnv(), want: "; the URL is DATABASE_URL from the environment ["},
		{err: invalid, env: validEnv("PAWL_MIGRATE_URL=postgres://m"), want: "correct it [database-url-invalid]\n"},
	} {
		w := newWiring(failingSource{err: tt.err}, domaintest.NewMemDatabase())
		w.CheckSchema = func(context.Context, string) error { return nil }
		_, _, stderr := pawl(t, tt.env, w, append([]string{"run"}, tt.args...)...)
		if !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: got %q, want %q in it", tt.env, stderr, tt.want)
		}
	}
}

// TestErrorJSON checks that the error is a JSON object if the log format is JSON.
func TestErrorJSON(t *testing.T) {
	t.Parallel()
	cause := &domain.Error{
		Kind: domain.Unauthorized, Code: domain.CodeAPIKeyRefused, Op: "fetch page", Hint: "check API_KEY", Err: errors.New("401"),
	}
	_, _, stderr := pawl(t, validEnv("PAWL_LOG_FORMAT=json", "PAWL_LOG_LEVEL=error"),
		newWiring(failingSource{err: cause}, domaintest.NewMemDatabase()), "run")
	var record map[string]any
	if err := json.Unmarshal([]byte(stderr), &record); err != nil {
		t.Fatal(err)
	}
	if record["hint"] != "check API_KEY; the key is API_KEY from the environment" || record["exit_code"] != float64(cli.ExitSettings) || record["code"] != "api-key-refused" {
		t.Errorf("got %s, want the hint check API_KEY, the code api-key-refused and the exit code %d", stderr, cli.ExitSettings)
	}
}

// TestError_HostileText checks that the text of an error cannot control the terminal, in the text and in the JSON format.
func TestError_HostileText(t *testing.T) {
	t.Parallel()
	cause := &domain.Error{Kind: domain.Invalid, Code: domain.CodeAPIWrongAddress, Op: "fetch page", Err: errors.New(hostile)}
	for _, format := range []string{"text", "json"} {
		_, _, stderr := pawl(t, validEnv("PAWL_LOG_FORMAT="+format),
			newWiring(failingSource{err: cause}, domaintest.NewMemDatabase()), "run")
		isUnsafe := func(r rune) bool { return (r < ' ' || r > '~') && r != '\n' && r != '…' }
		if strings.ContainsFunc(stderr, isUnsafe) || !strings.Contains(stderr, "owned") {
			t.Errorf("%s: got stderr %q, want the error with printable characters only", format, stderr)
		}
		lines := strings.Split(strings.TrimSpace(stderr), "\n")
		last := lines[len(lines)-1]
		if !strings.Contains(last, "2J") || !strings.Contains(last, string(domain.CodeAPIWrongAddress)) {
			t.Errorf("%s: got last line %q, want the whole error in it", format, last)
		}
	}
}
