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
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// fakePsql prints the signals that it gets from pawl, and ends at SIGTERM. It waits by reading, because a shell runs a trap only
// after a sleep is over.
const fakePsql = `#!/bin/sh
trap 'echo INT' INT
trap 'echo TERM; exit 7' TERM
echo ready
while :; do read -r line; done
`

// TestPsql_Signals checks that pawl does not forward SIGINT, which the terminal sends to psql itself, and forwards SIGTERM.
func TestPsql_Signals(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "psql"), []byte(fakePsql), 0o700); err != nil {
		t.Fatal(err)
	}
	w := newWiring(emptySource{}, domaintest.NewMemDatabase(), new(cli.Settings))
	w.Database = func(context.Context, string, func(string)) (cli.Database, func() error, error) {
		return cli.Database{Bin: bin}, func() error { return nil }, nil
	}
	w.PsqlEnviron = func(string) ([]string, error) { return nil, nil }
	stdin, feed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close() //nolint:errcheck // nothing was written
	out, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	signals := make(chan os.Signal, 3)
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Main(t.Context(), cli.Process{
			Args: []string{"psql"}, Environ: validEnv(), Stdin: stdin, Stdout: stdout, Stderr: &bytes.Buffer{}, Signals: signals,
		}, w)
		_ = stdout.Close()
	}()
	line := make([]byte, len("ready\n"))
	if _, err := out.Read(line); err != nil || string(line) != "ready\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	for _, signal := range []os.Signal{syscall.SIGINT, syscall.SIGINT, syscall.SIGTERM} {
		signals <- signal
	}
	select {
	case code := <-ended:
		var rest bytes.Buffer
		if _, err := rest.ReadFrom(out); err != nil || code != 7 || strings.TrimSpace(rest.String()) != "TERM" {
			t.Errorf("exit %d, psql printed %q, %v", code, rest.String(), err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("psql did not end")
	}
}
