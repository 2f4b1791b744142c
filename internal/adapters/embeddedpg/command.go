package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// command runs one of PostgreSQL's programs in the home, as its account. A session of its own keeps Ctrl-C from it.
func (h *home) command(ctx context.Context, bin, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(bin, program), args...) //nolint:gosec // that is what it is for
	cmd.Dir = h.dir
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: h.account, Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // initdb has children
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// environment is what finding and linking programs takes. Our keys are no business of a server that outlives us, and
// PGDATA and the like would be settings.
func environment() []string {
	env := []string{"LC_ALL=C"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"} {
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// run shows the last lines of what a failing program said.
func run(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	return failed(filepath.Base(cmd.Path), err, out)
}

func failed(program string, err error, out []byte) error {
	if said := tail(out); said != "" {
		return fmt.Errorf("%s failed: %s", program, said)
	}
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("%s failed: %w", program, err)
	}
	return err
}

const (
	tailLines = 3
	tailBytes = 400
)

// tail is the last lines of an output as one, of those that say what is wrong if there are any.
func tail(out []byte) string {
	var lines, wrong []string
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		lines = append(lines, line)
		if strings.Contains(line, "FATAL:") || strings.Contains(line, "PANIC:") || strings.Contains(line, "error:") {
			wrong = append(wrong, line)
		}
	}
	if len(wrong) > 0 {
		lines = wrong
	}
	text := strings.Join(lines[max(0, len(lines)-tailLines):], "; ")
	if len(text) > tailBytes {
		text = "…" + text[len(text)-tailBytes:]
	}
	return strings.ToValidUTF8(text, "")
}
