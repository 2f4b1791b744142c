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

// The size of a new console.
const (
	rows    = 12
	columns = 80
)

// A console is a terminal whose content a test can read. All its methods except resize must be called within synctest.Test.
type console struct {
	t          *testing.T
	master     *os.File        // the terminal's side
	slave      *os.File        // the program's side
	emulator   vt10x.Terminal  // interprets the output of the program
	raw        bytes.Buffer    // everything that the program wrote
	reads      int             // the number of calls of read
	transcript strings.Builder // the snapshots
}

// newConsole opens a console. It must be called outside of synctest.Test.
func newConsole(t *testing.T) *console {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = master.Close(), slave.Close() })
	c := &console{t: t, master: master, slave: slave, emulator: vt10x.New(vt10x.WithSize(columns, rows))}
	c.resize(columns)
	return c
}

// resize changes the width of the terminal.
func (c *console) resize(newColumns int) {
	c.t.Helper()
	if err := pty.Setsize(c.master, &pty.Winsize{Rows: rows, Cols: uint16(newColumns)}); err != nil {
		c.t.Fatal(err)
	}
	c.emulator.Resize(newColumns, rows)
}

// snapshot waits until the program is idle, and adds the content of the terminal to the transcript, below a line with moment.
func (c *console) snapshot(moment string) {
	c.t.Helper()
	c.read()
	fmt.Fprintf(&c.transcript, "--- %s\n", moment)
	shown := strings.TrimRight(c.emulator.String(), " \n")
	for line := range strings.SplitSeq(shown, "\n") {
		c.transcript.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// read waits until the program is idle, and passes its output to the emulator. A test must call read or snapshot often, because a
// terminal blocks a program that has written much unread output.
func (c *console) read() {
	c.t.Helper()
	synctest.Wait()
	c.reads++
	// read writes a unique window title after the program's output. When the emulator has this title, it has all output before it.
	title := fmt.Sprintf("read %d", c.reads)
	if _, err := fmt.Fprintf(c.slave, "\x1b]2;%s\a", title); err != nil {
		c.t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	for c.emulator.Title() != title {
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

// A slowSource waits for the time delay before it answers a request.
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

// newRunWiring returns a wiring that reads source into db. Its runs wait the maximum time of each backoff, and apply no migrations.
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

// run starts `pawl run` on the console. environ is added to its environment. wait waits for its end and returns its result.
func (c *console) run(ctx context.Context, w cli.Wiring, environ ...string) (wait func() (code int, stdout string)) {
	ended := make(chan int, 1)
	var stdout bytes.Buffer
	go func() {
		ended <- cli.Main(ctx, cli.Process{
			Args: []string{"run", "--page-size", "1000"}, Environ: validEnv(environ...), Stdout: &stdout, Stderr: c.slave,
		}, w)
	}()
	return func() (int, string) {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case code := <-ended:
				return code, stdout.String()
			case <-ticker.C:
				c.read()
			}
		}
	}
}
