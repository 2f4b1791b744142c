package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
)

// TestStopSignals checks that a signal that was ignored at the start stays ignored, as `nohup pawl run &` needs it.
func TestStopSignals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		ignored []os.Signal
		want    []os.Signal
	}{
		{"started by hand", nil, []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}},
		{"under nohup", []os.Signal{syscall.SIGHUP}, []os.Signal{syscall.SIGINT, syscall.SIGTERM}},
		{"in the background of a script, under nohup", []os.Signal{syscall.SIGINT, syscall.SIGHUP}, []os.Signal{syscall.SIGTERM}},
		{"all of them", []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}, []os.Signal{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := cli.StopSignals(func(s os.Signal) bool { return slices.Contains(tt.ignored, s) })
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestSignal_BeforeCommand checks that the first signal ends pawl at once while it has nothing to finish: here it reads a file that
// nobody writes.
func TestSignal_BeforeCommand(t *testing.T) {
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
	if end, err := os.OpenFile(fifo, os.O_RDWR, 0); err == nil { // ends the read
		_ = end.Close()
	}
}
