//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
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

// A demo runs `make run` with a port and a data folder of its own, and no other settings.
type demo struct {
	t           *testing.T
	databaseURL string
	port        string
}

func newDemo(t *testing.T) demo {
	t.Helper()
	dir, err := os.MkdirTemp("", "pawl-demo-") //nolint:usetesting // root's t.TempDir() can be reached by root alone
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
	return demo{t, "embedded:" + filepath.Join(dir, "demo"), port}
}

// run starts `make run` in a process group of its own.
func (d demo) run() *process {
	cmd := exec.CommandContext(context.WithoutCancel(d.t.Context()), "make", "--no-print-directory", "-C", filepath.Join("..", ".."), "run")
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "API_") && !strings.HasPrefix(pair, "DATABASE_") && !strings.HasPrefix(pair, "PAWL_") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	cmd.Env = append(cmd.Env, "DATABASE_URL="+d.databaseURL, "DEMO_PORT="+d.port)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p := launch(d.t, cmd)
	d.t.Cleanup(func() {
		if p.isRunning() { // otherwise the programs that make started go on and hold its output open
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		}
	})
	return p
}

// requests returns the number of requests that the demo's mock has received, -1 if the mock does not answer.
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

// pawlPID returns the process id of the demo's `pawl run`, 0 if it is not running.
func (d demo) pawlPID() int {
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil || len(environs) == 0 {
		d.t.Skip("SKIPPED: there is no /proc to find processes in")
	}
	for _, file := range environs {
		environ, _ := os.ReadFile(file) // an error means that the process has just ended
		args, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		if strings.HasPrefix(string(args), "bin/pawl\x00run\x00") && strings.Contains(string(environ), "DATABASE_URL="+d.databaseURL+"\x00") {
			var pid int
			_, _ = fmt.Sscanf(file, "/proc/%d/", &pid)
			return pid
		}
	}
	return 0
}

// pidFiles returns the pid files of the demo's PostgreSQL server. The server removes its file when it stops.
func (d demo) pidFiles() []string {
	dir, _ := embeddedpg.Folder(d.databaseURL)
	files, err := filepath.Glob(filepath.Join(dir, "pawl-postgres", "cluster", "data", "postmaster.pid"))
	if err != nil {
		d.t.Fatal(err)
	}
	return files
}

// TestDemoKilled kills `make run` with SIGKILL ten times at random moments: pawl alone, or the whole process group. It
// checks that the next run completes the stream, that no event is lost, and that no server is left running.
func TestDemoKilled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	d := newDemo(t)
	random := rand.New(rand.NewPCG(4, 4))
	for i := range 10 {
		p := d.run()
		pid, wait := 0, random.IntN(13)-1
		eventually(t, "pawl has sent enough requests", func() bool {
			pid = d.pawlPID()
			return pid != 0 && d.requests() >= wait || !p.isRunning()
		})
		if !p.isRunning() {
			t.Fatalf("run %d ended before it was killed: %s", i, p.stderr.String())
		}
		if i%2 == 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		} else {
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		}
		p.wait(ctx)
	}
	if len(d.pidFiles()) == 0 {
		t.Error("no pid file after the kills: the server should still run")
	}
	last := d.run()
	if code := last.wait(ctx); code != 0 || !strings.Contains(last.stdout.String(), "complete, pass 1, seq 100,") {
		t.Fatalf("exit %d: %s%s", code, last.stdout.String(), last.stderr.String())
	}
	if again := d.run(); again.wait(ctx) != 0 || !strings.Contains(again.stderr.String(), "complete already") {
		t.Errorf("run after the complete stream: %s%s", again.stdout.String(), again.stderr.String())
	}
	if left := d.pidFiles(); len(left) > 0 {
		t.Errorf("the server still runs: %v", left)
	}
	dir, _ := embeddedpg.Folder(d.databaseURL)
	server, err := embeddedpg.Open(ctx, dir, func(what string) { t.Log(what) })
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close() //nolint:errcheck // the folder is removed anyway
	db := connect(t, server.URL())
	db.checkTruth(startMock(t, "--events", "100000"))
	db.checkLedger()
}

// TestEmbeddedServerStops checks that a run that gets a signal finishes its page, exits with 3, and stops its embedded
// PostgreSQL server.
func TestEmbeddedServerStops(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			d := newDemo(t)
			m := startMock(t, "--events", "100000", "--rate-limit", "0", "--latency", "20ms")
			p := start(t, m.environment(d.databaseURL), "pawl", "run", "--page-size", "100")
			eventually(t, "pages are fetched", func() bool { return m.summary().Pages > 3 || !p.isRunning() })
			if len(d.pidFiles()) == 0 {
				t.Error("no pid file while pawl runs")
			}
			p.signal(signal)
			if code := p.wait(ctx); code != 3 || !strings.Contains(p.stderr.String(), "run it again") {
				t.Errorf("exit %d: %s", code, p.stderr.String())
			}
			if left := d.pidFiles(); len(left) > 0 {
				t.Errorf("the server still runs: %v", left)
			}
		})
	}
}
