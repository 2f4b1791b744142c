package cli

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
)

// StopSignals returns the signals that ask pawl to stop, without those that were ignored when it started. nohup ignores SIGHUP
// so that the program outlives its terminal, and a shell without job control ignores SIGINT for programs in the background.
// ignored is signal.Ignored; it must be asked before anything calls signal.Notify. SIGPIPE is not among the signals, because a
// connection that the server has closed raises it too. The result may be empty, which signal.Notify would take for all signals.
func StopSignals(ignored func(os.Signal) bool) []os.Signal {
	return slices.DeleteFunc([]os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}, ignored)
}

// signalState is what a signal's effect depends on.
type signalState struct {
	busy atomic.Bool // the command has something to finish

	mu         sync.Mutex
	foreground *os.Process // a program that has the terminal in pawl's place; nil if there is none
}

// runUntilSignal runs command and returns its exit code. The first signal ends the context of the session, so that the command
// can finish its current step. At the second signal runUntilSignal returns without waiting. It does so at the first signal if
// the command is not busy.
func (s *session) runUntilSignal(command func() int) int {
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	s.ctx = ctx
	done := make(chan int, 1)
	go func() { done <- command() }()
	for stopping := false; ; {
		select {
		case code := <-done:
			return code
		case signal := <-s.Signals:
			if program := s.foregroundProgram(); program != nil {
				forwardSignal(signal, program)
				continue
			}
			if stopping || !s.busy.Load() {
				return signalExitCode(signal)
			}
			stopping = true
			stop()
		}
	}
}

// startForeground starts a program that has the terminal until endForeground is called. A signal that arrives while it starts
// is for the program.
func (s *signalState) startForeground(cmd *exec.Cmd) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := cmd.Start()
	s.foreground = cmd.Process
	return err
}

func (s *signalState) endForeground() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.foreground = nil
}

func (s *signalState) foregroundProgram() *os.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.foreground
}

// forwardSignal sends the program a signal, except SIGINT, which the terminal has sent to the program too.
func forwardSignal(signal os.Signal, program *os.Process) {
	if signal == syscall.SIGTERM || signal == syscall.SIGHUP {
		_ = program.Signal(signal) // it fails if the program has just ended
	}
}

// signalExitCode returns the exit code that a shell gives a program that a signal ended.
func signalExitCode(s os.Signal) int {
	number, _ := s.(syscall.Signal) // os/signal knows no other type on the systems pawl is built for
	return 128 + int(number)
}
