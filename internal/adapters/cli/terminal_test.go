package cli_test

import (
	"bytes"
	"context"
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
		ended <- cli.Main(ctx, cli.Process{Args: []string{"run", "--page-size", "1000"}, Environ: sound(changes...), Stdout: &stdout, Stderr: c.theirs}, w)
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
	if shown := c.emulator.String(); strings.Contains(shown, "ETA") || !strings.Contains(shown, "WRN stopping: finishing") {
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
