package cli

import (
	"context"
	"os"
	"syscall"
)

// obeying runs a command that stops when it is told to: the first signal ends its context, as may whoever called Main, and
// the command finishes; a second signal is not waited for.
func (s *session) obeying(command func() int) int {
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	s.ctx = ctx
	defer context.AfterFunc(ctx, func() {
		s.log.Warn("told to stop: finishing the page in hand; once more to leave at once")
	})()
	done := make(chan int, 1)
	go func() { done <- command() }()
	for told := false; ; told = true {
		select {
		case code := <-done:
			return code
		case signal := <-s.Signals:
			if told {
				return exitSignal(signal)
			}
			stop()
		}
	}
}

// exitSignal is what a shell makes of a program that a signal ended.
func exitSignal(s os.Signal) int {
	number, _ := s.(syscall.Signal) // os/signal knows no other on the systems pawl is built for
	return 128 + int(number)
}
