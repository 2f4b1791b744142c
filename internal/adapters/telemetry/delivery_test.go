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

// An exporter does as it is told.
type exporter func(ctx context.Context) error

func (e exporter) ExportSpans(ctx context.Context, _ []sdktrace.ReadOnlySpan) error { return e(ctx) }
func (e exporter) Shutdown(context.Context) error                                   { return nil }

// TestADeadCollectorChangesNothing runs more pages than the queue of spans holds.
func TestADeadCollectorChangesNothing(t *testing.T) {
	t.Parallel()
	const pages = 3000
	tests := []struct {
		name   string
		export func(t *testing.T) exporter
		says   string
		delay  time.Duration // by the bubble's clock
	}{
		{"it refuses", func(*testing.T) exporter {
			return func(context.Context) error { return errors.New("connection refused") }
		}, "connection refused", 0},
		{"it hangs", func(*testing.T) exporter {
			return func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		}, "did not answer within 2s", 2 * time.Second},
		{"it hangs and does not hear", func(t *testing.T) exporter {
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
					t.Errorf("the run ended with %+v, %v", sum, err)
				}
				if took := time.Since(began); took != tt.delay {
					t.Errorf("it took %s, want %s", took, tt.delay)
				}
				if said := b.warnings.all(); len(said) != 1 || !strings.Contains(said[0], tt.says) {
					t.Errorf("it warns %q", said)
				}
			})
		})
	}
}

// TestACollectorThatComesBack gets what is traced from then on, and there is one warning.
func TestACollectorThatComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// The first wait lets the first spans go out, into the failure; the second one leaves time after it.
		b := newBench(domaintest.NewScriptedSource(
			domaintest.PageOf("c1", "1"), domaintest.RefuseFor(time.Minute), domaintest.PageOf("c2", "2"),
			domaintest.RefuseFor(time.Minute), domaintest.LastPageOf("3").Announcing(3)))
		c, began := newCollector(), time.Now()
		_, err := b.run(t.Context(), telemetry.New(t.Context(), b.config(), flaky{c, began.Add(30 * time.Second)}))
		if err != nil {
			t.Fatal(err)
		}
		var seqs []string
		for _, page := range named(c.GetSpans(), "pawl page") {
			seqs = append(seqs, valueOf(page.Attributes, "pawl.seq"))
		}
		if !slices.Equal(seqs, []string{"2", "3"}) {
			t.Errorf("the pages with seq %v arrived", seqs)
		}
		if said := b.warnings.all(); len(said) != 1 {
			t.Errorf("it warns %q", said)
		}
	})
}

// flaky fails up to a moment.
type flaky struct {
	collector

	until time.Time
}

func (f flaky) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if time.Now().Before(f.until) {
		return errors.New("not up yet")
	}
	return f.collector.ExportSpans(ctx, spans)
}
