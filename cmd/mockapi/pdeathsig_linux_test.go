package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestAKilledMockTakesItsCommandAlong: the pipe that the command writes to closes when the last holder is gone.
func TestAKilledMockTakesItsCommandAlong(t *testing.T) {
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
		t.Fatalf("%q, %v", line, err)
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
		t.Error("the command is still there")
	}
	_ = mock.Wait() // it was killed, which is an error
}
