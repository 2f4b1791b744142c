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

// A console is a terminal with somebody in front of it. All but opening it happens in a bubble of testing/synctest.
type console struct {
	t          *testing.T
	ours       *os.File // the terminal's side
	theirs     *os.File // the program's side
	emulator   vt10x.Terminal
	raw        bytes.Buffer // all that the program wrote
	looks      int
	transcript strings.Builder
}

func newConsole(t *testing.T) *console {
	t.Helper()
	ours, theirs, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
	c := &console{t: t, ours: ours, theirs: theirs, emulator: vt10x.New(vt10x.WithSize(80, rows))}
	c.resize(80)
	return c
}

func (c *console) resize(columns int) {
	c.t.Helper()
	if err := pty.Setsize(c.ours, &pty.Winsize{Rows: rows, Cols: uint16(columns)}); err != nil {
		c.t.Fatal(err)
	}
	c.emulator.Resize(columns, rows)
}

// look notes in the transcript what the terminal shows once the program has done all it does at this moment.
func (c *console) look(moment string) {
	c.t.Helper()
	c.catchUp()
	fmt.Fprintf(&c.transcript, "--- %s\n", moment)
	shown := strings.TrimRight(c.emulator.String(), " \n")
	for line := range strings.SplitSeq(shown, "\n") {
		c.transcript.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// catchUp has the emulator show all that the program has written until now. A terminal takes only so much without
// somebody who reads it.
func (c *console) catchUp() {
	c.t.Helper()
	synctest.Wait()
	c.looks++
	mark := fmt.Sprintf("look %d", c.looks)
	if _, err := fmt.Fprintf(c.theirs, "\x1b]2;%s\a", mark); err != nil { // a window's title: all before it has arrived with it
		c.t.Fatal(err)
	}
	for buffer := make([]byte, 4096); c.emulator.Title() != mark; {
		n, err := c.ours.Read(buffer)
		if err != nil {
			c.t.Fatal(err)
		}
		c.raw.Write(buffer[:n])
		if _, err := c.emulator.Write(buffer[:n]); err != nil {
			c.t.Fatal(err)
		}
	}
}

// A slowSource takes a time for each request.
type slowSource struct {
	domain.EventSource

	takes time.Duration
}

func (s slowSource) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	timer := time.NewTimer(s.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
		return s.EventSource.FetchPage(ctx, req)
	case <-ctx.Done():
		return domain.Page{}, &domain.Error{Kind: domain.Stopped, Op: "fetch page", Err: ctx.Err()}
	}
}

// streaming is a wiring that reads numbers from a source into a database in memory, with full backoffs.
func streaming(source domain.EventSource, db *domaintest.MemDatabase) cli.Wiring {
	w := wiring(source, db, new(cli.Settings))
	w.Jitter = func() float64 { return 1 }
	w.Migrate = func(context.Context, string) ([]string, error) { return nil, nil }
	w.Runner = func(_ context.Context, s cli.Settings, asked cli.RunOptions, o ingest.Observer) (cli.Runner, func(), error) {
		store := db.Store()
		opts := ingest.Options{Stream: s.Stream, SourceURL: s.APIBaseURL, PageSize: s.PageSize, NewPass: asked.NewPass, Retry: asked.Retry}
		return ingest.New(source, domaintest.LineDecoder{}, store, o, opts), store.Close, nil
	}
	return w
}
