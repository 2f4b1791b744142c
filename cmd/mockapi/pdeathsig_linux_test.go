package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// The pipe that the command writes to is closed when the last process that has it open ends.
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
		t.Fatalf("got %q, %v", line, err)
	}
	if err := mock.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, lines)
	}()
	select {
	case <-gone:
	case <-time.After(30 * time.Second):
		t.Error("the command still runs")
	}
	_ = mock.Wait() // returns an error, because it was killed
}
