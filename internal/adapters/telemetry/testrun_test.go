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

// A testRun is a traced run of a stream from a fake source into a database in memory.
type testRun struct {
	db       *domaintest.MemDatabase
	store    domain.EventStore
	source   domain.EventSource
	warnings warnings
}

// newTestRun returns a run that reads source and stores into an empty database.
func newTestRun(source domain.EventSource) *testRun {
	db := domaintest.NewMemDatabase()
	return &testRun{db: db, store: db.Store(), source: source}
}

func (r *testRun) config() telemetry.Config {
	return telemetry.Config{Stream: domain.StreamID{Source: "test"}, Version: "v1.2.3", Warn: r.warnings.add}
}

// execute runs the stream once and traces it, as cmd/pawl does. Then it closes tracing.
func (r *testRun) execute(ctx context.Context, tracing *telemetry.Tracing) (domain.Summary, error) {
	defer tracing.Close()
	return tracing.Runner(ingest.New(
		tracing.Source(r.source, endpoint), domaintest.LineDecoder{}, tracing.Store(r.store), tracing.Observer(silentObserver{}),
		ingest.Options{
			Stream: domain.StreamID{Source: "test"}, SourceURL: "https://api.example:8443/v1", PageSize: 2,
			// With this jitter the waits after failures are 0.25 s, 0.5 s, and so on.
			Retry:  retry.Policy{Tries: 3, MaxWait: time.Hour, Jitter: func() float64 { return 0.5 }},
			Outage: retry.Policy{Tries: 3, Jitter: func() float64 { return 0.5 }},
		},
	)).Run(ctx)
}

// executeAndCollect runs the stream once with a Tracing of its own and returns the spans. A warning fails the test.
func (r *testRun) executeAndCollect(t *testing.T) (tracetest.SpanStubs, error) {
	t.Helper()
	c := newCollector()
	_, err := r.execute(t.Context(), telemetry.New(t.Context(), r.config(), c))
	if got := r.warnings.all(); len(got) > 0 {
		t.Errorf("got warnings %q, want none", got)
	}
	return c.GetSpans(), err
}

// traceIDs returns the trace id of each row in the ledger.
func (r *testRun) traceIDs() (ids []string) {
	for _, row := range r.db.Ledger() {
		ids = append(ids, row.TraceID)
	}
	return ids
}

// A silentObserver ignores everything.
type silentObserver struct{}

func (silentObserver) Claimed(domain.Checkpoint)                   {}
func (silentObserver) Fetching(domain.Position)                    {}
func (silentObserver) Storing(domain.Batch)                        {}
func (silentObserver) CursorLost(domain.Position)                  {}
func (silentObserver) Waiting(retry.Wait)                          {}
func (silentObserver) WaitingToStore(retry.Wait)                   {}
func (silentObserver) Committed(domain.Batch, domain.CommitResult) {}

// warnings collects the problems and causes that Config.Warn receives.
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

// A collector is an InMemoryExporter that keeps its spans when it is shut down.
type collector struct{ *tracetest.InMemoryExporter }

var _ sdktrace.SpanExporter = collector{}

func newCollector() collector { return collector{tracetest.NewInMemoryExporter()} }

// Shutdown implements sdktrace.SpanExporter.
func (c collector) Shutdown(context.Context) error { return nil }

// findSpans returns the spans with this name, in the order of their start times.
func findSpans(spans tracetest.SpanStubs, name string) (found tracetest.SpanStubs) {
	for _, s := range spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	slices.SortStableFunc(found, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	return found
}

// traceLines describes the trace of a page, one span or wait per line: the page's span, the page's waits, and then its child spans in the
// order of their start times. It shows only some attributes, in the form of attributeText.
func traceLines(spans tracetest.SpanStubs, page tracetest.SpanStub) []string {
	lines := []string{
		spanLine(page, "pawl.seq", "pawl.requests", "pawl.retries", "pawl.rate_limited", "pawl.waited_seconds", "error.type"),
	}
	for _, wait := range page.Events {
		lines = append(lines, wait.Name+attributeText(wait.Attributes, "error.type", "pawl.wait_seconds"))
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

// spanLine returns the name of a span, followed by its attributes with these keys.
func spanLine(s tracetest.SpanStub, keys ...string) string {
	return s.Name + attributeText(s.Attributes, keys...)
}

// attributeText returns the attributes with these keys in the form " seq=1 requests=4". It omits the first part of each key, so
// pawl.seq becomes seq. It also omits attributes that the span does not have.
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

// attributeValue returns the value of the attribute with this key as text, or "" if there is no such attribute.
func attributeValue(attributes []attribute.KeyValue, key string) string {
	for _, a := range attributes {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}
