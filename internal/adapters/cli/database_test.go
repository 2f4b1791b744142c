package cli_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/domain"
)

// TestChooseDatabase checks which private database a command uses if DATABASE_URL is not set, and that a command that only reads never
// makes a database. The command's output is no terminal.
func TestChooseDatabase(t *testing.T) {
	t.Parallel()
	const api = "API_BASE_URL=https://api.example/api/v1"
	tests := []struct {
		name       string
		args       []string
		env        []string
		existing   []string // the folders that have a database
		wantURL    string   // the database that the command opens; empty if it opens none
		wantStderr []string
	}{
		{name: "run without any", args: []string{"run"}, env: []string{api, "API_KEY=k"}, wantStderr: []string{"DATABASE_URL: not set", "embedded:.pawl/data"}},
		{name: "migrate without any", args: []string{"migrate"}, wantStderr: []string{"DATABASE_URL: not set", "embedded:.pawl/data"}},
		{
			name: "run with both", args: []string{"run"}, env: []string{api, "API_KEY=k"}, existing: []string{".pawl/data", ".pawl/demo"},
			wantURL: "embedded:.pawl/data", wantStderr: []string{"DATABASE_URL is not set: using the private database in .pawl/data"},
		},
		{
			name: "run with a demo", args: []string{"run"}, env: []string{api, "API_KEY=k"}, existing: []string{".pawl/demo"},
			wantStderr: []string{"DATABASE_URL: not set", "embedded:.pawl/data"},
		},
		{
			name: "migrate without an API, with both", args: []string{"migrate"}, existing: []string{".pawl/data", ".pawl/demo"},
			wantStderr: []string{"both .pawl/data and .pawl/demo have a database", "DATABASE_URL=embedded:.pawl/data, or DATABASE_URL=embedded:.pawl/demo"},
		},
		{
			name: "status without an API, with both", args: []string{"status", "--check"}, existing: []string{".pawl/data", ".pawl/demo"},
			wantStderr: []string{"both .pawl/data and .pawl/demo have a database", "[database-not-found]"},
		},
		{
			name: "verify without an API, with both", args: []string{"verify"}, existing: []string{".pawl/data", ".pawl/demo"},
			wantStderr: []string{"both .pawl/data and .pawl/demo have a database"},
		},
		{
			name: "run without an API, with both", args: []string{"run"}, existing: []string{".pawl/data", ".pawl/demo"},
			wantStderr: []string{"API_BASE_URL"},
		},
		{name: "migrate without an API, with a demo", args: []string{"migrate"}, existing: []string{".pawl/demo"}, wantURL: "embedded:.pawl/demo"},
		{
			name: "psql with an API and a demo", args: []string{"psql"}, env: []string{api}, existing: []string{".pawl/demo"},
			wantStderr: []string{".pawl/data has no database", "DATABASE_URL=embedded:.pawl/demo"},
		},
		{name: "psql without any", args: []string{"psql"}, wantStderr: []string{".pawl/data has no database", "pawl run"}},
		{
			name: "psql in a new folder", args: []string{"psql"}, env: []string{"DATABASE_URL=embedded:.pawl"}, existing: []string{".pawl/demo"},
			wantStderr: []string{"DATABASE_URL: .pawl has no database yet", "DATABASE_URL=embedded:.pawl/demo"},
		},
		{
			name: "psql, the nearby folder of another path", args: []string{"psql"}, env: []string{"DATABASE_URL=embedded:/srv/x"},
			existing: []string{"/srv/x/data"}, wantStderr: []string{"DATABASE_URL=embedded:/srv/x/data"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			opened := ""
			w := newEmptyWiring()
			openDatabase := w.Database
			w.Database = func(ctx context.Context, databaseURL string, report func(string), consent func(string) error) (cli.Database, func() error, error) {
				opened = databaseURL
				return openDatabase(ctx, databaseURL, report, consent)
			}
			w.PsqlEnviron = func(string) ([]string, error) { return nil, errors.New("enough") } // psql itself need not run
			w.PrivateFolder = func(databaseURL string) (dir string, hasDatabase, isPrivate bool) {
				dir, isPrivate = strings.CutPrefix(databaseURL, "embedded:")
				return dir, slices.Contains(tt.existing, dir), isPrivate
			}
			var stdout, stderr bytes.Buffer
			cli.Main(t.Context(), cli.Process{Args: tt.args, Environ: tt.env, Stdout: &stdout, Stderr: &stderr}, w)
			if opened != tt.wantURL {
				t.Errorf("got database %q, want %q: %s", opened, tt.wantURL, stderr.String())
			}
			for _, want := range tt.wantStderr {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("got %s, want it to contain %q", stderr.String(), want)
				}
			}
		})
	}
}

// TestChooseDatabase_Terminal checks that a run on a terminal with neither a database URL nor a private database makes one in .pawl/data,
// and that `pawl config` says so.
func TestChooseDatabase_Terminal(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{"run": "embedded:.pawl/data", "config": "  chosen: .pawl/data\n"} {
		_, slave := openTerminal(t)
		var got cli.Settings
		w := newRecordingWiring(&got)
		w.Reader = newBrokenReader
		var stdout strings.Builder
		code := cli.Main(t.Context(), cli.Process{
			Args: []string{args}, Environ: validEnv("DATABASE_URL=", "PAWL_PROGRESS=never"), Stdin: slave, Stdout: &stdout, Stderr: slave,
		}, w)
		if shown := got.DatabaseURL + stdout.String(); code != cli.ExitDone || !strings.Contains(shown, want) {
			t.Errorf("pawl %s: got exit %d and %s, want %s", args, code, shown, want)
		}
	}
}

// TestChooseDatabase_TerminalWithBoth checks that a command on a terminal takes the demo's database if no API is set, and says that there is
// another database.
func TestChooseDatabase_TerminalWithBoth(t *testing.T) {
	t.Parallel()
	master, slave := openTerminal(t)
	w := newEmptyWiring()
	w.PrivateFolder = func(databaseURL string) (dir string, hasDatabase, isPrivate bool) {
		dir, isPrivate = strings.CutPrefix(databaseURL, "embedded:")
		return dir, true, isPrivate
	}
	cli.Main(t.Context(), cli.Process{Args: []string{"migrate"}, Stdin: slave, Stdout: io.Discard, Stderr: slave}, w)
	got := readTerminal(t, master, slave)
	if want := "using the private database in .pawl/demo; there is another one in .pawl/data: DATABASE_URL=embedded:.pawl/data"; !strings.Contains(got, want) {
		t.Errorf("got %s, want it to contain %q", got, want)
	}
}

func newBrokenReader(context.Context, cli.Settings) (cli.Reader, func(), error) {
	return brokenReader{}, func() {}, nil
}

// TestDownload checks when PostgreSQL may be downloaded: with PAWL_DOWNLOAD=yes, or if the user at a terminal agrees.
func TestDownload(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		env        string
		answer     string // typed at the terminal; empty if there is no terminal
		code       int
		wantStderr string
	}{
		{name: "no terminal", code: cli.ExitSettings, wantStderr: "install PostgreSQL 17, or set DATABASE_URL"},
		{name: "PAWL_DOWNLOAD=yes", env: "PAWL_DOWNLOAD=yes"},
		{name: "PAWL_DOWNLOAD=no", env: "PAWL_DOWNLOAD=no", code: cli.ExitSettings, wantStderr: "PAWL_DOWNLOAD=yes"},
		{name: "PAWL_DOWNLOAD=maybe", env: "PAWL_DOWNLOAD=maybe", code: cli.ExitSettings, wantStderr: `PAWL_DOWNLOAD: "maybe" should be yes or no`},
		{name: "the user agrees", answer: "y\n", wantStderr: "Download PostgreSQL 17.5, about 30 MB? [y/N] "},
		{name: "the user does not agree", answer: "\n", code: cli.ExitSettings, wantStderr: "install PostgreSQL 17"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newEmptyWiring()
			w.Reader = newBrokenReader
			openDatabase := w.Database
			w.Database = func(ctx context.Context, databaseURL string, report func(string), consent func(string) error) (cli.Database, func() error, error) {
				if err := consent("PostgreSQL 17.5"); err != nil {
					return cli.Database{}, nil, err
				}
				return openDatabase(ctx, databaseURL, report, consent)
			}
			env := validEnv("DATABASE_URL=embedded:x", "PAWL_PROGRESS=never", tt.env)
			if tt.answer == "" {
				if code, _, stderr := pawl(t, env, w, "run"); code != tt.code || !strings.Contains(stderr, tt.wantStderr) {
					t.Errorf("got exit %d and error %s, want exit %d and %q", code, stderr, tt.code, tt.wantStderr)
				}
				return
			}
			master, slave := openTerminal(t)
			if _, err := master.WriteString(tt.answer); err != nil {
				t.Fatal(err)
			}
			code := cli.Main(t.Context(), cli.Process{Args: []string{"run"}, Environ: env, Stdin: slave, Stdout: io.Discard, Stderr: slave}, w)
			if stderr := readTerminal(t, master, slave); code != tt.code || !strings.Contains(stderr, tt.wantStderr) {
				t.Errorf("got exit %d and error %s, want exit %d and %q", code, stderr, tt.code, tt.wantStderr)
			}
		})
	}
}

// TestExplain checks that the reason that the private database knows for a failure stands in the message of each command.
func TestExplain(t *testing.T) {
	t.Parallel()
	w := newEmptyWiring()
	openDatabase := w.Database
	w.Database = func(ctx context.Context, databaseURL string, report func(string), consent func(string) error) (cli.Database, func() error, error) {
		db, release, err := openDatabase(ctx, databaseURL, report, consent)
		db.Explain = func(err error) error {
			return &domain.Error{Kind: domain.Transient, Code: domain.CodeDatabaseDiskFull, Op: "private", Err: err}
		}
		return db, release, err
	}
	w.Migrate = func(context.Context, string) ([]string, error) {
		return nil, &domain.Error{Kind: domain.Transient, Code: domain.CodeDatabaseUnreachable, Op: "migrate", Err: errors.New("refused")}
	}
	for _, command := range []string{"run", "migrate"} {
		code, _, stderr := pawl(t, validEnv("PAWL_MAX_OUTAGE=1ms"), w, command)
		if code != cli.ExitAgain || !strings.Contains(stderr, "[database-disk-full]") {
			t.Errorf("pawl %s: got exit %d and %s, want exit %d and [database-disk-full]", command, code, stderr, cli.ExitAgain)
		}
	}
}
