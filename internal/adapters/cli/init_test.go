package cli_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/domain"
)

const (
	initKey      = "right-key"
	initDatabase = "postgres://me@db.example/events"
)

// newInitWiring returns a wiring whose API answers with the page if the key is initKey, and whose database is initDatabase, which has no
// tables yet.
func newInitWiring(t *testing.T, page domain.DecodedPage) cli.Wiring {
	t.Helper()
	w := newEmptyWiring()
	w.Pages = func(
		_ context.Context, s cli.Settings, opts ingest.WalkOptions, _ ingest.FetchObserver,
	) (iter.Seq2[domain.DecodedPage, error], error) {
		if opts.PageSize != 100 || opts.Retry.Tries != 1 {
			t.Errorf("got a page size of %d and %d tries, want 100 and 1", opts.PageSize, opts.Retry.Tries)
		}
		return func(yield func(domain.DecodedPage, error) bool) {
			if s.APIKey != initKey {
				yield(domain.DecodedPage{}, &domain.Error{Kind: domain.Unauthorized, Op: "fetch page", Err: errors.New("refused")})
				return
			}
			if yield(page, nil) {
				t.Error("got a request for a second page, want one page")
			}
		}, nil
	}
	w.CheckSchema = func(_ context.Context, databaseURL string) error {
		if databaseURL != initDatabase {
			return &domain.Error{Kind: domain.Transient, Op: "connect", Err: errors.New("no server")}
		}
		return &domain.Error{Kind: domain.Invalid, Op: "check schema", Err: errors.New("no tables"), Remedy: domain.MigrateAsOwner}
	}
	return w
}

// newInitPage returns a page of an API that announces a million events and allows 10 pages a minute. change changes its receipt.
func newInitPage(change func(*domain.Receipt)) domain.DecodedPage {
	now := time.Now()
	page := domain.DecodedPage{
		To:      domain.Position{AnnouncedLast: domain.Total{N: 1_000_000, Known: true}},
		Receipt: domain.Receipt{FetchedAt: now, Quota: domain.Quota{Limit: 10, Remaining: 9, Reset: now.Add(time.Minute)}},
	}
	change(&page.Receipt)
	return page
}

func unchanged(*domain.Receipt) {}

// TestInit_NoTerminal checks what `pawl init` does without a terminal: it asks nothing, and it writes .env only if it has found all.
func TestInit_NoTerminal(t *testing.T) {
	const address = "API_BASE_URL=https://api.example/v1"
	for _, tt := range []struct {
		name   string
		env    []string
		before string // the content of .env
		args   []string
		code   int
		want   []string // parts of the output
		file   []string // lines of .env; none if there should be no such file
	}{
		{
			name: "nothing set", code: cli.ExitSettings,
			want: []string{"settings: these are not set: API_BASE_URL: the API's base URL, like https://host/api/v1; API_KEY: the API's key, or set API_KEY_FILE"},
		},
		{
			name: "all set", env: []string{address, "API_KEY=" + initKey, "DATABASE_URL=" + initDatabase, "PAWL_TRIES=7"},
			want: []string{
				"1,000,000 events announced: 200 pages", "about 19 min: the rate limit allows 10 pages a minute", "about 220 MB",
				"the first run makes pawl's tables", "pawl run --dry-run --max-pages 3\n  pawl run\n",
			},
			file: []string{address, "API_KEY=" + initKey, "DATABASE_URL=" + initDatabase, "PAWL_TRIES=7", "#PAWL_MAX_WAIT=1h"},
		},
		{
			name: "no database", env: []string{"API_KEY=" + initKey}, args: []string{"--api-base-url", "https://api.example/v1"},
			want: []string{"a private database in .pawl/data, which the first run makes"},
			file: []string{address, "DATABASE_URL=embedded:.pawl/data"},
		},
		{name: "wrong key", env: []string{address, "API_KEY=wrong"}, code: cli.ExitSettings, want: []string{"pawl: fetch page: refused"}},
		{
			name: "no server", env: []string{address, "API_KEY=" + initKey, "DATABASE_URL=postgres://other/db"}, code: cli.ExitAgain,
			want: []string{"pawl: connect: no server"},
		},
		{
			name: "no folder", env: []string{address, "API_KEY=" + initKey, "DATABASE_URL=embedded:"}, code: cli.ExitSettings,
			want: []string{"DATABASE_URL: it names no folder"},
		},
		{
			name: "a folder that only a shell knows", env: []string{address, "API_KEY=" + initKey, "DATABASE_URL=embedded:~/data"},
			code: cli.ExitSettings, want: []string{"DATABASE_URL: it begins with ~"},
		},
		{
			name: "a file exists", env: []string{address, "API_KEY=" + initKey}, before: "PAWL_TRIES=7\n", code: cli.ExitSettings,
			want: []string{".env: it exists already", "pawl init --force"}, file: []string{"PAWL_TRIES=7"},
		},
		{
			name: "replaced", env: []string{address, "API_KEY=" + initKey}, before: "PAWL_TRIES=7\nBATCH_SIZE=2000\n", args: []string{"--force"},
			want: []string{"500 pages"}, file: []string{address, "PAWL_TRIES=7", "BATCH_SIZE=2000"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if tt.before != "" {
				if err := os.WriteFile(".env", []byte(tt.before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			code, stdout, stderr := pawl(t, tt.env, newInitWiring(t, newInitPage(unchanged)), append([]string{"init"}, tt.args...)...)
			if code != tt.code {
				t.Errorf("got exit %d, want %d", code, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(stdout+stderr, want) {
					t.Errorf("got output %s%s, want %q in it", stdout, stderr, want)
				}
			}
			checkEnvFile(t, tt.file)
		})
	}
}

// checkEnvFile checks that .env has these lines, and that only its owner can read it. If there are no lines, there must be no .env.
func checkEnvFile(t *testing.T, lines []string) {
	t.Helper()
	content, err := os.ReadFile(".env")
	if (err == nil) != (len(lines) > 0) {
		t.Fatalf("got error %v, want a file: %t", err, len(lines) > 0)
	}
	for _, line := range lines {
		if !strings.Contains("\n"+string(content), "\n"+line+"\n") {
			t.Errorf("got the file\n%s\nwant the line %s in it", content, line)
		}
	}
	if info, err := os.Stat(".env"); err == nil && info.Mode() != 0o600 {
		t.Errorf("got mode %v, want 0600", info.Mode())
	}
}

// TestInit_Prevailing checks that `pawl init` names each variable in the environment that prevails over a key which the user types.
func TestInit_Prevailing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("former"), 0o600); err != nil {
		t.Fatal(err)
	}
	for variable, value := range map[string]string{"API_KEY": "former", "TARGET_API_KEY": "former", "API_KEY_FILE": file} {
		t.Run(variable, func(t *testing.T) {
			env := []string{"API_BASE_URL=https://api.example/v1", "DATABASE_URL=" + initDatabase, variable + "=" + value}
			d, end := startInit(t.Context(), t, env...)
			d.answer("base URL", "\n")
			d.answer("not shown) [********]: ", initKey+"\n")
			d.answer("embedded:DIR", "\n")
			_, _ = end()
			shown := d.shown.String()
			if want := "the environment has " + variable + " with another value"; strings.Count(shown, "with another value") != 1 || !strings.Contains(shown, want) {
				t.Errorf("the terminal shows %q, want %q in it", shown, want)
			}
			var got cli.Settings // what a run then uses
			if code, _, stderr := pawl(t, env, newRecordingWiring(&got), "run"); code != cli.ExitDone || got.APIKey != "former" {
				t.Errorf("got exit %d and key %s, want the former one: %s", code, got.APIKey, stderr)
			}
		})
	}
}

// TestInit_HugeTotal checks that an absurd total of the API gives no negative numbers.
func TestInit_HugeTotal(t *testing.T) {
	for _, total := range []int64{9e17, math.MaxInt64} {
		t.Chdir(t.TempDir())
		page := newInitPage(unchanged)
		page.To.AnnouncedLast.N = total
		env := []string{"API_BASE_URL=https://api.example/v1", "API_KEY=" + initKey}
		code, stdout, _ := pawl(t, env, newInitWiring(t, page), "init")
		for _, want := range []string{"about 106752 days", "about 9.2 EB", "pages\n"} {
			if code != cli.ExitDone || !strings.Contains(stdout, want) || strings.Contains(stdout, "-") && strings.Contains(stdout, "announced: -") {
				t.Errorf("%d: got exit %d and\n%s\nwant %q in it", total, code, stdout, want)
			}
		}
	}
}

// TestInit_Time checks what `pawl init` says about the time for 200 pages.
func TestInit_Time(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*domain.Receipt)
		want   string
	}{
		{name: "a window that began earlier", change: func(r *domain.Receipt) {
			r.Quota.Remaining, r.Quota.Reset = 4, r.FetchedAt.Add(30*time.Second)
		}, want: "at least 10 min: the rate limit allows 10 pages in a window of 30s or more"},
		{name: "a window of known length", change: func(r *domain.Receipt) {
			r.Quota.Remaining, r.Quota.Window = 4, time.Hour
		}, want: "about 19 hours: the rate limit allows 10 pages every 1h0m0s"},
		{name: "a large limit", change: func(r *domain.Receipt) {
			r.Quota.Limit, r.Quota.Remaining = 1000, 999
		}, want: "no wait for the rate limit: the rate limit allows 1,000 pages a minute"},
		{name: "days", change: func(r *domain.Receipt) {
			r.Quota.Limit, r.Quota.Remaining, r.Quota.Window = 1, 0, time.Hour
		}, want: "about 8 days: the rate limit allows 1 page every 1h0m0s"},
		{name: "no rate limit", change: func(r *domain.Receipt) { r.Quota = domain.Quota{} }, want: "not known, because the API reports no rate limit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			env := []string{"API_BASE_URL=https://api.example/v1", "API_KEY=" + initKey}
			_, stdout, stderr := pawl(t, env, newInitWiring(t, newInitPage(tt.change)), "init")
			if !strings.Contains(stdout, tt.want) {
				t.Errorf("got output %s%s, want %q in it", stdout, stderr, tt.want)
			}
		})
	}
}

// TestInit_RateLimit checks that `pawl init` makes one request and does not wait if the rate limit refuses it, and says so.
func TestInit_RateLimit(t *testing.T) {
	until := time.Now().Add(time.Hour)
	for name, tt := range map[string]struct {
		until time.Time
		want  string
	}{
		"the API says until when": {until, "its rate limit refuses requests until " + until.Format(time.DateTime)},
		"the API does not say it": {time.Time{}, "its rate limit refuses requests: the key was not tried"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			w := newInitWiring(t, domain.DecodedPage{})
			w.Pages = func(
				_ context.Context, _ cli.Settings, opts ingest.WalkOptions, _ ingest.FetchObserver,
			) (iter.Seq2[domain.DecodedPage, error], error) {
				return func(yield func(domain.DecodedPage, error) bool) {
					refusal := &domain.Error{Kind: domain.RateLimited, Op: "fetch page", Err: errors.New("HTTP 429"), Until: tt.until}
					_, err := opts.Retry.Budget().Next(refusal)
					if err == nil {
						t.Error("got a wait, want an error")
					}
					yield(domain.DecodedPage{}, err)
				}, nil
			}
			env := []string{"API_BASE_URL=https://api.example/v1", "API_KEY=" + initKey}
			code, stdout, stderr := pawl(t, env, w, "init")
			if code != cli.ExitDone || !strings.Contains(stdout, tt.want) {
				t.Errorf("got exit %d and output %s%s, want exit 0 and %q in it", code, stdout, stderr, tt.want)
			}
			checkEnvFile(t, []string{"API_KEY=" + initKey})
		})
	}
}

// TestInit_Rights checks that `pawl init` writes no .env if the first run could not make pawl's tables, and whose rights it checks.
func TestInit_Rights(t *testing.T) {
	denied := &domain.Error{
		Kind: domain.Invalid, Code: domain.CodeDatabasePermissionDenied, Op: "check rights", Err: errors.New("no CREATE"),
		Remedy: domain.MigrateAsOwner,
	}
	const owner = "postgres://owner@db.example/events"
	for _, tt := range []struct {
		name  string
		env   []string
		code  int
		want  string
		calls string // the URLs whose rights were checked, and whether that of creating tables was
	}{
		{"may not create tables", nil, cli.ExitSettings, "no CREATE", initDatabase + " true "},
		{
			"another user creates them",
			[]string{"PAWL_MIGRATE_URL=" + owner},
			cli.ExitDone, "the first run makes pawl's tables",
			owner + " true " + initDatabase + " false ",
		},
		{
			"a run creates none", []string{"PAWL_MIGRATE=check"}, cli.ExitDone, "`pawl migrate` before the first run", initDatabase + " false ",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			calls := ""
			w := newInitWiring(t, newInitPage(unchanged))
			w.CheckRights = func(_ context.Context, databaseURL string, creates bool) error {
				calls += fmt.Sprintf("%s %t ", databaseURL, creates)
				if creates && databaseURL == initDatabase {
					return denied
				}
				return nil
			}
			env := append([]string{"API_BASE_URL=https://api.example/v1", "API_KEY=" + initKey, "DATABASE_URL=" + initDatabase}, tt.env...)
			code, stdout, stderr := pawl(t, env, w, "init")
			if code != tt.code || !strings.Contains(stdout+stderr, tt.want) || calls != tt.calls {
				t.Errorf("got exit %d, checks %q and output %s%s, want exit %d, checks %q and %q",
					code, calls, stdout, stderr, tt.code, tt.calls, tt.want)
			}
			if _, err := os.Stat(".env"); (err == nil) != (tt.code == cli.ExitDone) {
				t.Errorf("got error %v of .env", err)
			}
		})
	}
}

// TestInit_NoTotal checks what `pawl init` says if the API announces no total.
func TestInit_NoTotal(t *testing.T) {
	t.Chdir(t.TempDir())
	env := []string{"API_BASE_URL=https://api.example/v1", "API_KEY=" + initKey}
	code, stdout, stderr := pawl(t, env, newInitWiring(t, domain.DecodedPage{}), "init")
	if want := "announces no total"; code != cli.ExitDone || !strings.Contains(stdout, want) {
		t.Errorf("got exit %d and output %s%s, want %q in it", code, stdout, stderr, want)
	}
}
