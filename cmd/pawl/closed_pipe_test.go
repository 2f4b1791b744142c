package main

import (
	"os"
	"os/exec"
	"strings"
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

// TestFullOutput checks that a help which cannot be written is a failure of the output, and no mistake in the command line.
func TestFullOutput(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	defer full.Close() //nolint:errcheck // it was only given to pawl
	for _, arg := range []string{"--help", "help", "version"} {
		var stderr strings.Builder
		cmd := exec.CommandContext(t.Context(), "pawl", arg)
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = t.TempDir(), []string{"PATH=" + os.Getenv("PATH")}, full, &stderr
		err := cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(stderr.String(), "[output-failed]") {
			t.Errorf("pawl %s: got exit %d (%v) and %s, want exit 2 and [output-failed]", arg, code, err, stderr.String())
		}
	}
}
