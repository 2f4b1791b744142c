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

// StopSignals returns the signals that ask pawl to stop, without those that were ignored when it started: nohup ignores
// SIGHUP so that the program outlives its terminal, and a shell without job control ignores SIGINT for what it starts in
// the background. ignored is signal.Ignored, asked before anything calls signal.Notify. SIGPIPE is not among them, because
// a connection that the server has closed raises it, too. The answer may be empty, which signal.Notify would take for all
// signals.
func StopSignals(ignored func(os.Signal) bool) []os.Signal {
	return slices.DeleteFunc([]os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}, ignored)
}

// obedience is how far a command that is told to stop has come.
type obedience struct {
	busy atomic.Bool // it has something to finish

	mu       sync.Mutex
	attended *os.Process // a program that has the terminal in pawl's place, nil if there is none
}

// hand gives the terminal to a program. A signal that comes while it starts is that program's.
func (o *obedience) hand(cmd *exec.Cmd) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := cmd.Start()
	o.attended = cmd.Process
	return err
}

// takeBack ends what hand began.
func (o *obedience) takeBack() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.attended = nil
}

func (o *obedience) program() *os.Process {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.attended
}

// obeying runs a command that stops when it is told to: the first signal ends its context, as may whoever called Main, and
// the command finishes; a second signal is not waited for, nor is the first while there is nothing to finish.
func (s *session) obeying(command func() int) int {
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	s.ctx = ctx
	done := make(chan int, 1)
	go func() { done <- command() }()
	for told := false; ; {
		select {
		case code := <-done:
			return code
		case signal := <-s.Signals:
			if program := s.program(); program != nil {
				passOn(signal, program)
				continue
			}
			if told || !s.busy.Load() {
				return exitSignal(signal)
			}
			told = true
			stop()
		}
	}
}

// passOn tells the program at the terminal what the terminal has not told it already.
func passOn(signal os.Signal, program *os.Process) {
	if signal == syscall.SIGTERM || signal == syscall.SIGHUP {
		_ = program.Signal(signal) // it fails if the program has just ended
	}
}

// exitSignal is what a shell makes of a program that a signal ended.
func exitSignal(s os.Signal) int {
	number, _ := s.(syscall.Signal) // os/signal knows no other on the systems pawl is built for
	return 128 + int(number)
}
