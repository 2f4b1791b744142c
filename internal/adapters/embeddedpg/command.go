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
	tailLines = 3   // the greatest number of lines that outputTail returns
	tailBytes = 400 // the greatest number of bytes that outputTail returns, without the ellipsis

	// outputDelay is the time for which the output of a killed program is still read. A child process that still runs may hold
	// the output open for longer.
	outputDelay = 5 * time.Second
)

// command returns a command that runs a PostgreSQL program in the folder bin. The program runs in the folder of d as the server's
// account. It gets a session of its own, so that Ctrl-C does not reach it. When ctx ends, the program and its child processes
// are killed.
func (d *serverDir) command(ctx context.Context, bin, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(bin, program), args...) //nolint:gosec // bin is a folder of PostgreSQL
	cmd.Dir = d.path
	cmd.Env = programEnvironment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: d.account, Setsid: true}
	// A negative process id means the whole process group: the program and its child processes.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = outputDelay
	return cmd
}

// programEnvironment returns only the environment variables that are needed to find programs and their libraries. The server may
// run longer than this process, so it must not get the secrets in this process's environment. It must not get PGDATA and similar
// variables either, because they would change its settings.
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

// programError returns the error for a program that failed with err and whose output is out. The error contains the end of out.
// If out is empty, the error contains err instead. If out says that the disk is full, the error wraps syscall.ENOSPC.
func programError(program string, err error, out []byte) error {
	if text := outputTail(out); text != "" {
		if reportsDiskFull(out) {
			return fullDiskError(program + " failed: " + text)
		}
		return fmt.Errorf("%s failed: %s", program, text)
	}
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("%s failed: %w", program, err)
	}
	return err // the program could not be started, and err contains its path
}

// outputTail returns up to tailLines lines from the end of an output, joined to one line. If some lines of the output report errors,
// it ignores all other lines. It shortens the text to its last tailBytes bytes.
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
	return strings.ToValidUTF8(text, "") // the cut may have left a part of a character
}
