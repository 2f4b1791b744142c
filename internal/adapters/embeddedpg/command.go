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

const (
	// The limits of outputTail.
	tailLines = 3
	tailBytes = 400

	// outputDelay is how long a killed program's output is read. A child that survived may keep the output open.
	outputDelay = 5 * time.Second
)

// command returns a command that runs one of the PostgreSQL programs in the folder bin. The working folder is d, and the account
// is the server's. The program gets a session of its own, so that Ctrl-C does not reach it. When ctx ends, the program and its
// children are killed.
func (d *serverDir) command(ctx context.Context, bin, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(bin, program), args...) //nolint:gosec // bin is a folder of PostgreSQL
	cmd.Dir = d.path
	cmd.Env = programEnvironment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: d.account, Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // also children, such as those of initdb
	cmd.WaitDelay = outputDelay
	return cmd
}

// programEnvironment returns the environment variables that are needed to find and to link programs, and no others. The server
// may run longer than this process, so it must not get this process's secrets. PGDATA and similar variables would change the
// server's settings.
func programEnvironment() []string {
	env := []string{"LC_ALL=C"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"} {
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// runProgram runs cmd and waits until it ends. If cmd fails, the error contains the last lines of its output.
func runProgram(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	return programError(filepath.Base(cmd.Path), err, out)
}

// programError returns the error for a program that failed with err and wrote out. It contains the end of out, or err if out is
// empty.
func programError(program string, err error, out []byte) error {
	if text := outputTail(out); text != "" {
		return fmt.Errorf("%s failed: %s", program, text)
	}
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("%s failed: %w", program, err)
	}
	return err
}

// outputTail returns the last lines of an output, joined to one line. If lines of the output report errors, it uses only these
// lines.
func outputTail(out []byte) string {
	var lines, errorLines []string
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		lines = append(lines, line)
		if strings.Contains(line, "FATAL:") || strings.Contains(line, "PANIC:") || strings.Contains(line, "error:") {
			errorLines = append(errorLines, line)
		}
	}
	if len(errorLines) > 0 {
		lines = errorLines
	}
	text := strings.Join(lines[max(0, len(lines)-tailLines):], "; ")
	if len(text) > tailBytes {
		text = "…" + text[len(text)-tailBytes:]
	}
	return strings.ToValidUTF8(text, "")
}
