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
	started    time.Time       // when the program was started
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

// snapshotAt waits until a number of seconds after the start of the program and makes a snapshot.
func (c *console) snapshotAt(seconds float64, moment string) {
	c.t.Helper()
	afterStart := time.Duration(seconds * float64(time.Second))
	time.Sleep(time.Until(c.started.Add(afterStart)))
	c.snapshot(moment)
}

// snapshot waits until the program is idle. Then it adds a line with moment and the content of the terminal to the transcript.
func (c *console) snapshot(moment string) {
	c.t.Helper()
	c.read()
	fmt.Fprintf(&c.transcript, "--- %s\n", moment)
	shown := strings.TrimRight(c.emulator.String(), " \n")
	for line := range strings.SplitSeq(shown, "\n") {
		c.transcript.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// read waits until the program is idle, and passes the program's output to the emulator. A test must call read or snapshot often,
// because a terminal blocks a program that has written much unread output.
func (c *console) read() {
	c.t.Helper()
	synctest.Wait()
	c.reads++
	// A unique window title follows the program's output. When the emulator has this title, it has all output that came before.
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

// newRunWiring returns a wiring that reads source into db. After a failure its runs wait as long as a run can wait: 0.5 s after the first
// failure, and 1 s after the second. They apply no migrations.
func newRunWiring(source domain.EventSource, db *domaintest.MemDatabase) cli.Wiring {
	w := newWiring(source, db)
	w.Jitter = func() float64 { return 1 }
	w.Migrate = func(context.Context, string) ([]string, error) { return nil, nil }
	return w
}

// run starts `pawl run` on the console. Like start, it returns wait.
func (c *console) run(ctx context.Context, w cli.Wiring, environ ...string) (wait func() (code int, stdout string)) {
	return c.start(ctx, w, []string{"run", "--page-size", "1000"}, environ...)
}

// start starts pawl with args on the console. environ is added to its environment. wait waits until pawl ends, and returns its exit code
// and its standard output.
func (c *console) start(ctx context.Context, w cli.Wiring, args []string, environ ...string) (wait func() (code int, stdout string)) {
	c.started = time.Now()
	ended := make(chan int, 1)
	var stdout bytes.Buffer
	go func() {
		ended <- cli.Main(ctx, cli.Process{Args: args, Environ: validEnv(environ...), Stdout: &stdout, Stderr: c.slave}, w)
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
