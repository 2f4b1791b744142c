package main

import (
	"io"
	"testing"
	"time"
)

// TestCommandKilledWithParent checks that the command ends when SIGKILL ends mockapi. mockapi and the command write to one
// pipe. The test can read the end of the pipe only after both have ended.
func TestCommandKilledWithParent(t *testing.T) {
	mock, stdout := startMockWithCommand(t)
	if err := mock.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	commandEnded := make(chan struct{})
	go func() {
		defer close(commandEnded)
		_, _ = io.Copy(io.Discard, stdout)
	}()
	const timeout = 30 * time.Second
	select {
	case <-commandEnded:
	case <-time.After(timeout):
		t.Errorf("the command still runs %v after mockapi was killed", timeout)
	}
	_ = mock.Wait() // returns an error, because mockapi was killed
}
