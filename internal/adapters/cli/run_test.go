package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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

func TestRun_Migrate(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]string{"auto": "migrate", "check": "check", "off": ""} {
		var s cli.Settings
		called := ""
		w := newWiring(emptySource{}, domaintest.NewMemDatabase(), &s)
		w.Migrate = func(context.Context, string) ([]string, error) { called += "migrate"; return nil, nil }
		w.CheckSchema = func(context.Context, string) error { called += "check"; return nil }
		if code, _, stderr := pawl(t, validEnv(), w, "run", "--migrate", mode); code != cli.ExitDone || called != want {
			t.Errorf("%s: exit %d, got calls %q: %s", mode, code, called, stderr)
		}
	}
}

func TestRun_CompleteStream(t *testing.T) {
	t.Parallel()
	db := domaintest.NewMemDatabase()
	var s cli.Settings
	for _, tt := range []struct{ args, stderr, stdout string }{
		{"run --json", "starting at the head", `"pass":1,"seq":1,"done":true,"pages":1`},
		{"run --json", "pawl did not look for new events", `"pass":1,"seq":1,"done":true,"pages":0`},
		{"run --json --new-pass", "starting a new pass", `"pass":2,"seq":2,"done":true,"pages":1`},
	} {
		code, stdout, stderr := pawl(t, validEnv(), newWiring(emptySource{}, db, &s), strings.Fields(tt.args)...)
		if code != cli.ExitDone || !strings.Contains(stderr, tt.stderr) || !strings.Contains(stdout, tt.stdout) {
			t.Errorf("%s: exit %d, stdout %s stderr %s", tt.args, code, stdout, stderr)
		}
	}
}

func TestRun_Terminal(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	synctest.Test(t, func(t *testing.T) {
		source := domaintest.NewCleanStream(10_000, 1000)
		source.At("1000", domaintest.FailWith(domain.Transient), domaintest.FailWith(domain.Transient))
		source.At("3000", domaintest.RefuseFor(41*time.Second))
		source.At("4000", newDriftPage())
		source.At("5000", domaintest.RefuseFor(10*time.Minute))
		wait := c.run(t.Context(), newRunWiring(slowSource{source, time.Second}, domaintest.NewMemDatabase()), "TERM=xterm")
		c.snapshot("at the start")
		time.Sleep(300 * time.Millisecond)
		c.snapshot("fetching the first page")
		time.Sleep(2 * time.Second)
		c.snapshot("after a failure")
		time.Sleep(time.Second)
		c.snapshot("after another")
		time.Sleep(2 * time.Second)
		c.snapshot("fetching again")
		time.Sleep(3 * time.Second)
		c.snapshot("waiting for the rate limit")
		time.Sleep(10 * time.Second)
		c.snapshot("10 s later")
		c.resize(40)
		time.Sleep(time.Second)
		c.snapshot("in a narrow window")
		c.resize(120)
		time.Sleep(time.Second)
		c.snapshot("in a wide window")
		c.resize(80)
		time.Sleep(31 * time.Second)
		c.snapshot("a log line above the live line")
		time.Sleep(time.Second)
		c.snapshot("a long wait in the log")
		if code, stdout := wait(); code != cli.ExitDone || !strings.Contains(stdout, "10,000 inserted") {
			t.Errorf("exit %d: %s", code, stdout)
		}
		c.snapshot("at the end")
	})
	cli.Golden(t, "run_terminal", c.transcript.String())
	if raw := c.raw.String(); !strings.Contains(raw, "\x1b[33m") || strings.Contains(raw, "\x1b[?") {
		t.Errorf("got %q, want colours and no change of the terminal's mode", raw)
	}
}

// newDriftPage returns the page of the records 4000 to 4999. One of them has an unexpected field.
func newDriftPage() domaintest.Answer {
	payloads := []string{"4000 colour"}
	for n := 4001; n < 5000; n++ {
		payloads = append(payloads, strconv.Itoa(n))
	}
	return domaintest.PageOf("5000", payloads...).WithTotal(10_000)
}

// TestRun_HostileFieldNames checks that the names of fields cannot control the terminal, whether the API sends the escape
// character or its quoted form.
func TestRun_HostileFieldNames(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	synctest.Test(t, func(t *testing.T) {
		source := domaintest.NewScriptedSource(
			domaintest.LastPageOf("1 \x1b[2J", "2 \x1b[2J spaced", `3 \x1b[2J`, `4 \x1b[2J spaced`).WithTotal(4))
		if code, _ := c.run(t.Context(), newRunWiring(source, domaintest.NewMemDatabase()), "TERM=xterm")(); code != cli.ExitDone {
			t.Errorf("exit %d", code)
		}
		c.read()
	})
	if raw := c.raw.String(); strings.Contains(raw, "\x1b[2J") || strings.Count(raw, "u001b") != 4 {
		t.Errorf("got %q", raw)
	}
}

func TestRun_RereadingWithoutColour(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	synctest.Test(t, func(t *testing.T) {
		source := domaintest.NewCleanStream(5_000, 1000).At("3000", domaintest.FailWith(domain.CursorExpired))
		wait := c.run(t.Context(), newRunWiring(slowSource{source, time.Second}, domaintest.NewMemDatabase()), "NO_COLOR=1", "TERM=xterm")
		time.Sleep(3300 * time.Millisecond)
		c.snapshot("three pages are stored")
		time.Sleep(time.Second)
		c.snapshot("the cursor is lost")
		time.Sleep(2 * time.Second)
		c.snapshot("re-reading")
		time.Sleep(2 * time.Second)
		c.snapshot("after the stored pages")
		if code, stdout := wait(); code != cli.ExitDone || !strings.Contains(stdout, "5,000 inserted + 3,000 duplicate") {
			t.Errorf("exit %d: %s", code, stdout)
		}
		c.snapshot("at the end")
	})
	cli.Golden(t, "run_rereading", c.transcript.String())
	if raw := c.raw.String(); regexp.MustCompile(`\x1b\[[0-9;]*m`).MatchString(raw) {
		t.Errorf("got colours with NO_COLOR: %q", raw)
	}
}

func TestRun_StopAfterResume(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	synctest.Test(t, func(t *testing.T) {
		db := domaintest.NewMemDatabase()
		first := domaintest.NewCleanStream(10_000, 1000).At("3000", domaintest.FailWith(domain.Unauthorized))
		if code, _, stderr := pawl(t, validEnv(), newRunWiring(first, db), "run", "--page-size", "1000"); code != cli.ExitSettings {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		ctx, stop := context.WithCancel(t.Context())
		second := domaintest.NewCleanStream(10_000, 1000).At("5000", domaintest.RefuseFor(time.Minute-time.Nanosecond))
		wait := c.run(ctx, newRunWiring(slowSource{second, time.Second}, db), "TERM=xterm")
		time.Sleep(500 * time.Millisecond)
		c.snapshot("resumed")
		time.Sleep(4 * time.Second)
		c.snapshot("waiting")
		stop()
		if code, _ := wait(); code != cli.ExitAgain {
			t.Errorf("exit %d", code)
		}
		c.read() // the last two lines come in any order
	})
	cli.Golden(t, "run_resumed", c.transcript.String())
	if shown := c.emulator.String(); strings.Contains(shown, "ETA") || !strings.Contains(shown, "WRN stopping: finishing") {
		t.Errorf("got %q at the end, want the warning and no live line", shown)
	}
}

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
			t.Errorf("exit %d", code)
		}
		c.snapshot("at the end")
	})
	if raw := c.raw.String(); strings.Contains(raw, "\x1b[K") || strings.Count(raw, "\n") != 1 {
		t.Errorf("got %q, want one line and no live line", raw)
	}
}

func TestRun_ShowsLiveLine(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		terminal bool
		env      []string
		line     bool
		logged   bool // every 5 s
	}{
		{"a terminal", true, nil, true, false},
		{"a dumb terminal", true, []string{"TERM=dumb"}, false, true},
		{"a pipe", false, nil, false, true},
		{"always, on a terminal", true, []string{"PAWL_PROGRESS=always"}, true, false},
		{"always, in a pipe", false, []string{"PAWL_PROGRESS=always"}, true, false},
		{"never, on a terminal", true, []string{"PAWL_PROGRESS=never"}, false, false},
		{"never, in a pipe", false, []string{"PAWL_PROGRESS=never"}, false, false},
		{"a pipe, logging only warnings", false, []string{"PAWL_LOG_LEVEL=warn"}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newConsole(t)
			var piped bytes.Buffer
			synctest.Test(t, func(t *testing.T) {
				w := newRunWiring(slowSource{domaintest.NewCleanStream(7_000, 1000), time.Second}, domaintest.NewMemDatabase())
				if !tt.terminal {
					cli.Main(t.Context(), cli.Process{
						Args: []string{"run", "--page-size=1000"}, Environ: validEnv(tt.env...), Stdout: &bytes.Buffer{}, Stderr: &piped,
					}, w)
					return
				}
				c.run(t.Context(), w, tt.env...)()
				c.snapshot("at the end")
			})
			stderr := piped.String() + c.raw.String()
			if line := strings.Contains(stderr, "57.1%  4,000 of 7,000"); line != tt.line {
				t.Errorf("got a live line: %v, want %v: %q", line, tt.line, stderr)
			}
			if logged := strings.Contains(stderr, " events="); logged != tt.logged {
				t.Errorf("got progress in the log: %v, want %v: %q", logged, tt.logged, stderr)
			}
			if !tt.terminal && !tt.line && strings.ContainsAny(stderr, "\x1b\r") {
				t.Errorf("got control sequences in a pipe: %q", stderr)
			}
		})
	}
}

func TestRun_ProgressLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := domaintest.NewCleanStream(10_000, 1000).At("1000", domaintest.FailWith(domain.Transient))
		var stderr bytes.Buffer
		w := newRunWiring(slowSource{source, 1500 * time.Millisecond}, domaintest.NewMemDatabase())
		cli.Main(t.Context(), cli.Process{
			Args:    []string{"run", "--page-size=1000", "--log-format=json"},
			Environ: validEnv(), Stdout: &bytes.Buffer{}, Stderr: &stderr,
		}, w)
		var records []map[string]any
		for decoder := json.NewDecoder(&stderr); ; {
			var record map[string]any
			if err := decoder.Decode(&record); err != nil {
				break
			}
			if record["msg"] == "progress" {
				records = append(records, record)
			}
		}
		if len(records) != 3 { // the run takes 17 s
			t.Fatalf("got %d records, want 3: %v", len(records), records)
		}
		want := map[string]any{
			"time": "2000-01-01T00:00:10Z", "level": "INFO", "msg": "progress", "events": 5000.0, "of": 10000.0,
			"share": "50.0%", "per_second": 500.0, "eta": "10s", "retries": 1.0, "state": "fetching",
		}
		for key, value := range want {
			if records[1][key] != value {
				t.Errorf("%s: got %v, want %v", key, records[1][key], value)
			}
		}
		if len(records[1]) != len(want) {
			t.Errorf("got %v, want %v", records[1], want)
		}
	})
}

// TestRun_ClearsLiveLineBeforeError has an error before the first page.
func TestRun_ClearsLiveLineBeforeError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRunWiring(domaintest.NewScriptedSource(), domaintest.NewMemDatabase())
		w.Migrate = func(ctx context.Context, _ string) ([]string, error) {
			time.Sleep(time.Second)
			return nil, &domain.Error{Kind: domain.Invalid, Op: "migrate", Err: errors.New("no such database")}
		}
		_, _, stderr := pawl(t, validEnv("PAWL_PROGRESS=always"), w, "run")
		if want := "\rpreparing the database\x1b[K\r\x1b[Kpawl: migrate: no such database\n"; stderr != want {
			t.Errorf("got %q, want %q", stderr, want)
		}
	})
}

// A slowStore takes a second to claim a stream.
type slowStore struct{ domain.EventStore }

func (s slowStore) Claim(ctx context.Context, stream domain.StreamID, sourceURL string) (domain.Checkpoint, error) {
	time.Sleep(time.Second)
	return s.EventStore.Claim(ctx, stream, sourceURL)
}

func TestRun_ShowsClaiming(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRunWiring(emptySource{}, domaintest.NewMemDatabase())
		w.Runner = func(_ context.Context, s cli.Settings, options cli.RunOptions, o ingest.Observer) (cli.Runner, func(), error) {
			store := slowStore{domaintest.NewMemDatabase().Store()}
			opts := ingest.Options{Stream: s.Stream, Retry: options.Retry}
			return ingest.New(emptySource{}, domaintest.LineDecoder{}, store, o, opts), func() {}, nil
		}
		_, _, stderr := pawl(t, validEnv("PAWL_PROGRESS=always"), w, "run")
		if !strings.HasPrefix(stderr, "\rclaiming the stream\x1b[K\r\x1b[K") {
			t.Errorf("got %q, want the live line of claiming", stderr)
		}
	})
}
