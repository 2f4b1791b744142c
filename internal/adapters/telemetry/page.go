package telemetry

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/pawldata/pawl/internal/domain"
)

// A pageSpans holds the root spans of the pages that are not committed yet.
type pageSpans struct {
	fetching trace.Span // of the page that is being fetched, or nil; only the goroutine that fetches uses this field
	storing  trace.Span // of the first page of the batch that is being stored, or nil; only the goroutine that stores uses this field

	mu      sync.Mutex
	fetched map[string]trace.Span // the spans of fetched pages, by the trace id in the page's receipt
}

// beginPage starts the trace of a page. If a page is being fetched already, beginPage does nothing: this is another request for that
// page after a failure, and belongs to the same trace.
func (t *Tracing) beginPage(ctx context.Context) {
	if t.pages.fetching != nil {
		return
	}
	_, t.pages.fetching = t.tracer.Start(ctx, "pawl page", trace.WithNewRoot(), trace.WithLinks(trace.LinkFromContext(ctx)),
		trace.WithAttributes(streamKey.String(t.stream.String())))
}

// endFetching records that the page is fetched, and returns the trace id for its receipt. If the trace is not sampled, endFetching ends
// the trace and returns "", because nothing of the trace is sent.
func (t *Tracing) endFetching() string {
	span := t.pages.fetching
	t.pages.fetching = nil
	if !span.SpanContext().IsSampled() {
		span.End()
		return ""
	}
	id := span.SpanContext().TraceID().String()
	t.pages.mu.Lock()
	defer t.pages.mu.Unlock()
	if t.pages.fetched == nil {
		t.pages.fetched = map[string]trace.Span{}
	}
	t.pages.fetched[id] = span
	return id
}

// failFetching ends the trace of the page that is being fetched and marks it as failed because of err. If no page is being fetched,
// failFetching does nothing.
func (t *Tracing) failFetching(err error) {
	if t.pages.fetching == nil {
		return
	}
	setError(t.pages.fetching, err, noStatus)
	t.pages.fetching.End()
	t.pages.fetching = nil
}

// spansOf returns the root spans of those pages whose trace is sampled.
func (t *Tracing) spansOf(pages []domain.DecodedPage) (spans []trace.Span) {
	t.pages.mu.Lock()
	defer t.pages.mu.Unlock()
	for _, page := range pages {
		if span, ok := t.pages.fetched[page.Receipt.TraceID]; ok {
			spans = append(spans, span)
		}
	}
	return spans
}

// beginStoring records that the batch is being stored. Until the next batch, each wait to store is an event of the first sampled page.
func (t *Tracing) beginStoring(batch domain.Batch) {
	t.pages.storing = nil
	if spans := t.spansOf(batch.Pages); len(spans) > 0 {
		t.pages.storing = spans[0]
	}
}

// addWait adds an event for a wait to a span, or to the run's span if span is nil. err is the reason for the wait.
func (t *Tracing) addWait(span trace.Span, wait time.Duration, err error) {
	if span == nil {
		span = t.runSpan
	}
	span.AddEvent("waiting", trace.WithAttributes(
		attribute.Float64("pawl.wait_seconds", wait.Seconds()), semconv.ErrorTypeKey.String(errorType(err))))
}

// endCommitted ends the traces of the pages of a committed batch.
func (t *Tracing) endCommitted(batch domain.Batch) {
	for i, page := range batch.Pages {
		seq := batch.Start.Seq + int64(i) + 1
		t.endPage(page.Receipt.TraceID, func(span trace.Span) {
			span.SetAttributes(seqKey.Int64(seq),
				attribute.Int64("pawl.pass", page.To.Pass), attribute.Int64("pawl.position", page.To.Offset),
				attribute.Int("pawl.received", page.Received))
			span.SetAttributes(trafficAttributes(page.Receipt.Traffic)...)
		})
	}
}

// endRejected ends the trace of a page that the store does not accept because of err. If the page is requested again, the new request
// begins another trace.
func (t *Tracing) endRejected(page domain.DecodedPage, err error) {
	t.endPage(page.Receipt.TraceID, func(span trace.Span) { setError(span, err, noStatus) })
}

// endAll ends the traces of all pages that were not committed, when the run has ended. err is the error of the run, or nil.
func (t *Tracing) endAll(err error) {
	t.failFetching(err)
	t.pages.storing = nil
	for id := range t.pages.fetched {
		t.endPage(id, func(span trace.Span) {
			if err == nil {
				span.AddEvent("dropped") // the run dropped the page, because an earlier page was requested again
				return
			}
			setError(span, err, noStatus)
		})
	}
}

// endPage calls complete with the root span of the trace with this id, and then ends the trace. It does nothing if there is no such trace.
func (t *Tracing) endPage(id string, complete func(trace.Span)) {
	t.pages.mu.Lock()
	defer t.pages.mu.Unlock()
	span, ok := t.pages.fetched[id]
	if !ok {
		return
	}
	complete(span)
	span.End()
	delete(t.pages.fetched, id)
}

const (
	streamKey = attribute.Key("pawl.stream")
	seqKey    = attribute.Key("pawl.seq")
)

func countAttributes(counts domain.Counts) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.Int64("pawl.received", counts.Received), attribute.Int64("pawl.inserted", counts.Inserted),
		attribute.Int64("pawl.duplicate", counts.Duplicate), attribute.Int64("pawl.parked", counts.Parked),
	}
}

func trafficAttributes(traffic domain.Traffic) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.Int("pawl.requests", traffic.Requests), attribute.Int("pawl.retries", traffic.Retries),
		attribute.Int("pawl.rate_limited", traffic.RateLimited), attribute.Float64("pawl.waited_seconds", traffic.Waited.Seconds()),
	}
}

// noStatus is the status of an error without an HTTP answer.
const noStatus = 0

// setError marks a span as failed because of err. If status is an HTTP error status, setError sets the attribute error.type to
// this status. Otherwise it sets error.type to the kind of err.
func setError(span trace.Span, err error, status int) {
	kind := errorType(err)
	span.SetStatus(codes.Error, kind)
	if status >= http.StatusBadRequest {
		kind = strconv.Itoa(status)
	}
	span.SetAttributes(semconv.ErrorTypeKey.String(kind))
}

// errorType returns the kind of err as the value of an attribute. It replaces spaces by underscores.
func errorType(err error) string { return strings.ReplaceAll(domain.KindOf(err).String(), " ", "_") }
