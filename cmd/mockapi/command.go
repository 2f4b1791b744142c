package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
)

// These exit codes are those of a shell.
const (
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignalBase    = 128 // the exit code is the sum of this base and the signal's number
)

// runCommand runs a command until it ends, forwards signals to it, and returns the exit code that a shell would return.
// When ctx ends, runCommand sends SIGTERM to the command, and kills the command if it still runs after grace.
func runCommand(ctx context.Context, signals <-chan os.Signal, command, env []string, stdout, stderr io.Writer) int {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // the user asks to run this command
	cmd.Env = env
	// The command gets its own process group. In the group of this process, it would receive ^C twice: from the terminal and
	// from this process. But a process outside the terminal's group must not read from the terminal. So the command gets no
	// input.
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	release := killWithParent(cmd.SysProcAttr)
	defer release()
	// A negative number addresses the process group, which is the command and its children.
	signalGroup := func(sig syscall.Signal) error { return syscall.Kill(-cmd.Process.Pid, sig) }
	cmd.Cancel = func() error { return signalGroup(syscall.SIGTERM) } // is called when ctx ends
	cmd.WaitDelay = grace

	if err := cmd.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return fail(stderr, exitNotFound, err)
		}
		return fail(stderr, exitNotExecutable, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case sig := <-signals:
			if number, ok := sig.(syscall.Signal); ok {
				_ = signalGroup(number) // fails if the command has just ended
			}
		case err := <-ended:
			return exitCode(cmd.ProcessState, err, stderr)
		}
	}
}

// exitCode returns the exit code for a command that has ended. waitErr is the error of Wait. If waitErr is not about the exit
// code, exitCode prints it.
func exitCode(state *os.ProcessState, waitErr error, stderr io.Writer) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitSignalBase + int(status.Signal())
	}
	_, isAboutExitCode := errors.AsType[*exec.ExitError](waitErr)
	if waitErr != nil && !isAboutExitCode {
		printLine(stderr, "mockapi: %v", waitErr)
	}
	return state.ExitCode()
}

// removeOtherKeys returns env without API_KEY_FILE and TARGET_API_KEY. If the command is pawl, it can read a key from these
// variables too. But it must use the key of the mock, which is in API_KEY.
func removeOtherKeys(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return name == "API_KEY_FILE" || name == "TARGET_API_KEY"
	})
}
