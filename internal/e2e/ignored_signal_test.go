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

	"github.com/pawldata/pawl/internal/pgtest"
)

// TestIgnoredSignals starts a run with a signal ignored, as nohup does with SIGHUP and a shell script with SIGINT where it
// ends a command with &. The run must go on when the signal comes, and still stop at SIGTERM.
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
		{"SIGTERM is obeyed after an ignored SIGHUP", "HUP", []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			databaseURL := pgtest.Database(t)
			m := startMock(t, "--events", "500", "--rate-limit", "0")
			db := connect(t, databaseURL)
			letGo := db.holdLedger(databaseURL)
			p := startIgnoring(t, tt.ignored, m.environment(databaseURL), "run", "--page-size", "100")
			eventually(t, "a transaction is open", func() bool { return db.openTransactions() == 1 || !p.running() })
			for _, s := range tt.signals {
				p.signal(s)
			}
			if tt.code != 0 {
				eventually(t, "the signal is heeded", func() bool { return strings.Contains(p.stderr.String(), "finishing what is in hand") || !p.running() })
			}
			letGo()
			if code := p.wait(ctx); code != tt.code {
				t.Errorf("exit %d, want %d: %s", code, tt.code, p.stderr.String())
			}
			if tt.code == 0 {
				db.equalsTruth(m)
			}
			db.addsUp()
		})
	}
}

// startIgnoring starts pawl from a shell that ignores a signal: what a process ignores, the program it becomes ignores too.
func startIgnoring(t *testing.T, signal string, env []string, args ...string) *process {
	t.Helper()
	script := append([]string{"-c", `trap "" ` + signal + `; exec "$@"`, "sh", filepath.Join(bin, "pawl")}, args...)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "sh", script...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	return launch(t, cmd)
}
