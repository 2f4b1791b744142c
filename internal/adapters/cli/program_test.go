package cli_test

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestMain sets the local time zone to UTC, because pawl shows local times. It also checks that the tests leave no goroutine behind.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	goleak.VerifyTestMain(m)
}

// pawl runs a command of pawl with args and the environment environ, and returns its exit code and output. It checks that the explanation of
// an error lists the exit code.
func pawl(t *testing.T, environ []string, w cli.Wiring, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var outBuffer, errBuffer bytes.Buffer
	code = cli.Main(t.Context(), cli.Process{Args: args, Environ: environ, Stdout: &outBuffer, Stderr: &errBuffer}, w)
	// An error of a test that has no code has the code bug.
	if found := codeOfMessage.FindStringSubmatch(errBuffer.String()); len(found) > 1 && found[1] != string(domain.CodeBug) &&
		!slices.Contains(cli.ExplainedExitCodes(found[1]), code) {
		t.Errorf("%q: got exit %d, which the explanation of %s does not list", args, code, found[1])
	}
	return code, outBuffer.String(), errBuffer.String()
}

// codeOfMessage matches the message of an error. Group 1 is its code.
var codeOfMessage = regexp.MustCompile(`(?m)^pawl: .*\[([a-z0-9-]+)\]$`)

// A failingSource answers every request with err.
type failingSource struct{ err error }

func (s failingSource) FetchPage(context.Context, domain.PageRequest) (domain.Page, error) {
	return domain.Page{}, s.err
}

// An emptySource answers every request with a last page that has no records.
type emptySource struct{}

func (emptySource) FetchPage(context.Context, domain.PageRequest) (domain.Page, error) {
	return domain.Page{Last: true, Total: domain.Total{Known: true}, Receipt: domain.Receipt{FetchedAt: time.Now()}}, nil
}

// databaseName is the name of the database of newWiring.
const databaseName = "127.0.0.1:5432/db"

// newWiring returns a wiring for `pawl run` that reads source into db.
func newWiring(source domain.EventSource, db *domaintest.MemDatabase) cli.Wiring {
	return cli.Wiring{
		Runner: func(_ context.Context, s cli.Settings, options cli.RunOptions, o ingest.Observer) (cli.Runner, func(), error) {
			opts := ingest.Options{Stream: s.Stream, SourceURL: s.APIBaseURL, PageSize: s.PageSize, NewPass: options.NewPass, Retry: options.Retry, Outage: options.Outage}
			store := db.Store()
			return ingest.New(source, domaintest.LineDecoder{}, store, o, opts), store.Close, nil
		},
		Database: func(_ context.Context, databaseURL string, _ func(string), _ func(string) error) (cli.Database, func() error, error) {
			return cli.Database{URL: databaseURL, Name: databaseName}, func() error { return nil }, nil
		},
		PrivateFolder: func(databaseURL string) (dir string, hasDatabase, isPrivate bool) {
			dir, isPrivate = strings.CutPrefix(databaseURL, "embedded:")
			return dir, false, isPrivate
		},
		Migrate:     func(context.Context, string) ([]string, error) { return []string{"first.sql"}, nil },
		CheckSchema: func(context.Context, string) error { return errors.New("unexpected call of CheckSchema") },
		CheckRights: func(context.Context, string, bool) error { return nil },
		Jitter:      func() float64 { return 0 },
	}
}

// newEmptyWiring returns a wiring for `pawl run` that reads an empty stream into a new database.
func newEmptyWiring() cli.Wiring { return newWiring(emptySource{}, domaintest.NewMemDatabase()) }

// newRecordingWiring returns newEmptyWiring with a function Runner that stores its settings in got.
func newRecordingWiring(got *cli.Settings) cli.Wiring {
	w := newEmptyWiring()
	newRunner := w.Runner
	w.Runner = func(ctx context.Context, s cli.Settings, options cli.RunOptions, o ingest.Observer) (cli.Runner, func(), error) {
		*got = s
		return newRunner(ctx, s, options, o)
	}
	return w
}

// validEnv returns an environment that has all settings that `pawl run` needs, followed by changes. If a name occurs twice, the last
// value counts.
func validEnv(changes ...string) []string {
	return append([]string{
		"API_BASE_URL=https://api.example/v1", "API_KEY=key-" + password,
		"DATABASE_URL=postgres://user:" + password + "@127.0.0.1:5432/db",
	}, changes...)
}

// TestMain_Words checks the words that every command line program knows, and the hints for flags that are named like settings.
func TestMain_Words(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args       []string
		wantCode   int
		wantStdout string
		wantStderr string
	}{
		{args: nil, wantStdout: "Commands:"},
		{args: []string{"help"}, wantStdout: "Commands:"},
		{args: []string{"help", "run"}, wantStdout: "pawl run"},
		{args: []string{"--version"}, wantStdout: "pawl"},
		{args: []string{"help", "rnu"}, wantCode: cli.ExitSettings, wantStderr: "did you mean `pawl help run`?"},
		{args: []string{"run", "--batch-size", "1"}, wantCode: cli.ExitSettings, wantStderr: "unknown flag --batch-size; use --page-size"},
		{args: []string{"run", "--api-key=x"}, wantCode: cli.ExitSettings, wantStderr: "set API_KEY in the environment or in .env"},
		{args: []string{"status", "--database-url", "x"}, wantCode: cli.ExitSettings, wantStderr: "set DATABASE_URL in the environment or in .env"},
		{args: []string{"run", "--max-pages", "-1"}, wantCode: cli.ExitSettings, wantStderr: `expected int value but got "-1"; see `},
		{args: []string{"run", "--no-such"}, wantCode: cli.ExitSettings, wantStderr: "see `pawl --help`"},
	}
	for _, tt := range tests {
		code, stdout, stderr := pawl(t, validEnv(), cli.Wiring{}, tt.args...)
		if code != tt.wantCode || !strings.Contains(stdout, tt.wantStdout) || !strings.Contains(stderr, tt.wantStderr) {
			t.Errorf("%v: got exit %d, output %q and error %q, want exit %d, %q and %q",
				tt.args, code, stdout, stderr, tt.wantCode, tt.wantStdout, tt.wantStderr)
		}
	}
}

// TestMain_SecretArgument checks that no message shows an argument that may be a URL with a password.
func TestMain_SecretArgument(t *testing.T) {
	t.Parallel()
	const secret = "postgres://u:" + password + "@h/d"
	for _, args := range [][]string{
		{"run", secret},
		{"run", "API_KEY=" + password},
		{secret},
		{"run", "--url", secret},
		{"help", secret},
		{"run", "u:" + password + "@h"},
		{"run", "--" + secret},
		{"config", secret + "\xff"},
	} {
		code, stdout, stderr := pawl(t, nil, cli.Wiring{}, args...)
		if code == cli.ExitDone || strings.Contains(stdout+stderr, password) || !strings.HasPrefix(stderr, "pawl: ") {
			t.Errorf("%q: got exit %d and %q, want an error without the password", args, code, stderr)
		}
	}
}

// TestMain_HelpAfterFlags checks that flags may stand before the word help.
func TestMain_HelpAfterFlags(t *testing.T) {
	t.Parallel()
	for topic, want := range map[string]string{
		"run": "Usage: pawl run [flags]", "dlq": "Usage: pawl dlq <command>", "settings": "These settings are flags", "usage": "usage\n",
	} {
		_, without, _ := pawl(t, nil, cli.Wiring{}, "help", topic)
		code, stdout, stderr := pawl(t, nil, cli.Wiring{}, "--stream", "x", "help", topic)
		if code != cli.ExitDone || !strings.HasPrefix(stdout, want) || stdout != without {
			t.Errorf("%s: got exit %d and %q, want %q; %s", topic, code, stdout, without, stderr)
		}
	}
}
