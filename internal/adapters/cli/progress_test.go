package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

func TestWhenTheLiveLineIsShown(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		terminal bool
		env      []string
		line     bool
		logged   bool // every 5 s
	}{
		{"a terminal", true, nil, true, false},
		{"a dumb terminal", true, []string{"TERM=dumb"}, false, true},
		{"a pipe", false, nil, false, true},
		{"always, on a terminal", true, []string{"PAWL_PROGRESS=always"}, true, false},
		{"always, in a pipe", false, []string{"PAWL_PROGRESS=always"}, true, false},
		{"never, on a terminal", true, []string{"PAWL_PROGRESS=never"}, false, false},
		{"never, in a pipe", false, []string{"PAWL_PROGRESS=never"}, false, false},
		{"a pipe whose log is for warnings", false, []string{"PAWL_LOG_LEVEL=warn"}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newConsole(t)
			var piped bytes.Buffer
			synctest.Test(t, func(t *testing.T) {
				w := streaming(slowSource{domaintest.NewCleanStream(7_000, 1000), time.Second}, domaintest.NewMemDatabase())
				if !tt.terminal {
					cli.Main(t.Context(), cli.Process{Args: []string{"run", "--page-size=1000"}, Environ: sound(tt.env...), Stdout: &bytes.Buffer{}, Stderr: &piped}, w)
					return
				}
				c.run(t.Context(), w, tt.env...)()
				c.look("at the end")
			})
			stderr := piped.String() + c.raw.String()
			if line := strings.Contains(stderr, "57.1%  4,000 of 7,000"); line != tt.line {
				t.Errorf("a live line: %v, want %v: %q", line, tt.line, stderr)
			}
			if logged := strings.Contains(stderr, " events="); logged != tt.logged {
				t.Errorf("logged: %v, want %v: %q", logged, tt.logged, stderr)
			}
			if !tt.terminal && !tt.line && strings.ContainsAny(stderr, "\x1b\r") {
				t.Errorf("control sequences in a pipe: %q", stderr)
			}
		})
	}
}

func TestProgressInALog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := domaintest.NewCleanStream(10_000, 1000).At("1000", domaintest.FailWith(domain.Transient))
		var stderr bytes.Buffer
		w := streaming(slowSource{source, 1500 * time.Millisecond}, domaintest.NewMemDatabase())
		cli.Main(t.Context(), cli.Process{Args: []string{"run", "--page-size=1000", "--log-format=json"}, Environ: sound(), Stdout: &bytes.Buffer{}, Stderr: &stderr}, w)
		var records []map[string]any
		for decoder := json.NewDecoder(&stderr); ; {
			var record map[string]any
			if err := decoder.Decode(&record); err != nil {
				break
			}
			if record["msg"] == "progress" {
				records = append(records, record)
			}
		}
		if len(records) != 3 { // it takes 17 s
			t.Fatalf("%d records: %v", len(records), records)
		}
		want := map[string]any{
			"time": "2000-01-01T00:00:10Z", "level": "INFO", "msg": "progress", "events": 5000.0, "of": 10000.0,
			"share": "50.0%", "per_second": 500.0, "eta": "10s", "retries": 1.0, "state": "fetching",
		}
		for key, value := range want {
			if records[1][key] != value {
				t.Errorf("%s is %v, want %v", key, records[1][key], value)
			}
		}
		if len(records[1]) != len(want) {
			t.Errorf("%v, want %v", records[1], want)
		}
	})
}

// TestTheLineIsGoneBeforeAnErrorIsTold: also where the run never got as far as a page.
func TestTheLineIsGoneBeforeAnErrorIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := streaming(domaintest.NewScriptedSource(), domaintest.NewMemDatabase())
		w.Migrate = func(ctx context.Context, _ string) ([]string, error) {
			time.Sleep(time.Second)
			return nil, &domain.Error{Kind: domain.Invalid, Op: "migrate", Err: errors.New("no such database")}
		}
		_, _, stderr := pawl(t, sound("PAWL_PROGRESS=always"), w, "run")
		if want := "\rpreparing the database\x1b[K\r\x1b[Kpawl: migrate: no such database\n"; stderr != want {
			t.Errorf("wrote %q, want %q", stderr, want)
		}
	})
}

// A slowStore takes a second for a claim.
type slowStore struct{ domain.EventStore }

func (s slowStore) Claim(ctx context.Context, stream domain.StreamID, origin string) (domain.Checkpoint, error) {
	time.Sleep(time.Second)
	return s.EventStore.Claim(ctx, stream, origin)
}

func TestClaimingIsShown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := streaming(oneEmptyPage{}, domaintest.NewMemDatabase())
		w.Runner = func(_ context.Context, s cli.Settings, asked cli.RunOptions, o ingest.Observer) (cli.Runner, func(), error) {
			store := slowStore{domaintest.NewMemDatabase().Store()}
			return ingest.New(oneEmptyPage{}, domaintest.LineDecoder{}, store, o, ingest.Options{Stream: s.Stream, Retry: asked.Retry}), func() {}, nil
		}
		_, _, stderr := pawl(t, sound("PAWL_PROGRESS=always"), w, "run")
		if !strings.HasPrefix(stderr, "\rclaiming the stream\x1b[K\r\x1b[K") {
			t.Errorf("wrote %q", stderr)
		}
	})
}
