//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSignals checks that pawl finishes the current page after the first signal, and exits at once after the second.
func TestSignals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		signals []syscall.Signal
		code    int
		stored  bool // the page that was being committed
	}{
		{"SIGTERM finishes the page", []syscall.Signal{syscall.SIGTERM}, 3, true},
		{"SIGINT finishes the page", []syscall.Signal{syscall.SIGINT}, 3, true},
		{"a second SIGTERM exits at once", []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM}, 128 + 15, false},
		{"a second SIGINT exits at once", []syscall.Signal{syscall.SIGTERM, syscall.SIGINT}, 128 + 2, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := startMock(t, "--events", "1000", "--rate-limit", "0")
			f := newFixture(t, m.environment)
			unlock := f.db.lockLedger(f.databaseURL)
			p := f.start("run", "--page-size", "100")
			eventually(t, "a transaction is open", func() bool { return f.db.countOpenTransactions() == 1 })
			for _, s := range tt.signals {
				before := strings.Count(p.stderr.String(), "finishing what is in hand")
				p.signal(s)
				eventually(t, "pawl has received the signal", func() bool {
					return strings.Count(p.stderr.String(), "finishing what is in hand") > before || !p.isRunning()
				})
			}
			if !tt.stored { // it exits while the page still cannot be committed
				f.expectExit(p, tt.code)
			}
			unlock()
			f.expectExit(p, tt.code)
			pages := 0
			if tt.stored {
				pages = 1
			}
			if got := f.db.pages(); got != pages {
				t.Errorf("%d pages stored, want %d", got, pages)
			}
			f.runPawl(0, "run", "--page-size", "100")
			f.db.checkTruth(m)
			f.db.checkLedger()
		})
	}
}

// TestIgnoredSignals checks that pawl goes on ignoring a signal that it inherited as ignored, and still stops at SIGTERM.
// nohup ignores SIGHUP in this way, and a shell script ignores SIGINT for a command that it starts with &.
func TestIgnoredSignals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		ignored string // as the shell names it
		signals []syscall.Signal
		code    int
	}{
		{"SIGHUP", "HUP", []syscall.Signal{syscall.SIGHUP, syscall.SIGHUP}, 0},
		{"SIGINT", "INT", []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, 0},
		{"SIGTERM after an ignored SIGHUP", "HUP", []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := startMock(t, "--events", "500", "--rate-limit", "0")
			f := newFixture(t, m.environment)
			unlock := f.db.lockLedger(f.databaseURL)
			p := startIgnoring(t, tt.ignored, f.env, "run", "--page-size", "100")
			eventually(t, "a transaction is open", func() bool { return f.db.countOpenTransactions() == 1 || !p.isRunning() })
			for _, s := range tt.signals {
				p.signal(s)
			}
			if tt.code != 0 {
				eventually(t, "pawl has received the signal", func() bool { return strings.Contains(p.stderr.String(), "finishing what is in hand") || !p.isRunning() })
			}
			unlock()
			f.expectExit(p, tt.code)
			if tt.code == 0 {
				f.db.checkTruth(m)
			}
			f.db.checkLedger()
		})
	}
}

// startIgnoring starts pawl from a shell that ignores a signal. A program inherits the ignored signals through exec.
func startIgnoring(t *testing.T, signal string, env []string, args ...string) *process {
	t.Helper()
	script := append([]string{"-c", `trap "" ` + signal + `; exec "$@"`, "sh", filepath.Join(bin, "pawl")}, args...)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "sh", script...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	return launch(t, cmd)
}
