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

// TestStopSignals checks that a signal that was ignored at the start does not stop pawl. `nohup pawl run &` needs this.
func TestStopSignals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		ignored []os.Signal
		want    []os.Signal
	}{
		{name: "started by hand", ignored: nil, want: []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}},
		{name: "under nohup", ignored: []os.Signal{syscall.SIGHUP}, want: []os.Signal{syscall.SIGINT, syscall.SIGTERM}},
		{
			name:    "in the background of a script, under nohup",
			ignored: []os.Signal{syscall.SIGINT, syscall.SIGHUP}, want: []os.Signal{syscall.SIGTERM},
		},
		{name: "all three ignored", ignored: []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}, want: []os.Signal{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := cli.StopSignals(func(s os.Signal) bool { return slices.Contains(tt.ignored, s) })
			if !slices.Equal(got, tt.want) {
				t.Errorf("got signals %v, want %v", got, tt.want)
			}
		})
	}
}

// TestSignal_BeforeCommand checks that the first signal ends pawl at once if the command has not begun. Here pawl is still reading the
// settings: the file of the API's key is a FIFO, which blocks because nobody writes to it.
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
	}, newEmptyWiring())
	if code != 128+int(syscall.SIGTERM) {
		t.Errorf("got exit %d, want %d", code, 128+int(syscall.SIGTERM))
	}
	// The goroutine that Main left opens the FIFO and reads from it. Opening it for writing waits for that, and closing it ends the reading.
	if writer, err := os.OpenFile(fifo, os.O_WRONLY, 0); err == nil {
		_ = writer.Close()
	}
}
