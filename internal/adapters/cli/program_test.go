package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// pawl runs the command line.
func pawl(t *testing.T, environ []string, w cli.Wiring, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = cli.Main(t.Context(), cli.Process{Args: args, Environ: environ, Stdout: &out, Stderr: &err}, w)
	return code, out.String(), err.String()
}

// failing is a source with one answer: an error.
type failing struct{ err error }

func (s failing) FetchPage(context.Context, domain.PageRequest) (domain.Page, error) {
	return domain.Page{}, s.err
}

// oneEmptyPage is a source of a stream without events.
type oneEmptyPage struct{}

func (oneEmptyPage) FetchPage(context.Context, domain.PageRequest) (domain.Page, error) {
	return domain.Page{Last: true, Total: domain.Total{Known: true}, Receipt: domain.Receipt{FetchedAt: time.Now()}}, nil
}

// wiring puts a source before a database in memory.
func wiring(source domain.EventSource, db *domaintest.MemDatabase, seen *cli.Settings) cli.Wiring {
	return cli.Wiring{
		Runner: func(_ context.Context, s cli.Settings, asked cli.RunOptions, o ingest.Observer) (cli.Runner, func(), error) {
			*seen = s
			opts := ingest.Options{Stream: s.Stream, SourceURL: s.APIBaseURL, PageSize: s.PageSize, NewPass: asked.NewPass, Retry: asked.Retry}
			store := db.Store()
			return ingest.New(source, domaintest.LineDecoder{}, store, o, opts), store.Close, nil
		},
		Database: func(_ context.Context, databaseURL string, _ func(string)) (cli.Database, func() error, error) {
			return cli.Database{URL: databaseURL}, func() error { return nil }, nil
		},
		Migrate:     func(context.Context, string) ([]string, error) { return []string{"first.sql"}, nil },
		CheckSchema: func(context.Context, string) error { return errors.New("unexpected check") },
		Jitter:      func() float64 { return 0 },
	}
}

func TestSettingsReachTheRun(t *testing.T) {
	t.Parallel()
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got cli.Settings
	env := sound("API_KEY=", "API_KEY_FILE="+keyFile, "BATCH_SIZE=100", "RATE_LIMIT_DELAY_MS=250", "PAWL_MAX_WAIT=2m",
		"PAWL_STREAM=from-env", "PAWL_TRIES=")
	code, _, stderr := pawl(t, env, wiring(oneEmptyPage{}, domaintest.NewMemDatabase(), &got),
		"run", "--stream", "from-flag")
	if code != cli.ExitDone {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if got.APIKey != "from-file" || got.PageSize != 100 || got.RequestDelay != 250*time.Millisecond ||
		got.MaxWait != 2*time.Minute || got.Stream.Source != "from-flag" || got.Tries != 5 {
		t.Errorf("settings %+v", got)
	}
	code, _, _ = pawl(t, sound("API_KEY=", "TARGET_API_KEY=other-name"), wiring(oneEmptyPage{}, domaintest.NewMemDatabase(), &got), "run")
	if code != cli.ExitDone || got.APIKey != "other-name" {
		t.Errorf("exit %d, key %q", code, got.APIKey)
	}
}

func TestExitCodeNamesTheAction(t *testing.T) {
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
			cause := &domain.Error{
				Kind: kind, Op: "fetch page", Hint: "do this", Err: errors.New("cause"), Until: time.Now().Add(48 * time.Hour),
			}
			var s cli.Settings
			code, stdout, stderr := pawl(t, sound("PAWL_TRIES=1", "PAWL_LOG_LEVEL=error"),
				wiring(failing{cause}, domaintest.NewMemDatabase(), &s), "run", "--json")
			if code != want {
				t.Errorf("exit %d, want %d: %s", code, want, stderr)
			}
			says := "cause"
			if kind == domain.Stopped { // what was interrupted is of no use to who interrupted it
				says = "run it again"
			}
			if !strings.Contains(stderr, "pawl: ") || !strings.Contains(stderr, says) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("stderr %q", stderr)
			}
			if !strings.Contains(stdout, `"done":false`) {
				t.Errorf("no summary with an error: %q", stdout)
			}
		})
	}
}

func TestSummaryHasTheDocumentedFields(t *testing.T) {
	t.Parallel()
	var s cli.Settings
	_, stdout, _ := pawl(t, sound(), wiring(oneEmptyPage{}, domaintest.NewMemDatabase(), &s), "run", "--json")
	decoder := json.NewDecoder(strings.NewReader(stdout))
	var names []string
	for depth := 0; ; {
		token, err := decoder.Token()
		if err != nil {
			break
		}
		if name, ok := token.(string); ok && depth == 1 && len(names) < 100 {
			names = append(names, name)
			if _, err := decoder.Token(); err != nil {
				t.Fatal(err)
			}
		}
		if token == json.Delim('{') {
			depth++
		}
	}
	want := strings.Fields(`stream pass seq done pages received inserted duplicate parked announced_total requests
		retries rate_limited waited_seconds elapsed_seconds`)
	if !reflect.DeepEqual(names, want) {
		t.Errorf("fields %v, want %v", names, want)
	}
}

// TestFewerThanAnnounced: a stream that is complete with fewer records than were announced says so, a whole one does not.
func TestFewerThanAnnounced(t *testing.T) {
	t.Parallel()
	const note = "2 of 3 announced records are stored or parked: `pawl verify` says why"
	for second, noted := range map[string]bool{"2": true, "3": false} {
		first, last := domaintest.PageOf("a", "1", "2"), domaintest.LastPageOf(second)
		source := domaintest.NewScriptedSource(first.Announcing(3), last.Announcing(3), last.Announcing(3))
		var s cli.Settings
		code, stdout, stderr := pawl(t, sound(), wiring(source, domaintest.NewMemDatabase(), &s), "run")
		if code != cli.ExitDone || strings.Contains(stdout, note) != noted {
			t.Errorf("record 1, 2, and %s: exit %d, %s%s", second, code, stdout, stderr)
		}
	}
}

func TestAFinishedStreamSaysSo(t *testing.T) {
	t.Parallel()
	db := domaintest.NewMemDatabase()
	var s cli.Settings
	for _, want := range []struct{ args, says, json string }{
		{"run --json", "starting at the head", `"pass":1,"seq":1,"done":true,"pages":1`},
		{"run --json", "pawl did not look for new events", `"pass":1,"seq":1,"done":true,"pages":0`},
		{"run --json --new-pass", "starting a new pass", `"pass":2,"seq":2,"done":true,"pages":1`},
	} {
		code, stdout, stderr := pawl(t, sound(), wiring(oneEmptyPage{}, db, &s), strings.Fields(want.args)...)
		if code != cli.ExitDone || !strings.Contains(stderr, want.says) || !strings.Contains(stdout, want.json) {
			t.Errorf("%s: exit %d, stdout %s stderr %s", want.args, code, stdout, stderr)
		}
	}
}

func TestMigrateModes(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]string{"auto": "migrate", "check": "check", "off": ""} {
		var s cli.Settings
		called := ""
		w := wiring(oneEmptyPage{}, domaintest.NewMemDatabase(), &s)
		w.Migrate = func(context.Context, string) ([]string, error) { called += "migrate"; return nil, nil }
		w.CheckSchema = func(context.Context, string) error { called += "check"; return nil }
		if code, _, stderr := pawl(t, sound(), w, "run", "--migrate", mode); code != cli.ExitDone || called != want {
			t.Errorf("%s: exit %d, called %q: %s", mode, code, called, stderr)
		}
	}
}

func TestErrorsAsJSON(t *testing.T) {
	t.Parallel()
	var s cli.Settings
	cause := &domain.Error{Kind: domain.Unauthorized, Op: "fetch page", Hint: "check API_KEY", Err: errors.New("401")}
	_, _, stderr := pawl(t, sound("PAWL_LOG_FORMAT=json", "PAWL_LOG_LEVEL=error"),
		wiring(failing{cause}, domaintest.NewMemDatabase(), &s), "run")
	var record map[string]any
	if err := json.Unmarshal([]byte(stderr), &record); err != nil || record["hint"] != "check API_KEY" || record["exit_code"] != 2.0 {
		t.Errorf("%v: %s", err, stderr)
	}
}
