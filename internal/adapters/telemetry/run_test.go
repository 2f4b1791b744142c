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

// A bench is a traced run with everything around it in reach of the test.
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

// run is one run as cmd/pawl puts it together, to the end of its tracing.
func (b *bench) run(ctx context.Context, tracing *telemetry.Tracing) (domain.Summary, error) {
	defer tracing.Close()
	return tracing.Runner(ingest.New(
		tracing.Source(b.source, endpoint), domaintest.LineDecoder{}, tracing.Store(b.store), observer{tracing},
		ingest.Options{
			Stream: domain.StreamID{Source: "test"}, SourceURL: "https://api.example:8443/v1", PageSize: 2,
			Retry: retry.Policy{Tries: 3, MaxWait: time.Hour, Jitter: func() float64 { return 0.5 }},
		},
	)).Run(ctx)
}

// traceIDs is what the ledger holds.
func (b *bench) traceIDs() (ids []string) {
	for _, row := range b.db.Ledger() {
		ids = append(ids, row.TraceID)
	}
	return ids
}

type observer struct{ tracing *telemetry.Tracing }

func (o observer) Claimed(domain.Checkpoint)   {}
func (o observer) Fetching(domain.Position)    {}
func (o observer) Storing(domain.DecodedPage)  {}
func (o observer) PassStarted(domain.Position) {}
func (o observer) Waiting(w retry.Wait)        { o.tracing.Waiting(w.For, w.Err) }

func (o observer) Committed(page domain.DecodedPage, res domain.CommitResult) {
	o.tracing.Committed(page, res)
}

type warnings struct {
	mu    sync.Mutex
	texts []string
}

func (w *warnings) add(what string, why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, what+": "+why.Error())
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.texts)
}

// A collector keeps spans; unlike the exporter in it, beyond its shutdown.
type collector struct{ *tracetest.InMemoryExporter }

func newCollector() collector { return collector{tracetest.NewInMemoryExporter()} }

// Shutdown implements sdktrace.SpanExporter.
func (c collector) Shutdown(context.Context) error { return nil }

// traced runs b in full and returns the spans.
func (b *bench) traced(t *testing.T) (tracetest.SpanStubs, error) {
	t.Helper()
	c := newCollector()
	_, err := b.run(t.Context(), telemetry.New(t.Context(), b.config(), c))
	if said := b.warnings.all(); len(said) > 0 {
		t.Errorf("it warns: %q", said)
	}
	return c.GetSpans(), err
}

// named are the spans of a name in the order they began.
func named(spans tracetest.SpanStubs, name string) (found tracetest.SpanStubs) {
	for _, s := range spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	slices.SortStableFunc(found, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	return found
}

// lines tell a page's trace: its span with what matters here, its waits, and the spans below it in the order they began.
func lines(spans tracetest.SpanStubs, page tracetest.SpanStub) []string {
	told := []string{line(page, "pawl.seq", "pawl.requests", "pawl.retries", "pawl.rate_limited", "pawl.waited_seconds", "error.type")}
	for _, e := range page.Events {
		told = append(told, e.Name+said(e.Attributes, "error.type", "pawl.wait_seconds"))
	}
	var below tracetest.SpanStubs
	for _, s := range spans {
		if s.Parent.SpanID() == page.SpanContext.SpanID() && s.SpanContext.TraceID() == page.SpanContext.TraceID() {
			below = append(below, s)
		}
	}
	slices.SortStableFunc(below, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	for _, s := range below {
		told = append(told, line(s, "http.response.status_code", "error.type"))
	}
	return told
}

func line(s tracetest.SpanStub, keys ...string) string { return s.Name + said(s.Attributes, keys...) }

func said(attributes []attribute.KeyValue, keys ...string) string {
	var b strings.Builder
	for _, key := range keys {
		if value := valueOf(attributes, key); value != "" {
			_, short, _ := strings.Cut(key, ".")
			fmt.Fprintf(&b, " %s=%s", short, value)
		}
	}
	return b.String()
}

func valueOf(attributes []attribute.KeyValue, key string) string {
	for _, a := range attributes {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

var _ sdktrace.SpanExporter = collector{}
