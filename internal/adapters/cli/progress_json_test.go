package cli_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestRun_ProgressJSON checks that --progress json writes an object every second and at the end, and no progress in the log.
func TestRun_ProgressJSON(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := slowSource{EventSource: domaintest.NewCleanStream(10_000, 1000), delay: 1450 * time.Millisecond}
		var stderr bytes.Buffer
		cli.Main(t.Context(), cli.Process{
			Args:    []string{"run", "--page-size=1000", "--progress=json", "--log-format=json"},
			Environ: validEnv(), Stdout: &bytes.Buffer{}, Stderr: &stderr,
		}, newRunWiring(source, domaintest.NewMemDatabase()))
		type line struct {
			Time, State string
			Done        bool
			Events, Of  int64
			PerSecond   float64 `json:"per_second"`
		}
		var lines []line
		for text := range strings.Lines(stderr.String()) {
			if strings.Contains(text, `"msg":`) { // a line of the log
				continue
			}
			var l line
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			lines = append(lines, l)
		}
		const after10s = 10 - 1 // the first line is written after 1 s
		if len(lines) <= after10s || strings.Contains(stderr.String(), `"msg":"progress"`) {
			t.Fatalf("got %d lines, want one every second and no progress in the log: %s", len(lines), stderr.String())
		}
		// The sixth page arrived after 8.7 s.
		want := line{Time: "2000-01-01T00:00:10Z", State: "fetching", Events: 6000, Of: 10_000, PerSecond: 600}
		if got := lines[after10s]; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		want = line{Time: "2000-01-01T00:00:14Z", State: "fetching", Done: true, Events: 10_000, Of: 10_000, PerSecond: 689.7}
		if got := lines[len(lines)-1]; got != want {
			t.Errorf("got %+v at the end, want %+v", got, want)
		}
	})
}
