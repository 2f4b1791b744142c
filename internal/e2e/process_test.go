//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/pgtest"
)

func TestMain(m *testing.M) {
	os.Exit(buildAndTest(m))
}

func buildAndTest(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pawl-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	bin = dir
	for _, args := range [][]string{{"-race", "-o", dir + "/"}, {"-o", filepath.Join(dir, withoutRace) + "/"}} {
		build := exec.CommandContext(context.Background(), "go", slices.Concat([]string{"build"}, args, []string{"./cmd/..."})...)
		build.Dir = filepath.Join("..", "..")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build the programs:", err)
			return 1
		}
	}
	if isSelected("TestCompose") {
		go compose()
	}
	return pgtest.Main(m)
}

// plain is for tests of a hundred thousand records, whose minutes the race detector would make ten.
const withoutRace = "plain"

// bin is the folder of the programs under test, with the race detector; below it, in plain, they are as users have them.
var bin string //nolint:gochecknoglobals // TestMain has no other way to hand it to the tests

// A process is a program under test that runs beside the test.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout lockedBuffer
	stderr lockedBuffer
	ended  chan struct{}
}

// start runs a program with nothing in its environment but what is given.
func start(t *testing.T, env []string, program string, args ...string) *process {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(bin, program), args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	return launch(t, cmd)
}

func launch(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // the exit code is in ProcessState
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.ended
	})
	return p
}

// wait returns the exit code once the process has ended. It fails the test if that was a run that ended 0 while its stream is
// not done: no error implies done.
func (p *process) wait(ctx context.Context) int {
	p.t.Helper()
	select {
	case <-p.ended:
		code := p.cmd.ProcessState.ExitCode()
		if code == 0 && p.isRun() && !p.isStreamDone(ctx) {
			p.t.Errorf("%v ends 0, and the stream is not done: %s", p.cmd.Args, p.stderr.String())
		}
		return code
	case <-ctx.Done():
		p.t.Fatalf("%v does not end: %v\n%s", p.cmd.Args, ctx.Err(), p.stderr.String())
		return -1
	}
}

// isRun reports whether the process is pawl's run and not one that another program has started.
func (p *process) isRun() bool {
	return filepath.Base(p.cmd.Path) == "pawl" && len(p.cmd.Args) > 1 && p.cmd.Args[1] == "run"
}

// streamIsDone asks the database that the process was given.
func (p *process) isStreamDone(ctx context.Context) (done bool) {
	p.t.Helper()
	stream, databaseURL := "datasync", ""
	if i := slices.Index(p.cmd.Args, "--stream"); i > 0 {
		stream = p.cmd.Args[i+1]
	}
	for _, variable := range p.cmd.Env {
		if value, ok := strings.CutPrefix(variable, "DATABASE_URL="); ok {
			databaseURL = value
		}
	}
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close(ctx) //nolint:errcheck // it was only read
	if err := conn.QueryRow(ctx, "SELECT done FROM checkpoints WHERE stream = $1", stream).Scan(&done); err != nil {
		p.t.Fatal(err)
	}
	return done
}

func (p *process) isRunning() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// signal sends to the process if it still runs.
func (p *process) signal(s syscall.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("%s to %v: %v", s, p.cmd.Args, err)
	}
}

// kill ends the process as a crash would and waits until it is gone.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// A bench runs pawl against one API and one database of its own, for as long as patience lasts.
type fixture struct {
	t           *testing.T
	ctx         context.Context //nolint:containedctx // it bounds the whole test
	databaseURL string
	env         []string
	db          *database
}

// newBench returns a bench; environment returns what pawl needs to read from the API into a database.
func newFixture(t *testing.T, environment func(databaseURL string) []string) *fixture {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	t.Cleanup(cancel)
	databaseURL := pgtest.Database(t)
	return &fixture{t, ctx, databaseURL, environment(databaseURL), connect(t, databaseURL)}
}

// start starts a command of pawl's.
func (f *fixture) start(args ...string) *process {
	f.t.Helper()
	return start(f.t, f.env, "pawl", args...)
}

// ends waits until the process ends, and fails the test if its exit code is another one.
func (f *fixture) expectExit(p *process, code int) {
	f.t.Helper()
	if got := p.wait(f.ctx); got != code {
		f.t.Errorf("%v ends %d, want %d: %s%s", p.cmd.Args[1:], got, code, p.stdout.String(), p.stderr.String())
	}
}

// pawl runs a command of pawl's to its end, and fails the test if its exit code is another one.
func (f *fixture) runPawl(code int, args ...string) *process {
	f.t.Helper()
	p := f.start(args...)
	f.expectExit(p, code)
	return p
}

// A lockedBuffer takes a process's output while the test looks at it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// count returns how often a text stands in the output so far.
func (b *lockedBuffer) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Count(b.buf.Bytes(), []byte(text))
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// eventually polls for a state of the world; it fails the test if it does not come about.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	waitFor(t, testTimeout, what, condition)
}

// within is eventually with a patience of its own.
func waitFor(t *testing.T, timeout time.Duration, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		}
	}
}
