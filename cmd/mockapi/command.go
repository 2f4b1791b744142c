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

// The exit codes are those of a shell.
const (
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignal        = 128 // plus the number of the signal
)

// runCommand runs a command until it ends, forwards signals to it, and returns the exit code that a shell would return.
// When ctx ends, it sends SIGTERM to the command.
func runCommand(ctx context.Context, signals <-chan os.Signal, command, env []string, stdout, stderr io.Writer) int {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // running what it is given is its purpose
	cmd.Env = env
	// The command gets its own process group: in the terminal's group it would receive ^C twice, from the terminal and
	// from here. Outside that group it must not read from the terminal, so it gets no input.
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	defer killWithParent(cmd.SysProcAttr)()
	signalGroup := func(sig syscall.Signal) error { return syscall.Kill(-cmd.Process.Pid, sig) } // also its children
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

func exitCode(state *os.ProcessState, err error, stderr io.Writer) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitSignal + int(status.Signal())
	}
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		printLine(stderr, "mockapi: %v", err)
	}
	return state.ExitCode()
}

// removeOtherKeys returns env without the other variables that give pawl a key, so that the command uses the mock's key.
func removeOtherKeys(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return name == "API_KEY_FILE" || name == "TARGET_API_KEY"
	})
}
