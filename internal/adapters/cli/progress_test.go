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
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// run starts `pawl run` on the console and returns what waits for its end.
func (c *console) run(ctx context.Context, w cli.Wiring, changes ...string) (wait func() (code int, stdout string)) {
	ended := make(chan int, 1)
	var stdout bytes.Buffer
	go func() {
		ended <- cli.Main(ctx, []string{"run", "--page-size", "1000"}, sound(changes...), &stdout, c.theirs, w)
	}()
	return func() (int, string) {
		for ticker := time.NewTicker(time.Second); ; {
			select {
			case code := <-ended:
				ticker.Stop()
				return code, stdout.String()
			case <-ticker.C:
				c.catchUp()
			}
		}
	}
}

// driftedPage is the page of the records 4000 to 4999, of which one has a field that nobody expects.
func driftedPage() domaintest.Answer {
	payloads := []string{"4000 colour"}
	for n := 4001; n < 5000; n++ {
		payloads = append(payloads, strconv.Itoa(n))
	}
	return domaintest.PageOf("5000", payloads...).Announcing(10_000)
}

func TestARunOnATerminal(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	synctest.Test(t, func(t *testing.T) {
		source := domaintest.NewCleanStream(10_000, 1000)
		source.At("1000", domaintest.FailWith(domain.Transient), domaintest.FailWith(domain.Transient))
		source.At("3000", domaintest.RefuseFor(41*time.Second))
		source.At("4000", driftedPage())
		source.At("5000", domaintest.RefuseFor(10*time.Minute))
		wait := c.run(t.Context(), streaming(slowSource{source, time.Second}, domaintest.NewMemDatabase()), "TERM=xterm")
		c.look("at once")
		time.Sleep(300 * time.Millisecond)
		c.look("fetching the first page")
		time.Sleep(2 * time.Second)
		c.look("after a failure")
		time.Sleep(time.Second)
		c.look("after another")
		time.Sleep(2 * time.Second)
		c.look("fetching again")
		time.Sleep(3 * time.Second)
		c.look("waiting for the rate limit")
		time.Sleep(10 * time.Second)
		c.look("10 s later")
		c.resize(40)
		time.Sleep(time.Second)
		c.look("the window is made narrow")
		c.resize(120)
		time.Sleep(time.Second)
		c.look("and wide")
		c.resize(80)
		time.Sleep(31 * time.Second)
		c.look("a log line in between")
		time.Sleep(time.Second)
		c.look("a long wait is logged, too")
		if code, stdout := wait(); code != cli.ExitDone || !strings.Contains(stdout, "10,000 inserted") {
			t.Errorf("exit %d: %s", code, stdout)
		}
		c.look("at the end")
	})
	cli.Golden(t, "terminal", c.transcript.String())
	if raw := c.raw.String(); !strings.Contains(raw, "\x1b[33m") || strings.Contains(raw, "\x1b[?") {
		t.Errorf("it should be in colour and change no mode: %q", raw)
	}
}

// TestTheAPIDoesNotControlTheTerminal by the names of its fields, whether it sends the escape character or spells it.
func TestTheAPIDoesNotControlTheTerminal(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	synctest.Test(t, func(t *testing.T) {
		source := domaintest.NewScriptedSource(domaintest.LastPageOf("1 \x1b[2J", "2 \x1b[2J spaced", `3 \x1b[2J`, `4 \x1b[2J spaced`).Announcing(4))
		if code, _ := c.run(t.Context(), streaming(source, domaintest.NewMemDatabase()), "TERM=xterm")(); code != cli.ExitDone {
			t.Errorf("exit %d", code)
		}
		c.catchUp()
	})
	if raw := c.raw.String(); strings.Contains(raw, "\x1b[2J") || strings.Count(raw, "u001b") != 4 {
		t.Errorf("wrote %q", raw)
	}
}

func TestAReplayWithoutColour(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	synctest.Test(t, func(t *testing.T) {
		source := domaintest.NewCleanStream(5_000, 1000).At("3000", domaintest.FailWith(domain.CursorExpired))
		wait := c.run(t.Context(), streaming(slowSource{source, time.Second}, domaintest.NewMemDatabase()), "NO_COLOR=1", "TERM=xterm")
		time.Sleep(3300 * time.Millisecond)
		c.look("three pages are stored")
		time.Sleep(time.Second)
		c.look("the cursor is lost")
		time.Sleep(2 * time.Second)
		c.look("replaying")
		time.Sleep(2 * time.Second)
		c.look("beyond what was stored")
		if code, stdout := wait(); code != cli.ExitDone || !strings.Contains(stdout, "5,000 inserted + 3,000 duplicate") {
			t.Errorf("exit %d: %s", code, stdout)
		}
		c.look("at the end")
	})
	cli.Golden(t, "replay", c.transcript.String())
	if raw := c.raw.String(); regexp.MustCompile(`\x1b\[[0-9;]*m`).MatchString(raw) {
		t.Errorf("NO_COLOR is set: %q", raw)
	}
}

func TestAResumedRunIsToldToStop(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	synctest.Test(t, func(t *testing.T) {
		db := domaintest.NewMemDatabase()
		first := domaintest.NewCleanStream(10_000, 1000).At("3000", domaintest.FailWith(domain.Unauthorized))
		if code, _, stderr := pawl(t, sound(), streaming(first, db), "run", "--page-size", "1000"); code != cli.ExitSettings {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		ctx, stop := context.WithCancel(t.Context())
		second := domaintest.NewCleanStream(10_000, 1000).At("5000", domaintest.RefuseFor(time.Minute-time.Nanosecond))
		wait := c.run(ctx, streaming(slowSource{second, time.Second}, db), "TERM=xterm")
		time.Sleep(500 * time.Millisecond)
		c.look("resumed")
		time.Sleep(4 * time.Second)
		c.look("waiting")
		stop()
		if code, _ := wait(); code != cli.ExitAgain {
			t.Errorf("exit %d", code)
		}
		c.catchUp() // the two lines that are left come in any order
	})
	cli.Golden(t, "resumed", c.transcript.String())
	if shown := c.emulator.String(); strings.Contains(shown, "ETA") || !strings.Contains(shown, "WRN told to stop") {
		t.Errorf("at the end there is %q", shown)
	}
}

func TestNoLineWhereThereIsNothingToDo(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	synctest.Test(t, func(t *testing.T) {
		db := domaintest.NewMemDatabase()
		w := streaming(domaintest.NewCleanStream(10, 10), db)
		if code, _, stderr := pawl(t, sound(), w, "run"); code != cli.ExitDone {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		if code, _ := c.run(t.Context(), w, "TERM=xterm")(); code != cli.ExitDone {
			t.Errorf("exit %d", code)
		}
		c.look("at the end")
	})
	if raw := c.raw.String(); strings.Contains(raw, "\x1b[K") || strings.Count(raw, "\n") != 1 {
		t.Errorf("a complete stream shows %q", raw)
	}
}

func TestWhenTheLiveLineIsShown(t *testing.T) {
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
		{"a pipe whose log is for warnings", false, []string{"PAWL_LOG_LEVEL=warn"}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newConsole(t)
			var piped bytes.Buffer
			synctest.Test(t, func(t *testing.T) {
				w := streaming(slowSource{domaintest.NewCleanStream(7_000, 1000), time.Second}, domaintest.NewMemDatabase())
				if !tt.terminal {
					cli.Main(t.Context(), []string{"run", "--page-size=1000"}, sound(tt.env...), &bytes.Buffer{}, &piped, w)
					return
				}
				c.run(t.Context(), w, tt.env...)()
				c.look("at the end")
			})
			stderr := piped.String() + c.raw.String()
			if line := strings.Contains(stderr, "57.1%  4,000 of 7,000"); line != tt.line {
				t.Errorf("a live line: %v, want %v: %q", line, tt.line, stderr)
			}
			if logged := strings.Contains(stderr, " events="); logged != tt.logged {
				t.Errorf("logged: %v, want %v: %q", logged, tt.logged, stderr)
			}
			if !tt.terminal && !tt.line && strings.ContainsAny(stderr, "\x1b\r") {
				t.Errorf("control sequences in a pipe: %q", stderr)
			}
		})
	}
}

func TestProgressInALog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := domaintest.NewCleanStream(10_000, 1000).At("1000", domaintest.FailWith(domain.Transient))
		var stderr bytes.Buffer
		w := streaming(slowSource{source, 1500 * time.Millisecond}, domaintest.NewMemDatabase())
		cli.Main(t.Context(), []string{"run", "--page-size=1000", "--log-format=json"}, sound(), &bytes.Buffer{}, &stderr, w)
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
		if len(records) != 3 { // it takes 17 s
			t.Fatalf("%d records: %v", len(records), records)
		}
		want := map[string]any{
			"time": "2000-01-01T00:00:10Z", "level": "INFO", "msg": "progress", "events": 5000.0, "of": 10000.0,
			"share": "50.0%", "per_second": 500.0, "eta": "10s", "retries": 1.0, "state": "fetching",
		}
		for key, value := range want {
			if records[1][key] != value {
				t.Errorf("%s is %v, want %v", key, records[1][key], value)
			}
		}
		if len(records[1]) != len(want) {
			t.Errorf("%v, want %v", records[1], want)
		}
	})
}

// TestTheLineIsGoneBeforeAnErrorIsTold: also where the run never got as far as a page.
func TestTheLineIsGoneBeforeAnErrorIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := streaming(domaintest.NewScriptedSource(), domaintest.NewMemDatabase())
		w.Migrate = func(ctx context.Context, _ string) ([]string, error) {
			time.Sleep(time.Second)
			return nil, &domain.Error{Kind: domain.Invalid, Op: "migrate", Err: errors.New("no such database")}
		}
		_, _, stderr := pawl(t, sound("PAWL_PROGRESS=always"), w, "run")
		if want := "\rpreparing the database\x1b[K\r\x1b[Kpawl: migrate: no such database\n"; stderr != want {
			t.Errorf("wrote %q, want %q", stderr, want)
		}
	})
}
