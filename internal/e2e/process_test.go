//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
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

// TestMain builds the programs under test and then runs the tests.
func TestMain(m *testing.M) {
	if signal.Ignored(syscall.SIGHUP) {
		// The tests were started by nohup. A process inherits an ignored signal, but not one that its parent handles.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
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

// withoutRace is for tests of a hundred thousand records: with the race detector they would take ten times as long.
const withoutRace = "without-race"

// bin is the folder of the programs under test, built with the race detector. Its subfolder withoutRace holds the programs
// as users have them.
var bin string //nolint:gochecknoglobals // TestMain has no other way to hand it to the tests

// A process is a program under test that runs in the background.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout lockedBuffer
	stderr lockedBuffer
	ended  chan struct{}
}

// start starts a program from bin. Its environment is env plus PATH and HOME. The process is killed when the test ends.
func start(t *testing.T, env []string, program string, args ...string) *process {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(bin, program), args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	return launch(t, cmd)
}

// launch starts cmd, collects its output and kills it when the test ends.
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

// wait waits until the process ends and returns its exit code. It fails the test if ctx ends first, and if `pawl run` exits
// with 0 although its stream is not done.
func (p *process) wait(ctx context.Context) int {
	p.t.Helper()
	select {
	case <-p.ended:
		code := p.cmd.ProcessState.ExitCode()
		if code == 0 && p.isRun() && !p.isStreamDone(ctx) {
			p.t.Errorf("%v: exit 0, but the stream is not done: %s", p.cmd.Args, p.stderr.String())
		}
		return code
	case <-ctx.Done():
		p.t.Fatalf("%v did not end: %v\n%s", p.cmd.Args, ctx.Err(), p.stderr.String())
		return -1
	}
}

// isRun reports whether the process is `pawl run` itself, not another program that starts it.
func (p *process) isRun() bool {
	return filepath.Base(p.cmd.Path) == "pawl" && len(p.cmd.Args) > 1 && p.cmd.Args[1] == "run"
}

// isStreamDone reads the checkpoint of the process's stream from the process's DATABASE_URL.
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

// signal sends s to the process if it is still running.
func (p *process) signal(s syscall.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("%s to %v: %v", s, p.cmd.Args, err)
	}
}

// kill sends SIGKILL, as in a crash, and waits until the process has ended.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// A fixture runs pawl against one API and a database of its own, for at most testTimeout.
type fixture struct {
	t           *testing.T
	ctx         context.Context //nolint:containedctx // it bounds the whole test
	databaseURL string
	env         []string
	db          *database
}

// newFixture creates a migrated database. environment returns the variables that pawl needs to read from the API into it.
func newFixture(t *testing.T, environment func(databaseURL string) []string) *fixture {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	t.Cleanup(cancel)
	databaseURL := pgtest.Database(t)
	return &fixture{t, ctx, databaseURL, environment(databaseURL), connect(t, databaseURL)}
}

// start starts pawl with args.
func (f *fixture) start(args ...string) *process {
	f.t.Helper()
	return start(f.t, f.env, "pawl", args...)
}

// expectExit waits until the process ends. It fails the test if the exit code is not code.
func (f *fixture) expectExit(p *process, code int) {
	f.t.Helper()
	if got := p.wait(f.ctx); got != code {
		f.t.Errorf("%v: exit %d, want %d: %s%s", p.cmd.Args[1:], got, code, p.stdout.String(), p.stderr.String())
	}
}

// runPawl runs pawl to its end. It fails the test if the exit code is not code.
func (f *fixture) runPawl(code int, args ...string) *process {
	f.t.Helper()
	p := f.start(args...)
	f.expectExit(p, code)
	return p
}

// A lockedBuffer collects a process's output while the test reads it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// count returns how often text occurs in the output so far.
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

// eventually polls until condition is true. It fails the test if that takes longer than testTimeout.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	waitFor(t, testTimeout, what, condition)
}

// waitFor polls until condition is true. It fails the test if that takes longer than timeout.
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
			t.Fatalf("did not happen within %s: %s", timeout, what)
		}
	}
}
