package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestCommandKilledWithParent checks that the command ends when SIGKILL ends mockapi. The command writes to a pipe. The
// test can read the end of the pipe only after all processes that can write to it have ended.
func TestCommandKilledWithParent(t *testing.T) {
	mock := exec.CommandContext(t.Context(), os.Args[0], "--", os.Args[0])
	mock.Env = append(os.Environ(), roleVar+"=mockapi")
	out, err := mock.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := mock.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); line != "ready\n" {
		t.Fatalf("got first line %q, %v, want ready", line, err)
	}
	if err := mock.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	commandEnded := make(chan struct{})
	go func() {
		defer close(commandEnded)
		_, _ = io.Copy(io.Discard, lines)
	}()
	select {
	case <-commandEnded:
	case <-time.After(30 * time.Second):
		t.Error("the command still runs 30 s after mockapi was killed")
	}
	_ = mock.Wait() // returns an error, because mockapi was killed
}
