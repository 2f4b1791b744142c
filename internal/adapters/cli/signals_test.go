package cli_test

import (
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
)

// TestASignalThatWasIgnoredAtTheStartStaysIgnored: `nohup pawl run &` outlives its terminal.
func TestASignalThatWasIgnoredAtTheStartStaysIgnored(t *testing.T) {
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
				t.Errorf("pawl stops at %v, want %v", got, tt.want)
			}
		})
	}
}
