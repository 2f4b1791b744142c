package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestRun_Migrate checks what a run does about the schema for each value of --migrate.
func TestRun_Migrate(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]string{"auto": "migrate", "check": "check", "off": "check"} {
		called := ""
		w := newEmptyWiring()
		w.Migrate = func(context.Context, string) ([]string, error) {
			called += "migrate"
			return nil, nil
		}
		w.CheckSchema = func(context.Context, string) error {
			called += "check"
			return nil
		}
		if code, _, stderr := pawl(t, validEnv(), w, "run", "--migrate", mode); code != cli.ExitDone || called != want {
			t.Errorf("--migrate %s: got exit %d and calls %q, want %q: %s", mode, code, called, want, stderr)
		}
	}
}

// TestNewerSchema checks that no command except status accepts the schema of a newer version, even if the user tells a run to do nothing
// about the schema. Any other problem of the schema does not stop a run at once.
func TestNewerSchema(t *testing.T) {
	t.Parallel()
	for args, code := range map[string]domain.Code{
		"run --migrate off":                 domain.CodeSchemaNewer,
		"dlq replay --all":                  domain.CodeSchemaNewer,
		"dlq discard 1 --why x":             domain.CodeSchemaNewer,
		"move --from https://other.example": domain.CodeSchemaNewer,
		"checkpoint reset --yes":            domain.CodeSchemaNewer,
		"checkpoint show":                   domain.CodeSchemaNewer,
		"verify":                            domain.CodeSchemaNewer,
		"verify --against-api":              domain.CodeSchemaNewer,
		"dlq list":                          domain.CodeSchemaNewer,
		"dlq list --summary":                domain.CodeSchemaNewer,
		"dlq show 1":                        domain.CodeSchemaNewer,
		"drift":                             domain.CodeSchemaNewer,
		"run --migrate off --page-size 7":   domain.CodeSchemaOutdated,
	} {
		w := newEmptyWiring()
		w.CheckSchema = func(context.Context, string) error {
			return &domain.Error{Kind: domain.Invalid, Code: code, Op: "read schema", Err: errors.New("another schema")}
		}
		w.NormalizeURL = func(baseURL string) (string, error) { return baseURL, nil }
		wantCode := cli.ExitSettings
		if code != domain.CodeSchemaNewer {
			wantCode = cli.ExitDone
		}
		got, _, stderr := pawl(t, validEnv(), w, strings.Fields(args)...)
		isRefused := strings.Contains(stderr, "another schema")
		if got != wantCode || isRefused != (code == domain.CodeSchemaNewer) {
			t.Errorf("%s: got exit %d, want %d: %s", args, got, wantCode, stderr)
		}
	}
}

// TestNewerSchema_NotKnown checks that a command that writes does not go on if the version of the schema cannot be read, and that it tries
// again if it may be read later.
func TestNewerSchema_NotKnown(t *testing.T) {
	t.Parallel()
	for _, args := range []string{
		"run --migrate off", "dlq replay --all", "dlq discard 1 --why x", "move --from https://other.example",
	} {
		for code, wantsMore := range map[domain.Code]bool{domain.CodeDatabaseUnreachable: true, domain.CodeDatabasePermissionDenied: false} {
			kind := domain.Invalid
			if wantsMore {
				kind = domain.Transient
			}
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				w := newEmptyWiring()
				w.CheckSchema = func(context.Context, string) error {
					calls++
					return &domain.Error{Kind: kind, Code: code, Op: "read schema", Err: errors.New("not readable")}
				}
				w.NormalizeURL = func(baseURL string) (string, error) { return baseURL, nil }
				w.Jitter = func() float64 { return 1 } // without waits, the time for further calls would never be over
				code, _, stderr := pawl(t, validEnv(), w, strings.Fields(args)...)
				if hasMore := calls > 1; code == cli.ExitDone || hasMore != wantsMore || !strings.Contains(stderr, "not readable") {
					t.Errorf("%s, %v: got exit %d and %d calls, want an error, and more calls: %t: %s", args, kind, code, calls, wantsMore, stderr)
				}
			})
		}
	}
}

// TestRun_CompleteStream checks that a second run of a complete stream reads nothing, and that --new-pass reads the stream again.
func TestRun_CompleteStream(t *testing.T) {
	t.Parallel()
	db := domaintest.NewMemDatabase()
	for _, tt := range []struct{ args, stderr, stdout string }{ // stderr and stdout are parts of the wanted output
		{args: "run --json", stderr: "starting at the head", stdout: `"pass":1,"seq":1,"done":true,"pages":1`},
		{args: "run --json", stderr: "pawl did not look for new events", stdout: `"pass":1,"seq":1,"done":true,"pages":0`},
		{args: "run --json --new-pass", stderr: "starting a new pass", stdout: `"pass":2,"seq":2,"done":true,"pages":1`},
	} {
		code, stdout, stderr := pawl(t, validEnv(), newWiring(emptySource{}, db), strings.Fields(tt.args)...)
		if code != cli.ExitDone || !strings.Contains(stderr, tt.stderr) || !strings.Contains(stdout, tt.stdout) {
			t.Errorf("%s: got exit %d, stdout %s, stderr %s, want %s and %s", tt.args, code, stdout, stderr, tt.stdout, tt.stderr)
		}
	}
}

// TestRun_Terminal compares the content of the terminal at moments of a run with a golden file. Each request takes one
// second. The first retry follows a wait of 0.5 s, and the second a wait of 1 s. The window of the terminal changes its width.
func TestRun_Terminal(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	synctest.Test(t, func(t *testing.T) {
		fails := domaintest.FailWith(domain.Transient)
		source := domaintest.NewCleanStream(10_000, 1000)       // ten pages; a page's cursor is the number of its first record
		source.At("1000", fails, fails)                         // 2 s and 3.5 s after the start; the third attempt succeeds after 5.5 s
		source.At("3000", domaintest.RefuseFor(41*time.Second)) // 7.5 s after the start
		source.At("4000", newDriftPage())                       // 50.5 s after the start
		source.At("5000", domaintest.RefuseFor(10*time.Minute)) // 51.5 s after the start
		w := newRunWiring(slowSource{EventSource: source, delay: time.Second}, domaintest.NewMemDatabase())
		wait := c.run(t.Context(), w, "TERM=xterm")
		c.snapshotAt(0, "at the start")
		c.snapshotAt(0.3, "fetching the first page")
		c.snapshotAt(2.3, "after a failure")
		c.snapshotAt(3.3, "the first retry")
		c.snapshotAt(5.3, "the second retry")
		c.snapshotAt(8.3, "waiting for the rate limit")
		c.snapshotAt(18.3, "10 s later")
		c.resize(40)
		c.snapshotAt(19.3, "in a narrow window")
		c.resize(120)
		c.snapshotAt(20.3, "in a wide window")
		c.resize(columns)
		c.snapshotAt(51.3, "a log line above the live line")
		c.snapshotAt(52.3, "a long wait in the log")
		if code, stdout := wait(); code != cli.ExitDone || !strings.Contains(stdout, "10,000 inserted") {
			t.Errorf("got exit %d and summary %q, want exit 0 and 10,000 inserted", code, stdout)
		}
		c.snapshot("at the end")
	})
	cli.Golden(t, "run_terminal", c.transcript.String())
	const yellow, modeChange = "\x1b[33m", "\x1b[?"
	if raw := c.raw.String(); !strings.Contains(raw, yellow) || strings.Contains(raw, modeChange) {
		t.Errorf("got output %q, want the colour yellow and no change of the terminal's mode", raw)
	}
}

// newDriftPage returns the page with the records 4000 to 4999 of 10,000. The record 4000 has an unexpected field named colour.
func newDriftPage() domaintest.Answer {
	payloads := []string{"4000 colour"}
	for n := 4001; n < 5000; n++ {
		payloads = append(payloads, strconv.Itoa(n))
	}
	return domaintest.PageOf("5000", payloads...).WithTotal(10_000)
}

// TestRun_HostileFieldNames checks that the names of unexpected fields cannot control the terminal. Two names have the escape
// character and two have its quoted form \x1b. Two names have a space, because the logger tint writes such names in another way.
func TestRun_HostileFieldNames(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	synctest.Test(t, func(t *testing.T) {
		source := domaintest.NewScriptedSource(
			domaintest.LastPageOf("1 \x1b[2J", "2 \x1b[2J spaced", `3 \x1b[2J`, `4 \x1b[2J spaced`).WithTotal(4))
		if code, _ := c.run(t.Context(), newRunWiring(source, domaintest.NewMemDatabase()), "TERM=xterm")(); code != cli.ExitDone {
			t.Errorf("got exit %d, want %d", code, cli.ExitDone)
		}
		c.read()
	})
	if raw := c.raw.String(); strings.Contains(raw, "\x1b[2J") || strings.Count(raw, "u001b") != 4 {
		t.Errorf("got output %q, want four names with the escape character replaced by \\u001b", raw)
	}
}

// TestRun_RereadingWithoutColour checks the live line of a run that loses its cursor after three pages, with NO_COLOR. Each request takes
// one second.
func TestRun_RereadingWithoutColour(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	synctest.Test(t, func(t *testing.T) {
		source := domaintest.NewCleanStream(5_000, 1000).At("3000", domaintest.FailWith(domain.CursorExpired))
		w := newRunWiring(slowSource{EventSource: source, delay: time.Second}, domaintest.NewMemDatabase())
		wait := c.run(t.Context(), w, "NO_COLOR=1", "TERM=xterm")
		c.snapshotAt(3.3, "three pages are stored")
		c.snapshotAt(4.3, "the cursor is lost")
		c.snapshotAt(6.3, "re-reading")
		c.snapshotAt(8.3, "after the stored pages") // in 4 s, the run has read three stored pages and a new one
		if code, stdout := wait(); code != cli.ExitDone || !strings.Contains(stdout, "5,000 inserted + 3,000 duplicate") {
			t.Errorf("got exit %d and summary %q, want exit 0 and 5,000 inserted + 3,000 duplicate", code, stdout)
		}
		c.snapshot("at the end")
	})
	cli.Golden(t, "run_rereading", c.transcript.String())
	if raw := c.raw.String(); regexp.MustCompile(`\x1b\[[0-9;]*m`).MatchString(raw) {
		t.Errorf("got colours with NO_COLOR: %q", raw)
	}
}

// TestRun_StopAfterResume checks the terminal of a run that continues after the third page and is stopped during a wait for the rate
// limit. Each request takes one second.
func TestRun_StopAfterResume(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	synctest.Test(t, func(t *testing.T) {
		db := domaintest.NewMemDatabase()
		first := domaintest.NewCleanStream(10_000, 1000).At("3000", domaintest.FailWith(domain.Unauthorized)) // ends the first run
		if code, _, stderr := pawl(t, validEnv(), newRunWiring(first, db), "run", "--page-size", "1000"); code != cli.ExitSettings {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		ctx, stop := context.WithCancel(t.Context())
		const notLogged = time.Minute - time.Nanosecond // a run with a live line logs only waits of at least a minute
		second := domaintest.NewCleanStream(10_000, 1000).At("5000", domaintest.RefuseFor(notLogged))
		wait := c.run(ctx, newRunWiring(slowSource{EventSource: second, delay: time.Second}, db), "TERM=xterm")
		c.snapshotAt(0.5, "resumed")
		c.snapshotAt(4.5, "waiting") // the third request was refused after 3 s
		stop()
		if code, _ := wait(); code != cli.ExitAgain {
			t.Errorf("got exit %d, want %d", code, cli.ExitAgain)
		}
		c.read()
	})
	cli.Golden(t, "run_resumed", c.transcript.String())
	if shown := c.emulator.String(); strings.Contains(shown, "ETA") || !strings.Contains(shown, "WRN stopping: finishing") {
		t.Errorf("got %q at the end, want the warning and no live line", shown)
	}
}

// TestRun_CompleteStreamShowsNoLiveLine checks the terminal of a second run, which finds its stream complete.
func TestRun_CompleteStreamShowsNoLiveLine(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	synctest.Test(t, func(t *testing.T) {
		db := domaintest.NewMemDatabase()
		w := newRunWiring(domaintest.NewCleanStream(10, 10), db)
		if code, _, stderr := pawl(t, validEnv(), w, "run"); code != cli.ExitDone {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		if code, _ := c.run(t.Context(), w, "TERM=xterm")(); code != cli.ExitDone {
			t.Errorf("got exit %d, want %d", code, cli.ExitDone)
		}
		c.snapshot("at the end")
	})
	const eraseLine = "\x1b[K" // a part of every live line
	if raw := c.raw.String(); strings.Contains(raw, eraseLine) || strings.Count(raw, "\n") != 1 {
		t.Errorf("got output %q, want one log line and no live line", raw)
	}
}

// TestRun_ShowsLiveLine checks when a run shows its progress as a live line and when as log lines.
func TestRun_ShowsLiveLine(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		isTerminal   bool   // standard error is a terminal; if false, it is a pipe
		env          string // a variable that is set; empty if there is none
		wantLiveLine bool
		wantLogLines bool // a log line about the progress every 5 s
	}{
		{name: "a terminal", isTerminal: true, wantLiveLine: true},
		{name: "a dumb terminal", isTerminal: true, env: "TERM=dumb", wantLogLines: true},
		{name: "a pipe", wantLogLines: true},
		{name: "always, on a terminal", isTerminal: true, env: "PAWL_PROGRESS=always", wantLiveLine: true},
		{name: "always, in a pipe", env: "PAWL_PROGRESS=always", wantLiveLine: true},
		{name: "never, on a terminal", isTerminal: true, env: "PAWL_PROGRESS=never"},
		{name: "never, in a pipe", env: "PAWL_PROGRESS=never"},
		{name: "a pipe, logging only warnings", env: "PAWL_LOG_LEVEL=warn"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newConsole(t)
			var piped bytes.Buffer
			synctest.Test(t, func(t *testing.T) {
				w := newRunWiring(slowSource{EventSource: domaintest.NewCleanStream(7_000, 1000), delay: time.Second}, domaintest.NewMemDatabase())
				if !tt.isTerminal {
					cli.Main(t.Context(), cli.Process{
						Args: []string{"run", "--page-size=1000"}, Environ: validEnv(tt.env), Stdout: &bytes.Buffer{}, Stderr: &piped,
					}, w)
					return
				}
				wait := c.run(t.Context(), w, tt.env)
				wait()
				c.read()
			})
			stderr := piped.String() + c.raw.String()
			const partOfLiveLine, partOfLogLine = "57.1%  ETA ", " events="
			if got := strings.Contains(stderr, partOfLiveLine); got != tt.wantLiveLine {
				t.Errorf("got a live line: %v, want %v: %q", got, tt.wantLiveLine, stderr)
			}
			if got := strings.Contains(stderr, partOfLogLine); got != tt.wantLogLines {
				t.Errorf("got progress in the log: %v, want %v: %q", got, tt.wantLogLines, stderr)
			}
			wantsPlainText := !tt.isTerminal && !tt.wantLiveLine
			if wantsPlainText && strings.ContainsAny(stderr, "\x1b\r") {
				t.Errorf("got control sequences in a pipe, want none: %q", stderr)
			}
		})
	}
}

// TestRun_ProgressLog checks the log lines about the progress. The run sends eleven requests, which take 1.5 s each. After one failure it
// waits 0.5 s. So the run takes 17 s and logs its progress after 5, 10 and 15 s.
func TestRun_ProgressLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := domaintest.NewCleanStream(10_000, 1000).At("1000", domaintest.FailWith(domain.Transient))
		var stderr bytes.Buffer
		w := newRunWiring(slowSource{EventSource: source, delay: 1500 * time.Millisecond}, domaintest.NewMemDatabase())
		cli.Main(t.Context(), cli.Process{
			Args:    []string{"run", "--page-size=1000", "--log-format=json"},
			Environ: validEnv(), Stdout: &bytes.Buffer{}, Stderr: &stderr,
		}, w)
		var records []map[string]any
		for line := range strings.Lines(stderr.String()) {
			var record map[string]any
			if err := json.Unmarshal([]byte(line), &record); err != nil {
				t.Fatal(err)
			}
			if record["msg"] == "progress" {
				records = append(records, record)
			}
		}
		if len(records) != 3 {
			t.Fatalf("got %d records, want 3: %v", len(records), records)
		}
		// After 10 s, six requests have ended and one of them has failed. So 5000 records are stored, and as many are left.
		want := map[string]any{
			"time": "2000-01-01T00:00:10Z", "level": "INFO", "msg": "progress", "events": 5000.0, "of": 10000.0,
			"share": "50.0%", "per_second": 500.0, "eta": "10s", "retries": 1.0, "state": "fetching",
		}
		if second := records[1]; !reflect.DeepEqual(second, want) {
			t.Errorf("got second record %v, want %v", second, want)
		}
	})
}

// TestRun_ClearsLiveLineBeforeError checks that a run clears the live line before it prints an error. Here the migration fails.
func TestRun_ClearsLiveLineBeforeError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRunWiring(domaintest.NewScriptedSource(), domaintest.NewMemDatabase())
		w.Migrate = func(ctx context.Context, _ string) ([]string, error) {
			time.Sleep(time.Second)
			return nil, &domain.Error{
				Kind: domain.Invalid, Code: domain.CodeDatabaseNotFound, Op: "migrate", Err: errors.New("no such database"),
			}
		}
		_, _, stderr := pawl(t, validEnv("PAWL_PROGRESS=always"), w, "run")
		const drawn, cleared = "\r" + emptyColumns + "preparing the database\x1b[K", "\r\x1b[K"
		if want := drawn + cleared + "pawl: migrate: no such database [database-not-found]\n"; stderr != want {
			t.Errorf("got %q, want %q", stderr, want)
		}
	})
}

// emptyColumns are the columns of a live line before anything is known, in front of the words about the state.
const emptyColumns = "[          ]                        "

// A slowStore is an EventStore that takes a second to claim a stream.
type slowStore struct{ domain.EventStore }

func (s slowStore) Claim(ctx context.Context, stream domain.StreamID, sourceURL string) (domain.Checkpoint, error) {
	time.Sleep(time.Second)
	return s.EventStore.Claim(ctx, stream, sourceURL)
}

// TestRun_ShowsClaiming checks that the live line says that the run claims the stream.
func TestRun_ShowsClaiming(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRunWiring(emptySource{}, domaintest.NewMemDatabase())
		w.Runner = func(_ context.Context, s cli.Settings, options cli.RunOptions, o ingest.Observer) (cli.Runner, func(), error) {
			store := slowStore{domaintest.NewMemDatabase().Store()}
			opts := ingest.Options{Stream: s.Stream, Retry: options.Retry, Outage: options.Outage}
			return ingest.New(emptySource{}, domaintest.LineDecoder{}, store, o, opts), func() {}, nil
		}
		_, _, stderr := pawl(t, validEnv("PAWL_PROGRESS=always"), w, "run")
		const drawn, cleared = "\r" + emptyColumns + "claiming the stream\x1b[K", "\r\x1b[K"
		if !strings.HasPrefix(stderr, drawn+cleared) {
			t.Errorf("got %q, want the live line of claiming", stderr)
		}
	})
}
