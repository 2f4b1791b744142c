package cli

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// StopSignals returns the signals that ask pawl to stop, without those for which isIgnored returns true. Outside of tests, isIgnored
// must be signal.Ignored, and the caller must call StopSignals before signal.Notify. If the result is empty, the caller must not call
// signal.Notify, because a call that names no signal forwards all signals.
//
// pawl must go on ignoring a signal that was ignored when it started. nohup ignores SIGHUP so that a program survives the end of its
// terminal. A shell without job control ignores SIGINT for programs in the background.
//
// SIGPIPE is not a stop signal, because a connection that the server has closed raises it too. But the caller must call signal.Notify for
// it: otherwise a write to standard output or standard error ends pawl at once if nobody reads it any more. See [watchOutput].
func StopSignals(isIgnored func(os.Signal) bool) []os.Signal {
	return slices.DeleteFunc([]os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}, isIgnored)
}

// A signalState holds the facts that decide what a signal does.
type signalState struct {
	busy        atomic.Bool // the command has begun; then it may finish its current step after the first signal
	stopsAtOnce atomic.Bool // the command has no step to finish, so there is nothing to say about the first signal
	output      outputState

	mu         sync.Mutex
	foreground *os.Process // the program that uses the terminal instead of pawl; nil if there is none
}

// runUntilSignal runs command and returns its exit code. The first signal ends the context of the session, so that the command
// can finish its current step. The second signal makes runUntilSignal return without waiting for the command. If the command is not
// busy, the first signal does this already. While a program is in the foreground, signals are forwarded to that program and do
// not count. A signal that comes again within sameSignalTime does not count either.
//
// If the reader of pawl's output ends, the context of the session ends, too.
func (s *session) runUntilSignal(command func() int) int {
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	s.ctx = ctx
	done := make(chan int, 1)
	go func() { done <- command() }()
	stopping := false
	var last os.Signal
	var lastTime time.Time
	outputClosed := s.output.closed()
	for {
		select {
		case code := <-done:
			return code
		case <-outputClosed:
			outputClosed = nil // so that select does not choose it again
			stop()
		case signal := <-s.Signals:
			if program := s.foregroundProgram(); program != nil {
				forwardSignal(signal, program)
				continue
			}
			now := time.Now()
			if isRepeated := signal == last && now.Sub(lastTime) < sameSignalTime; isRepeated {
				continue
			}
			last, lastTime = signal, now
			if stopping || !s.busy.Load() {
				return signalExitCode(signal)
			}
			stopping = true
			stop()
		}
	}
}

// sameSignalTime is the time in which the same signal counts once. GNU timeout, for example, sends its signal to pawl, and then to the
// process group, to which pawl belongs.
const sameSignalTime = time.Second

// startForeground starts a program that uses the terminal until endForeground is called. A signal that arrives while the program
// starts is forwarded to the program.
func (s *signalState) startForeground(cmd *exec.Cmd) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := cmd.Start()
	s.foreground = cmd.Process
	return err
}

// endForeground records that pawl uses the terminal again.
func (s *signalState) endForeground() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.foreground = nil
}

// foregroundProgram returns the program that uses the terminal instead of pawl, or nil if there is none.
func (s *signalState) foregroundProgram() *os.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.foreground
}

// forwardSignal sends the signal to the program. It does not send SIGINT, because the terminal has sent SIGINT to the program
// already.
func forwardSignal(signal os.Signal, program *os.Process) {
	if signal == syscall.SIGTERM || signal == syscall.SIGHUP {
		_ = program.Signal(signal) // an error only says that the program has just ended
	}
}

// signalExitCode returns the exit code that a shell reports for a program that the signal ended.
func signalExitCode(s os.Signal) int {
	number, _ := s.(syscall.Signal) // on the systems for which pawl is built, every os.Signal has this type
	return 128 + int(number)
}
