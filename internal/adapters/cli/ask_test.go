package cli_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/domain"
)

// A brokenReader is a cli.Reader that cannot read the streams.
type brokenReader struct{ cli.Reader }

func (brokenReader) Streams(context.Context) ([]domain.StreamID, error) {
	return nil, errors.New("no table")
}

// TestRun_NewStream checks when a run asks whether to start a new stream, and what it does after each answer.
func TestRun_NewStream(t *testing.T) {
	t.Parallel()
	other := fakeStatusReader{all: []domain.StreamStatus{newStatus("other")}}
	same := fakeStatusReader{all: []domain.StreamStatus{newStatus("other"), newStatus("typo")}}
	const question = "Stream typo is new; this database has: other. Start a new stream? [y/N] "
	for _, tt := range []struct {
		name   string
		reader cli.Reader
		answer string
		isPipe bool // standard input is a pipe
		code   int
		asks   bool
	}{
		{name: "yes", reader: other, answer: "y\n", asks: true},
		{name: "yes in full", reader: other, answer: " YES \n", asks: true},
		{name: "no", reader: other, answer: "n\n", asks: true, code: cli.ExitSettings},
		{name: "only return", reader: other, answer: "\n", asks: true, code: cli.ExitSettings},
		{name: "the end of the input", reader: other, answer: "\x04", asks: true, code: cli.ExitSettings},
		{name: "a pipe", reader: other, isPipe: true},
		{name: "a known stream", reader: same},
		{name: "an empty database", reader: fakeStatusReader{}},
		{name: "no tables yet", reader: brokenReader{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			master, slave := openTerminal(t)
			if _, err := master.WriteString(tt.answer); err != nil {
				t.Fatal(err)
			}
			w := newEmptyWiring()
			w.Reader = func(context.Context, cli.Settings) (cli.Reader, func(), error) { return tt.reader, func() {}, nil }
			process := cli.Process{
				Args: []string{"run", "--stream", "typo", "--progress", "never"}, Environ: validEnv(), Stdin: slave, Stdout: io.Discard, Stderr: slave,
			}
			if tt.isPipe {
				process.Stdin = strings.NewReader("")
			}
			code := cli.Main(t.Context(), process, w)
			stderr := readTerminal(t, master, slave)
			if code != tt.code || strings.Contains(stderr, question) != tt.asks {
				t.Errorf("got exit %d, want %d; want the question: %t; error output %q", code, tt.code, tt.asks, stderr)
			}
			if wasRefused := tt.code != 0; strings.Contains(stderr, "the new stream typo was not started; this database has: other") != wasRefused {
				t.Errorf("got error output %q, want the error: %t", stderr, wasRefused)
			}
		})
	}
}

// TestRun_NewStreamStopped checks that a signal ends the question at once.
func TestRun_NewStreamStopped(t *testing.T) {
	t.Parallel()
	_, slave := openTerminal(t)
	ctx, stop := context.WithCancel(t.Context())
	reader := stoppingReader{fakeStatusReader{all: []domain.StreamStatus{newStatus("other")}}, stop}
	w := newEmptyWiring()
	w.Reader = func(context.Context, cli.Settings) (cli.Reader, func(), error) { return reader, func() {}, nil }
	process := cli.Process{Args: []string{"run", "--stream", "typo"}, Environ: validEnv(), Stdin: slave, Stdout: io.Discard, Stderr: slave}
	if code := cli.Main(ctx, process, w); code != cli.ExitAgain {
		t.Errorf("got exit %d, want %d", code, cli.ExitAgain)
	}
}

// A stoppingReader ends the context of the program when its streams are read.
type stoppingReader struct {
	fakeStatusReader

	stop context.CancelFunc
}

func (r stoppingReader) Streams(ctx context.Context) ([]domain.StreamID, error) {
	r.stop()
	return r.fakeStatusReader.Streams(ctx)
}

// openTerminal returns the two ends of a pseudo terminal, which are closed after the test.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo terminal: %v", err)
	}
	t.Cleanup(func() {
		_ = master.Close()
		_ = slave.Close()
	})
	return master, slave
}

// readTerminal returns all that was written to the slave.
func readTerminal(t *testing.T, master, slave *os.File) string {
	t.Helper()
	const end = "\x00end of the output\x00"
	if _, err := slave.WriteString(end); err != nil {
		t.Fatal(err)
	}
	var shown bytes.Buffer
	buffer := make([]byte, 4096)
	for !bytes.Contains(shown.Bytes(), []byte(end)) {
		n, err := master.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(buffer[:n])
	}
	return shown.String()
}
