package telemetry_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/pawldata/pawl/internal/adapters/telemetry"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

const endpoint = "https://api.example:8443/v1/events"

// A bench holds a traced run and the fakes around it.
type bench struct {
	db       *domaintest.MemDatabase
	store    domain.EventStore
	source   domain.EventSource
	warnings warnings
}

func newBench(source domain.EventSource) *bench {
	db := domaintest.NewMemDatabase()
	return &bench{db: db, store: db.Store(), source: source}
}

func (b *bench) config() telemetry.Config {
	return telemetry.Config{Stream: domain.StreamID{Source: "test"}, Version: "v1.2.3", Warn: b.warnings.add}
}

// run runs b once as cmd/pawl does, and closes tracing.
func (b *bench) run(ctx context.Context, tracing *telemetry.Tracing) (domain.Summary, error) {
	defer tracing.Close()
	return tracing.Runner(ingest.New(
		tracing.Source(b.source, endpoint), domaintest.LineDecoder{}, tracing.Store(b.store), tracing.Observer(silentObserver{}),
		ingest.Options{
			Stream: domain.StreamID{Source: "test"}, SourceURL: "https://api.example:8443/v1", PageSize: 2,
			Retry: retry.Policy{Tries: 3, MaxWait: time.Hour, Jitter: func() float64 { return 0.5 }},
		},
	)).Run(ctx)
}

// traceIDs returns the trace id of each row in the ledger.
func (b *bench) traceIDs() (ids []string) {
	for _, row := range b.db.Ledger() {
		ids = append(ids, row.TraceID)
	}
	return ids
}

// A silentObserver ignores everything.
type silentObserver struct{}

func (silentObserver) Claimed(domain.Checkpoint)                         {}
func (silentObserver) Fetching(domain.Position)                          {}
func (silentObserver) Storing(domain.DecodedPage)                        {}
func (silentObserver) PassStarted(domain.Position)                       {}
func (silentObserver) Waiting(retry.Wait)                                {}
func (silentObserver) Committed(domain.DecodedPage, domain.CommitResult) {}

// warnings collects what a Config's Warn is called with.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

func (w *warnings) add(problem string, cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, problem+": "+cause.Error())
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.texts)
}

// A collector stores spans. It still has them after Shutdown, unlike the exporter in it.
type collector struct{ *tracetest.InMemoryExporter }

func newCollector() collector { return collector{tracetest.NewInMemoryExporter()} }

// Shutdown implements sdktrace.SpanExporter.
func (c collector) Shutdown(context.Context) error { return nil }

// runTraced runs b once and returns the spans. It fails the test on a warning.
func (b *bench) runTraced(t *testing.T) (tracetest.SpanStubs, error) {
	t.Helper()
	c := newCollector()
	_, err := b.run(t.Context(), telemetry.New(t.Context(), b.config(), c))
	if got := b.warnings.all(); len(got) > 0 {
		t.Errorf("got warnings %q, want none", got)
	}
	return c.GetSpans(), err
}

// spansNamed returns the spans with that name in the order they began.
func spansNamed(spans tracetest.SpanStubs, name string) (found tracetest.SpanStubs) {
	for _, s := range spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	slices.SortStableFunc(found, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	return found
}

// traceLines describes a page's trace: its span with a few attributes, its waits, and its child spans in the order they began.
func traceLines(spans tracetest.SpanStubs, page tracetest.SpanStub) []string {
	lines := []string{spanLine(page, "pawl.seq", "pawl.requests", "pawl.retries", "pawl.rate_limited", "pawl.waited_seconds", "error.type")}
	for _, e := range page.Events {
		lines = append(lines, e.Name+attributeText(e.Attributes, "error.type", "pawl.wait_seconds"))
	}
	var children tracetest.SpanStubs
	for _, s := range spans {
		if s.Parent.SpanID() == page.SpanContext.SpanID() && s.SpanContext.TraceID() == page.SpanContext.TraceID() {
			children = append(children, s)
		}
	}
	slices.SortStableFunc(children, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	for _, s := range children {
		lines = append(lines, spanLine(s, "http.response.status_code", "error.type"))
	}
	return lines
}

func spanLine(s tracetest.SpanStub, keys ...string) string {
	return s.Name + attributeText(s.Attributes, keys...)
}

func attributeText(attributes []attribute.KeyValue, keys ...string) string {
	var b strings.Builder
	for _, key := range keys {
		if value := attributeValue(attributes, key); value != "" {
			_, short, _ := strings.Cut(key, ".")
			fmt.Fprintf(&b, " %s=%s", short, value)
		}
	}
	return b.String()
}

func attributeValue(attributes []attribute.KeyValue, key string) string {
	for _, a := range attributes {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

var _ sdktrace.SpanExporter = collector{}
