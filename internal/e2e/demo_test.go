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

// A demo is `make run` with nothing set but where it may listen and keep its data.
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
		if p.isRunning() { // what make has started outlives it, and holds its output open
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		}
	})
	return p
}

// requests is what the demo's mock has been asked, -1 while it does not answer.
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

// pawl is the process id of the demo's `pawl run`, 0 if there is none now.
func (d demo) pawlPID() int {
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil || len(environs) == 0 {
		d.t.Skip("SKIPPED: there is no /proc to find processes in")
	}
	for _, file := range environs {
		environ, _ := os.ReadFile(file) // it may have just ended
		args, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		if strings.HasPrefix(string(args), "bin/pawl\x00run\x00") && strings.Contains(string(environ), "DATABASE_URL="+d.databaseURL+"\x00") {
			var pid int
			_, _ = fmt.Sscanf(file, "/proc/%d/", &pid)
			return pid
		}
	}
	return 0
}

// postmasters are the pid files of the demo's server, which it removes when it stops.
func (d demo) pidFiles() []string {
	dir, _ := embeddedpg.Folder(d.databaseURL)
	files, err := filepath.Glob(filepath.Join(dir, "pawl-postgres", "cluster", "data", "postmaster.pid"))
	if err != nil {
		d.t.Fatal(err)
	}
	return files
}

// TestDemoKilled ends `make run` with SIGKILL at ten moments, pawl alone or with all that belongs to it. The next one
// finishes the work: no event is lost, and no server is left.
func TestDemoKilled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	d := newDemo(t)
	random := rand.New(rand.NewPCG(4, 4))
	for i := range 10 {
		p := d.run()
		pid, wait := 0, random.IntN(13)-1
		eventually(t, "pawl is where it is to be killed", func() bool {
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
		t.Error("no server to be found, though its last user was killed")
	}
	last := d.run()
	if code := last.wait(ctx); code != 0 || !strings.Contains(last.stdout.String(), "complete, pass 1, seq 100,") {
		t.Fatalf("exit %d: %s%s", code, last.stdout.String(), last.stderr.String())
	}
	if again := d.run(); again.wait(ctx) != 0 || !strings.Contains(again.stderr.String(), "complete already") {
		t.Errorf("a second run: %s%s", again.stdout.String(), again.stderr.String())
	}
	if left := d.pidFiles(); len(left) > 0 {
		t.Errorf("a server is left: %v", left)
	}
	dir, _ := embeddedpg.Folder(d.databaseURL)
	server, err := embeddedpg.Open(ctx, dir, func(what string) { t.Log(what) })
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close() //nolint:errcheck // the folder goes anyway
	db := connect(t, server.URL())
	db.checkTruth(startMock(t, "--events", "100000"))
	db.checkLedger()
}

// TestAPrivateServerIsStoppedInOrder ends a run as a user, a supervisor and a closed terminal do: the page in hand is
// finished, and no server is left.
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
			eventually(t, "it has stored something", func() bool { return m.summary().Pages > 3 || !p.isRunning() })
			if len(d.pidFiles()) == 0 {
				t.Error("no server while a run goes on")
			}
			p.signal(signal)
			if code := p.wait(ctx); code != 3 || !strings.Contains(p.stderr.String(), "run it again") {
				t.Errorf("exit %d: %s", code, p.stderr.String())
			}
			if left := d.pidFiles(); len(left) > 0 {
				t.Errorf("a server is left: %v", left)
			}
		})
	}
}
