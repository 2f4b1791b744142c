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
	tailLines = 3
	tailBytes = 400
)

// command returns a command that runs one of PostgreSQL's programs in the folder, as the server's account. The program gets
// a session of its own, so that Ctrl-C does not reach it. When ctx ends, the program and its children are killed.
func (d *serverDir) command(ctx context.Context, bin, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(bin, program), args...) //nolint:gosec // running that program is the purpose
	cmd.Dir = d.path
	cmd.Env = programEnvironment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: d.account, Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // initdb has children
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// programEnvironment returns the variables that finding and linking programs needs, and no others. The server outlives
// this process and must not see its secrets, and PGDATA and similar variables would change the server's settings.
func programEnvironment() []string {
	env := []string{"LC_ALL=C"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"} {
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// runProgram runs cmd to its end. The error contains the last lines of its output.
func runProgram(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	return programError(filepath.Base(cmd.Path), err, out)
}

// programError returns the error for a program that failed with err and wrote out.
func programError(program string, err error, out []byte) error {
	if text := outputTail(out); text != "" {
		return fmt.Errorf("%s failed: %s", program, text)
	}
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("%s failed: %w", program, err)
	}
	return err
}

// outputTail returns the last lines of an output, joined to one line. If some lines report errors, it takes only those.
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
