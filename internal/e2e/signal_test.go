//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// logSignal is the beginning of the message that pawl logs when it receives the first signal.
const logSignal = "finishing the current step"

// TestSignals checks that pawl finishes the current page after the first signal and exits with exitRetryLater. After a second
// signal, pawl must exit at once, with the code that shells use for this signal: 128 plus its number.
func TestSignals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		signals    []syscall.Signal
		wantCode   int
		wantStored bool // whether pawl stores the page that it was committing
	}{
		{
			name: "SIGTERM finishes the page", signals: []syscall.Signal{syscall.SIGTERM},
			wantCode: exitRetryLater, wantStored: true,
		},
		{
			name: "SIGINT finishes the page", signals: []syscall.Signal{syscall.SIGINT},
			wantCode: exitRetryLater, wantStored: true,
		},
		{
			name: "a second SIGTERM exits at once", signals: []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM},
			wantCode: 128 + int(syscall.SIGTERM), wantStored: false,
		},
		{
			name: "a second SIGINT exits at once", signals: []syscall.Signal{syscall.SIGTERM, syscall.SIGINT},
			wantCode: 128 + int(syscall.SIGINT), wantStored: false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := startMock(t, "--events", "1000", "--rate-limit", "0")
			f := newFixture(t, m.environment)
			unlock := f.db.lockLedger(f.databaseURL)
			p := f.start("run", "--page-size", "100", "--max-buffer-bytes", "0")
			// pawl cannot finish its page until unlock is called.
			eventually(t, "a transaction is open", func() bool { return f.db.countOpenTransactions() == 1 })
			p.signal(tt.signals[0])
			eventually(t, "pawl has received the signal", func() bool { return p.stderr.count(logSignal) > 0 })
			if !tt.wantStored { // pawl must exit although the page still cannot be committed
				last := tt.signals[len(tt.signals)-1]
				eventually(t, "pawl ends after the same signal, which counts once within a second", func() bool {
					_ = p.cmd.Process.Signal(last) // pawl may have ended
					return !p.isRunning()
				})
				f.expectExit(p, tt.wantCode)
			}
			unlock()
			f.expectExit(p, tt.wantCode)
			wantPages := 0
			if tt.wantStored {
				wantPages = 1
			}
			if got := f.db.countPages(); got != wantPages {
				t.Errorf("stored pages: got %d, want %d", got, wantPages)
			}
			f.runPawl(exitDone, "run", "--page-size", "100")
			f.db.checkAgainstMock(m)
			f.db.checkLedger()
		})
	}
}

// TestIgnoredSignals checks that pawl ignores a signal that its parent process has ignored, and that pawl still stops after SIGTERM.
// For example, nohup ignores SIGHUP, and a shell script ignores SIGINT for a command that it starts with &.
func TestIgnoredSignals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		ignored  string // the name of the ignored signal in a shell
		signals  []syscall.Signal
		wantCode int
	}{
		{
			name: "SIGHUP", ignored: "HUP", signals: []syscall.Signal{syscall.SIGHUP, syscall.SIGHUP},
			wantCode: exitDone,
		},
		{
			name: "SIGINT", ignored: "INT", signals: []syscall.Signal{syscall.SIGINT, syscall.SIGINT},
			wantCode: exitDone,
		},
		{
			name: "SIGTERM after an ignored SIGHUP", ignored: "HUP", signals: []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM},
			wantCode: exitRetryLater,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := startMock(t, "--events", "500", "--rate-limit", "0")
			f := newFixture(t, m.environment)
			unlock := f.db.lockLedger(f.databaseURL)
			p := startIgnoring(t, tt.ignored, f.env, "run", "--page-size", "100", "--max-buffer-bytes", "0")
			eventually(t, "a transaction is open", func() bool { return f.db.countOpenTransactions() == 1 || !p.isRunning() })
			for _, s := range tt.signals {
				p.signal(s)
			}
			if tt.wantCode != exitDone {
				eventually(t, "pawl has received the signal", func() bool { return p.stderr.count(logSignal) > 0 || !p.isRunning() })
			}
			unlock()
			f.expectExit(p, tt.wantCode)
			if tt.wantCode == exitDone {
				f.db.checkAgainstMock(m)
			}
			f.db.checkLedger()
		})
	}
}

// startIgnoring starts pawl from a shell that ignores a signal. The shell replaces itself by pawl with exec, and pawl inherits the
// ignored signal.
func startIgnoring(t *testing.T, signal string, env []string, args ...string) *process {
	t.Helper()
	script := append([]string{"-c", `trap "" ` + signal + `; exec "$@"`, "sh", filepath.Join(bin, "pawl")}, args...)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "sh", script...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	return launch(t, cmd)
}
