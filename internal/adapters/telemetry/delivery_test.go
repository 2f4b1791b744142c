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

// An exporterFunc is an exporter that calls itself to export.
type exporterFunc func(ctx context.Context) error

func (e exporterFunc) ExportSpans(ctx context.Context, _ []sdktrace.ReadOnlySpan) error {
	return e(ctx)
}
func (e exporterFunc) Shutdown(context.Context) error { return nil }

// TestRun_CollectorFails checks that a collector that fails or hangs does not change the run. The run has more pages than the
// queue of spans can hold.
func TestRun_CollectorFails(t *testing.T) {
	t.Parallel()
	const pages = 3000
	tests := []struct {
		name   string
		export func(t *testing.T) exporterFunc
		warns  string
		delay  time.Duration // at the end of the run, by the synctest clock
	}{
		{"refuses", func(*testing.T) exporterFunc {
			return func(context.Context) error { return errors.New("connection refused") }
		}, "connection refused", 0},
		{"hangs", func(*testing.T) exporterFunc {
			return func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		}, "did not answer within 2s", 2 * time.Second},
		{"hangs and ignores its context", func(t *testing.T) exporterFunc {
			t.Helper()
			released := make(chan struct{})
			t.Cleanup(func() { close(released) })
			return func(context.Context) error { <-released; return nil }
		}, "context deadline exceeded", 3 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(domaintest.NewCleanStream(pages, 1))
				began := time.Now()
				sum, err := b.run(t.Context(), telemetry.New(t.Context(), b.config(), tt.export(t)))
				if err != nil || !sum.Done || sum.Inserted != pages || len(b.db.Events()) != pages {
					t.Errorf("got %+v, %v, want %d events inserted", sum, err, pages)
				}
				if took := time.Since(began); took != tt.delay {
					t.Errorf("got a run of %s, want %s", took, tt.delay)
				}
				if got := b.warnings.all(); len(got) != 1 || !strings.Contains(got[0], tt.warns) {
					t.Errorf("got warnings %q, want one with %q", got, tt.warns)
				}
			})
		})
	}
}

// TestRun_CollectorRecovers checks that a collector that fails at first gets the later spans, and that there is one warning.
func TestRun_CollectorRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// The spans before the first wait are sent while the collector fails. Those before the second one are sent afterwards.
		b := newBench(domaintest.NewScriptedSource(
			domaintest.PageOf("c1", "1"), domaintest.RefuseFor(time.Minute), domaintest.PageOf("c2", "2"),
			domaintest.RefuseFor(time.Minute), domaintest.LastPageOf("3").WithTotal(3)))
		c, began := newCollector(), time.Now()
		_, err := b.run(t.Context(), telemetry.New(t.Context(), b.config(), flakyCollector{c, began.Add(30 * time.Second)}))
		if err != nil {
			t.Fatal(err)
		}
		var seqs []string
		for _, page := range spansNamed(c.GetSpans(), "pawl page") {
			seqs = append(seqs, attributeValue(page.Attributes, "pawl.seq"))
		}
		if !slices.Equal(seqs, []string{"2", "3"}) {
			t.Errorf("got traces of the pages with seq %v, want 2 and 3", seqs)
		}
		if got := b.warnings.all(); len(got) != 1 {
			t.Errorf("got warnings %q, want one", got)
		}
	})
}

// A flakyCollector fails until a point in time.
type flakyCollector struct {
	collector

	until time.Time
}

func (f flakyCollector) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if time.Now().Before(f.until) {
		return errors.New("not up yet")
	}
	return f.collector.ExportSpans(ctx, spans)
}
