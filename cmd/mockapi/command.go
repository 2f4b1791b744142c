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
	exitSignal        = 128 // the number of the signal is added
)

// runCommand runs a command until it ends, forwards signals to it, and returns the exit code that a shell would return.
// When ctx ends, it sends SIGTERM to the command, and kills the command if it still runs after grace.
func runCommand(ctx context.Context, signals <-chan os.Signal, command, env []string, stdout, stderr io.Writer) int {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // the user asks to run this command
	cmd.Env = env
	// The command gets its own process group. In the group of the terminal it would receive ^C twice, from the terminal and
	// from this process. A process outside that group must not read from the terminal, so the command gets no input.
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	defer killWithParent(cmd.SysProcAttr)()
	// A negative number addresses the process group, which is the command and its children.
	signalGroup := func(sig syscall.Signal) error { return syscall.Kill(-cmd.Process.Pid, sig) }
	cmd.Cancel = func() error { return signalGroup(syscall.SIGTERM) }
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

// exitCode returns the exit code for a command that has ended. err is the error of Wait. If err is not about the exit code,
// exitCode prints it.
func exitCode(state *os.ProcessState, err error, stderr io.Writer) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitSignal + int(status.Signal())
	}
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		printLine(stderr, "mockapi: %v", err)
	}
	return state.ExitCode()
}

// removeOtherKeys returns env without API_KEY_FILE and TARGET_API_KEY. pawl can also read a key from these variables, but
// the command must use the key of the mock.
func removeOtherKeys(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return name == "API_KEY_FILE" || name == "TARGET_API_KEY"
	})
}
