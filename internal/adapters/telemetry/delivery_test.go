package telemetry_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/pawldata/pawl/internal/adapters/telemetry"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// An exporterFunc is a span exporter that calls a function for each export.
type exporterFunc func(ctx context.Context) error

func (e exporterFunc) ExportSpans(ctx context.Context, _ []sdktrace.ReadOnlySpan) error {
	return e(ctx)
}

func (e exporterFunc) Shutdown(context.Context) error { return nil }

// TestRun_CollectorFails checks that a run stores all events even if the collector fails or hangs. The run has more pages, and so more
// spans, than the queue of the SDK can hold.
func TestRun_CollectorFails(t *testing.T) {
	t.Parallel()
	const pages = 3000                                            // the queue of the SDK can hold 2048 spans
	const flushTimeout, flushGrace = 2 * time.Second, time.Second // as in the package telemetry
	tests := []struct {
		name    string
		export  func(t *testing.T) exporterFunc // returns the exporter of the run
		warning string                          // a part of the only warning
		took    time.Duration                   // how long the run takes, by the clock of synctest, which counts only waits
	}{
		{
			name: "the collector refuses the spans",
			export: func(*testing.T) exporterFunc {
				return func(context.Context) error { return errors.New("connection refused") }
			},
			warning: "connection refused",
		},
		{
			name: "the collector hangs",
			export: func(*testing.T) exporterFunc {
				return func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
			},
			warning: "did not answer within 2s",
			took:    flushTimeout,
		},
		{
			name: "the exporter hangs and ignores its context",
			export: func(t *testing.T) exporterFunc {
				t.Helper()
				released := make(chan struct{})
				t.Cleanup(func() { close(released) })
				return func(context.Context) error { <-released; return nil }
			},
			warning: "context deadline exceeded",
			took:    flushTimeout + flushGrace,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				run := newTestRun(domaintest.NewCleanStream(pages, 1))
				began := time.Now()
				sum, err := run.execute(t.Context(), telemetry.New(t.Context(), run.config(), tt.export(t)))
				isDone := err == nil && sum.Done
				if !isDone || sum.Inserted != pages || len(run.db.Events()) != pages {
					t.Errorf("got summary %+v, error %v, want %d events inserted", sum, err, pages)
				}
				if took := time.Since(began); took != tt.took {
					t.Errorf("got a run that took %s, want %s", took, tt.took)
				}
				if got := run.warnings.all(); len(got) != 1 || !strings.Contains(got[0], tt.warning) {
					t.Errorf("got warnings %q, want one with %q", got, tt.warning)
				}
			})
		})
	}
}

// TestRun_CollectorRecovers checks that a collector that fails at first receives the later spans, and that there is only one
// warning.
func TestRun_CollectorRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// The SDK sends the first page's spans during the first wait, when the collector fails. It sends the spans of the later pages
		// after the collector has recovered.
		run := newTestRun(domaintest.NewScriptedSource(
			domaintest.PageOf("c1", "1"), domaintest.RefuseFor(time.Minute), domaintest.PageOf("c2", "2"),
			domaintest.RefuseFor(time.Minute), domaintest.LastPageOf("3").WithTotal(3)))
		c := newCollector()
		middleOfFirstWait := time.Now().Add(30 * time.Second)
		flaky := flakyCollector{collector: c, failsUntil: middleOfFirstWait}
		_, err := run.execute(t.Context(), telemetry.New(t.Context(), run.config(), flaky))
		if err != nil {
			t.Fatal(err)
		}
		var seqs []string
		for _, page := range findSpans(c.GetSpans(), "pawl page") {
			seqs = append(seqs, attributeValue(page.Attributes, "pawl.seq"))
		}
		if !slices.Equal(seqs, []string{"2", "3"}) {
			t.Errorf("got traces of the pages with seq %v, want 2 and 3", seqs)
		}
		if got := run.warnings.all(); len(got) != 1 {
			t.Errorf("got warnings %q, want one", got)
		}
	})
}

// A flakyCollector refuses all spans until the time failsUntil.
type flakyCollector struct {
	collector

	failsUntil time.Time
}

func (f flakyCollector) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if time.Now().Before(f.failsUntil) {
		return errors.New("not up yet")
	}
	return f.collector.ExportSpans(ctx, spans)
}
