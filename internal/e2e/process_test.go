//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
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
		// The tests were started by nohup, which ignores SIGHUP. A child process of the tests would ignore SIGHUP, too. If the
		// tests handle SIGHUP, a child process begins with the default action.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	os.Exit(buildAndTest(m))
}

// buildAndTest builds the programs twice, with and without the race detector, and runs the tests. It returns the exit code.
func buildAndTest(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pawl-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	bin = dir
	withRace, withoutRace := []string{"-race", "-o", dir + "/"}, []string{"-o", filepath.Join(dir, noRaceDir) + "/"}
	for _, flags := range [][]string{withRace, withoutRace} {
		build := exec.CommandContext(context.Background(), "go", slices.Concat([]string{"build"}, flags, []string{"./cmd/..."})...)
		build.Dir = filepath.Join("..", "..")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build the programs:", err)
			return 1
		}
	}
	if isTestSelected("TestCompose") {
		go buildImagesOnce()
	}
	return pgtest.Run(m) // not Main, because the library of the proxy leaves goroutines behind
}

// isTestSelected reports whether the flags of `go test` let the test with this name run.
func isTestSelected(name string) bool {
	flag.Parse()
	if flag.Lookup("test.list").Value.String() != "" { // then go test only lists the tests
		return false
	}
	pattern, _, _ := strings.Cut(flag.Lookup("test.run").Value.String(), "/") // the part after / is for subtests
	matches, err := regexp.MatchString(pattern, name)
	return err == nil && matches
}

// noRaceDir is the subfolder of bin with the programs that are built without the race detector. Tests of 100,000 records use
// them, because the race detector would make these tests ten times slower.
const noRaceDir = "without-race"

// bin is the folder with the programs under test, built with the race detector.
var bin string //nolint:gochecknoglobals // TestMain cannot pass a parameter to the tests

// defaultStream is the name of the stream that pawl reads without --stream.
const defaultStream = "datasync"

// The exit codes of pawl.
const (
	exitDone       = 0 // the command has done its work
	exitSettings   = 2 // a setting is wrong
	exitRetryLater = 3 // the same command may succeed later
	exitData       = 4 // the API's answers or the stored data are not as expected
	exitFenced     = 5 // another runner holds the stream
)

// A process is a program under test that runs in the background.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout lockedBuffer
	stderr lockedBuffer
	ended  chan struct{} // closed when the process has ended
}

// start starts a program from bin. The program's environment is env, PATH and an empty HOME folder. The process is killed when
// the test ends.
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

// wait waits until the process ends, and returns its exit code. It fails the test if ctx ends first. It also fails the test if
// `pawl run` exits with exitDone although its stream is not done.
func (p *process) wait(ctx context.Context) int {
	p.t.Helper()
	select {
	case <-p.ended:
		code := p.cmd.ProcessState.ExitCode()
		claimsDone := code == exitDone && p.isRun()
		if claimsDone && !p.isStreamDone(ctx) {
			p.t.Errorf("%v: exited with 0, but the stream is not done: %s", p.cmd.Args, p.stderr.String())
		}
		return code
	case <-ctx.Done():
		p.t.Fatalf("%v did not end: %v\n%s", p.cmd.Args, ctx.Err(), p.stderr.String())
		return -1
	}
}

// isRun reports whether the process is `pawl run`. It returns false for another program that starts `pawl run`.
func (p *process) isRun() bool {
	return filepath.Base(p.cmd.Path) == "pawl" && len(p.cmd.Args) > 1 && p.cmd.Args[1] == "run"
}

// isStreamDone reports whether the stream that the process reads is done. It reads the checkpoint from the process's database.
func (p *process) isStreamDone(ctx context.Context) (done bool) {
	p.t.Helper()
	stream, databaseURL := defaultStream, ""
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
	const query = "SELECT done FROM checkpoints WHERE stream = $1"
	if err := conn.QueryRow(ctx, query, pgx.QueryExecModeExec, stream).Scan(&done); err != nil { // this mode works behind a pooler
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

// signal sends a signal to the process. It does nothing if the process has ended.
func (p *process) signal(s syscall.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("send %s to %v: %v", s, p.cmd.Args, err)
	}
}

// kill sends SIGKILL and waits until the process has ended. wasKilled then reports whether the signal came in time.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// wasKilled reports whether a signal ended the process. It returns false if the process exited by itself.
func (p *process) wasKilled() bool {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled()
}

// A fixture runs pawl with one API and a database of its own. ctx ends after testTimeout.
type fixture struct {
	t           *testing.T
	ctx         context.Context //nolint:containedctx // it bounds the whole test
	databaseURL string
	env         []string
	db          *database
}

// newFixture creates a database with pawl's schema. environment returns the environment variables that make pawl read from the
// test's API into this database.
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

// expectExit waits until the process ends. It fails the test if the process does not exit with wantCode.
func (f *fixture) expectExit(p *process, wantCode int) {
	f.t.Helper()
	if got := p.wait(f.ctx); got != wantCode {
		f.t.Errorf("%v: exit %d, want %d: %s%s", p.cmd.Args[1:], got, wantCode, p.stdout.String(), p.stderr.String())
	}
}

// runPawl runs pawl with args and waits until it ends. It fails the test if pawl does not exit with wantCode.
func (f *fixture) runPawl(wantCode int, args ...string) *process {
	f.t.Helper()
	p := f.start(args...)
	f.expectExit(p, wantCode)
	return p
}

// A lockedBuffer collects the output of a process. The test may read it while the process writes.
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

// eventually calls condition until it returns true. It fails the test if this takes longer than testTimeout. what describes the
// condition in the message.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	waitFor(t, testTimeout, what, condition)
}

// waitFor calls condition until it returns true. It fails the test if this takes longer than timeout. what describes the
// condition in the message.
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
