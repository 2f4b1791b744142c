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

// fakePsql says which signals it gets from pawl, and ends with SIGTERM's. While it waits it reads, as a shell would delay
// a trap until a sleep is over.
const fakePsql = `#!/bin/sh
trap 'echo INT' INT
trap 'echo TERM; exit 7' TERM
echo ready
while :; do read -r line; done
`

// TestPsqlHasTheTerminalToItself: what ^C sends reaches psql from the terminal and not again from pawl; what asks pawl to
// end is passed on.
func TestPsqlHasTheTerminalToItself(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "psql"), []byte(fakePsql), 0o700); err != nil {
		t.Fatal(err)
	}
	w := wiring(oneEmptyPage{}, domaintest.NewMemDatabase(), new(cli.Settings))
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
			Args: []string{"psql"}, Environ: sound(), Stdin: stdin, Stdout: stdout, Stderr: &bytes.Buffer{}, Signals: signals,
		}, w)
		_ = stdout.Close()
	}()
	said := make([]byte, len("ready\n"))
	if _, err := out.Read(said); err != nil || string(said) != "ready\n" {
		t.Fatalf("%q, %v", said, err)
	}
	for _, signal := range []os.Signal{syscall.SIGINT, syscall.SIGINT, syscall.SIGTERM} {
		signals <- signal
	}
	select {
	case code := <-ended:
		var rest bytes.Buffer
		if _, err := rest.ReadFrom(out); err != nil || code != 7 || strings.TrimSpace(rest.String()) != "TERM" {
			t.Errorf("exit %d, psql said %q, %v", code, rest.String(), err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("psql was not told to end")
	}
}

// TestASignalEndsWhatHasNothingToFinish: reading a file that nobody writes to.
func TestASignalEndsWhatHasNothingToFinish(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGTERM
	code := cli.Main(t.Context(), cli.Process{
		Args: []string{"config"}, Environ: []string{"API_KEY_FILE=" + fifo}, Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Signals: signals,
	}, cli.Wiring{})
	if code != 128+int(syscall.SIGTERM) {
		t.Errorf("exit %d", code)
	}
	if end, err := os.OpenFile(fifo, os.O_RDWR, 0); err == nil { // lets the reader go
		_ = end.Close()
	}
}
