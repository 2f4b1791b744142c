package main

import (
	"os"
	"os/exec"
	"testing"
)

// TestClosedPipe checks that SIGPIPE does not end pawl: it ends itself if nobody reads its output, with the exit code for that.
func TestClosedPipe(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close() //nolint:errcheck // it was only given to pawl
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"config"}, {"--help"}, {"version"}} {
		cmd := exec.CommandContext(t.Context(), "pawl", args...)
		cmd.Dir, cmd.Env, cmd.Stdout = t.TempDir(), []string{"PATH=" + os.Getenv("PATH")}, writer
		err := cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != 3 { // -1 if a signal has ended it
			t.Errorf("pawl %v: got exit %d (%v), want exit 3", args, code, err)
		}
	}
}
