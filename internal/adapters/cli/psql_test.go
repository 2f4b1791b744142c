package cli_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli"
)

// fakePsql is a script that prints the name of each signal that it gets, and ends with fakePsqlCode after SIGTERM. It waits with read
// and not with sleep, because a shell runs a trap only after a sleep has ended.
const fakePsql = `#!/bin/sh
trap 'echo INT' INT
trap 'echo TERM; exit 7' TERM
echo ready
while :; do read -r line; done
`

const fakePsqlCode = 7

// TestPsql_Signals checks that pawl forwards SIGTERM to psql and does not forward SIGINT, because the terminal sends SIGINT to psql
// itself.
func TestPsql_Signals(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "psql"), []byte(fakePsql), 0o700); err != nil {
		t.Fatal(err)
	}
	w := newEmptyWiring()
	w.Database = func(context.Context, string, func(string), func(string) error) (cli.Database, func() error, error) {
		return cli.Database{Bin: bin}, func() error { return nil }, nil
	}
	w.PsqlEnviron = func(string) ([]string, error) { return nil, nil }
	stdin, stdinWriter, err := os.Pipe() // psql waits while the pipe is open
	if err != nil {
		t.Fatal(err)
	}
	defer stdinWriter.Close() //nolint:errcheck // nothing was written
	stdoutReader, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	toSend := []os.Signal{syscall.SIGINT, syscall.SIGINT, syscall.SIGTERM}
	signals := make(chan os.Signal, len(toSend))
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Main(t.Context(), cli.Process{
			Args: []string{"psql"}, Environ: validEnv(), Stdin: stdin, Stdout: stdout, Stderr: &bytes.Buffer{}, Signals: signals,
		}, w)
		_ = stdout.Close()
	}()
	const ready = "ready\n"
	line := make([]byte, len(ready))
	if _, err := stdoutReader.Read(line); err != nil || string(line) != ready {
		t.Fatalf("got output %q, error %v; want %q", line, err, ready)
	}
	for _, signal := range toSend {
		signals <- signal
	}
	select {
	case code := <-ended:
		var rest bytes.Buffer
		if _, err := rest.ReadFrom(stdoutReader); err != nil {
			t.Fatal(err)
		}
		if code != fakePsqlCode || strings.TrimSpace(rest.String()) != "TERM" {
			t.Errorf("got exit %d and output %q, want exit %d and TERM", code, rest.String(), fakePsqlCode)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("psql did not end")
	}
}

// TestPsql_CannotStart checks that only a psql that is not on this machine is to be installed.
func TestPsql_CannotStart(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "psql"), []byte("#!/missing/interpreter\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, isMissing := range map[string]bool{bin: false, t.TempDir(): true} {
		t.Setenv("PATH", path)
		w := newEmptyWiring()
		w.PsqlEnviron = func(string) ([]string, error) { return nil, nil }
		code, _, stderr := pawl(t, validEnv(), w, "psql")
		if hasAdvice := strings.Contains(stderr, "install PostgreSQL's client programs"); code != cli.ExitSettings || hasAdvice != isMissing {
			t.Errorf("psql missing %t: got exit %d and %q", isMissing, code, stderr)
		}
	}
}
