//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/embeddedpg"
)

// TestDemoKilled checks that `make run` completes its stream after it was killed ten times with SIGKILL at random moments. The
// test kills pawl alone or the whole process group. The last run must lose no event and leave no server running.
func TestDemoKilled(t *testing.T) {
	t.Parallel()
	const kills, maxRequestsBefore = 10, 11 // each kill comes after a random number of requests, at most maxRequestsBefore
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	d := newDemo(t)
	random := rand.New(rand.NewPCG(4, 4)) // any fixed seed, so that each test run waits for the same numbers of requests
	for i := range kills {
		p := d.run()
		// From -1 to maxRequestsBefore. With -1 the kill waits for no answer of the mock: requests returns -1 before the mock answers.
		minRequests := random.IntN(maxRequestsBefore+2) - 1
		var pid int
		eventually(t, "pawl has sent enough requests", func() bool {
			pid = d.pawlPID()
			hasSentEnough := pid != 0 && d.requests() >= minRequests
			return hasSentEnough || !p.isRunning()
		})
		if !p.isRunning() {
			t.Fatalf("run %d ended before it could be killed: %s", i, p.stderr.String())
		}
		victim := pid // pawl alone
		if i%2 != 0 {
			victim = -p.cmd.Process.Pid // a negative number kills the whole process group
		}
		_ = syscall.Kill(victim, syscall.SIGKILL)
		p.wait(ctx)
	}
	if !d.hasServer() { // the server has a session of its own, so the kill of a process group does not reach it
		t.Error("after the kills there is no pid file, but the server should still run")
	}
	const wantSummary = "pass 1, seq 100, 100,000 of 100,000 announced records" // 100 pages of 1000 events, see DEMO in the Makefile
	last := d.run()
	code := last.wait(ctx)
	if code != exitDone || !strings.Contains(last.stdout.String(), wantSummary) {
		t.Fatalf("last run: exit %d, want %d with %q: %s%s", code, exitDone, wantSummary, last.stdout.String(), last.stderr.String())
	}
	const wantLog = "complete already"
	if p := d.run(); p.wait(ctx) != exitDone || !strings.Contains(p.stderr.String(), wantLog) {
		t.Errorf("run of the complete stream: want exit %d with %q: %s%s", exitDone, wantLog, p.stdout.String(), p.stderr.String())
	}
	if d.hasServer() {
		t.Error("the server still runs: got a pid file, want none")
	}
	server, err := embeddedpg.Open(ctx, d.folder, func(line string) { t.Log(line) }, func(string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close() //nolint:errcheck // the folder is removed anyway
	db := connect(t, server.URL())
	// The demo's mock has ended. This one has the same truth.
	db.checkAgainstMock(startMock(t, "--events", "100000", "--drift", "missing-field@1500", "--drift", "bad-timestamp@7000",
		"--drift", "new-field:0.01"))
	db.checkLedger()
}

// TestEmbeddedServerStops checks that a run that receives a signal finishes its page, exits with exitRetryLater, and stops its
// embedded PostgreSQL server.
func TestEmbeddedServerStops(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			d := newDemo(t)
			m := startMock(t, "--events", "100000", "--rate-limit", "0", "--latency", "20ms")
			p := start(t, m.environment("embedded:"+d.folder), "pawl", "run", "--page-size", "100")
			eventually(t, "some pages are fetched", func() bool { return m.summary().Pages > 3 || !p.isRunning() })
			if !d.hasServer() {
				t.Error("there is no pid file, although pawl runs")
			}
			p.signal(signal)
			if code := p.wait(ctx); code != exitRetryLater || !strings.Contains(p.stderr.String(), "run it again") {
				t.Errorf("exit %d, want %d with \"run it again\": %s", code, exitRetryLater, p.stderr.String())
			}
			if d.hasServer() {
				t.Error("the server still runs: got a pid file, want none")
			}
		})
	}
}

// A demo runs `make run` with a free port and a new data folder. All other settings have their defaults.
type demo struct {
	t      *testing.T
	folder string // of the private PostgreSQL
	port   string // of the mock
}

func newDemo(t *testing.T) demo {
	t.Helper()
	dir, err := os.MkdirTemp("", "pawl-demo-") //nolint:usetesting // only root could enter t.TempDir(), but the server runs as another account
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return demo{t, filepath.Join(dir, "demo"), port}
}

// run starts `make run` in its own process group, so that a signal can reach all programs that make starts.
func (d demo) run() *process {
	// The context of d.t ends before its cleanups run. Its end would kill make alone, and not the programs that make has started.
	cmd := exec.CommandContext(context.WithoutCancel(d.t.Context()), "make", "--no-print-directory", "-C", filepath.Join("..", ".."), "run",
		"DEMO_PORT="+d.port, "DEMO_FOLDER="+d.folder)
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "API_") && !strings.HasPrefix(pair, "DATABASE_") && !strings.HasPrefix(pair, "PAWL_") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p := launch(d.t, cmd)
	d.t.Cleanup(func() {
		if p.isRunning() { // kill also the programs that make has started; they would keep the output open
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		}
	})
	return p
}

// requests returns the number of requests that the demo's mock has received, or -1 if the mock does not answer.
func (d demo) requests() int {
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, "http://127.0.0.1:"+d.port+"/_mock/journal/summary", http.NoBody)
	if err != nil {
		d.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return -1
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	var s journalSummary
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		return -1
	}
	return s.Requests
}

// pawlPID returns the process id of the demo's pawl, or 0 if it is not running. make calls another program for it, whose arguments name
// the folder.
func (d demo) pawlPID() int {
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(commands) == 0 {
		d.t.Skip("SKIPPED: there is no /proc to find processes in")
	}
	for _, file := range commands {
		args, _ := os.ReadFile(file) // it fails if the process has just ended
		if strings.HasPrefix(string(args), "bin/pawl\x00demo\x00") && strings.Contains(string(args), d.folder) {
			var pid int
			_, _ = fmt.Sscanf(file, "/proc/%d/", &pid)
			return pid
		}
	}
	return 0
}

// hasServer reports whether the demo's PostgreSQL server has a pid file. The server removes this file when it stops.
func (d demo) hasServer() bool {
	_, err := os.Stat(filepath.Join(d.folder, "pawl-postgres", "cluster", "data", "postmaster.pid"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.t.Fatal(err)
	}
	return err == nil
}
