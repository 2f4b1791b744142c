package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

const rows = 12

// A console is a terminal whose content a test can read. Everything except opening it must happen within synctest.Test.
type console struct {
	t          *testing.T
	master     *os.File // the terminal's side
	slave      *os.File // the program's side
	emulator   vt10x.Terminal
	raw        bytes.Buffer // everything that the program wrote
	reads      int          // number of calls of read
	transcript strings.Builder
}

func newConsole(t *testing.T) *console {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = master.Close(), slave.Close() })
	c := &console{t: t, master: master, slave: slave, emulator: vt10x.New(vt10x.WithSize(80, rows))}
	c.resize(80)
	return c
}

func (c *console) resize(columns int) {
	c.t.Helper()
	if err := pty.Setsize(c.master, &pty.Winsize{Rows: rows, Cols: uint16(columns)}); err != nil {
		c.t.Fatal(err)
	}
	c.emulator.Resize(columns, rows)
}

// snapshot waits until the program is idle, and adds what the terminal shows to the transcript.
func (c *console) snapshot(moment string) {
	c.t.Helper()
	c.read()
	fmt.Fprintf(&c.transcript, "--- %s\n", moment)
	shown := strings.TrimRight(c.emulator.String(), " \n")
	for line := range strings.SplitSeq(shown, "\n") {
		c.transcript.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// read passes the program's output to the emulator. It must be called often enough: a terminal blocks a program whose output is
// not read.
func (c *console) read() {
	c.t.Helper()
	synctest.Wait()
	c.reads++
	mark := fmt.Sprintf("read %d", c.reads)
	if _, err := fmt.Fprintf(c.slave, "\x1b]2;%s\a", mark); err != nil { // a window title; all output before it arrives before it
		c.t.Fatal(err)
	}
	for buffer := make([]byte, 4096); c.emulator.Title() != mark; {
		n, err := c.master.Read(buffer)
		if err != nil {
			c.t.Fatal(err)
		}
		c.raw.Write(buffer[:n])
		if _, err := c.emulator.Write(buffer[:n]); err != nil {
			c.t.Fatal(err)
		}
	}
}

// A slowSource takes some time for each request.
type slowSource struct {
	domain.EventSource

	delay time.Duration
}

func (s slowSource) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	timer := time.NewTimer(s.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return s.EventSource.FetchPage(ctx, req)
	case <-ctx.Done():
		return domain.Page{}, &domain.Error{Kind: domain.Stopped, Op: "fetch page", Err: ctx.Err()}
	}
}

// newRunWiring returns a wiring that reads source into a database in memory. It waits the full time of each backoff.
func newRunWiring(source domain.EventSource, db *domaintest.MemDatabase) cli.Wiring {
	w := newWiring(source, db, new(cli.Settings))
	w.Jitter = func() float64 { return 1 }
	w.Migrate = func(context.Context, string) ([]string, error) { return nil, nil }
	w.Runner = func(_ context.Context, s cli.Settings, options cli.RunOptions, o ingest.Observer) (cli.Runner, func(), error) {
		store := db.Store()
		opts := ingest.Options{Stream: s.Stream, SourceURL: s.APIBaseURL, PageSize: s.PageSize, NewPass: options.NewPass, Retry: options.Retry}
		return ingest.New(source, domaintest.LineDecoder{}, store, o, opts), store.Close, nil
	}
	return w
}

// run starts `pawl run` on the console. wait returns its result when it ends.
func (c *console) run(ctx context.Context, w cli.Wiring, changes ...string) (wait func() (code int, stdout string)) {
	ended := make(chan int, 1)
	var stdout bytes.Buffer
	go func() {
		ended <- cli.Main(ctx, cli.Process{
			Args: []string{"run", "--page-size", "1000"}, Environ: validEnv(changes...), Stdout: &stdout, Stderr: c.slave,
		}, w)
	}()
	return func() (int, string) {
		for ticker := time.NewTicker(time.Second); ; {
			select {
			case code := <-ended:
				ticker.Stop()
				return code, stdout.String()
			case <-ticker.C:
				c.read()
			}
		}
	}
}
