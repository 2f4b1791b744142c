package telemetry

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/pawldata/pawl/internal/domain"
)

// beginPage begins a trace, unless the page in hand is being asked for again.
func (t *Tracing) beginPage(ctx context.Context) {
	if t.page != nil {
		return
	}
	_, t.page = t.tracer.Start(ctx, "pawl page", trace.WithNewRoot(), trace.WithLinks(trace.LinkFromContext(ctx)),
		trace.WithAttributes(streamKey.String(t.stream.String())))
}

// withinPage is ctx in the trace of the page in hand.
func (t *Tracing) withinPage(ctx context.Context) context.Context {
	if t.page == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, t.page)
}

// endPage ends the trace of a page that was not committed.
func (t *Tracing) endPage(err error) {
	if t.page == nil {
		return
	}
	failed(t.page, err, 0)
	t.page.End()
	t.page = nil
}

// Waiting tells of a wait for err's sake, in the trace of the page that waits.
func (t *Tracing) Waiting(d time.Duration, err error) {
	waits := t.page
	if waits == nil {
		waits = t.run
	}
	waits.AddEvent("waiting", trace.WithAttributes(
		attribute.Float64("pawl.wait_seconds", d.Seconds()), semconv.ErrorTypeKey.String(word(err))))
}

// Committed ends the trace of a page that has become durable.
func (t *Tracing) Committed(page domain.DecodedPage, res domain.CommitResult) {
	if t.page == nil {
		return
	}
	t.page.SetAttributes(seqKey.Int64(res.Checkpoint.Seq),
		attribute.Int64("pawl.pass", page.To.Pass), attribute.Int64("pawl.position", page.To.Offset))
	t.page.SetAttributes(counts(res.Counts)...)
	t.page.SetAttributes(cost(page.Receipt.Traffic)...)
	t.page.End()
	t.page = nil
}

const (
	streamKey = attribute.Key("pawl.stream")
	seqKey    = attribute.Key("pawl.seq")
)

func counts(t domain.Counts) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.Int64("pawl.received", t.Received), attribute.Int64("pawl.inserted", t.Inserted),
		attribute.Int64("pawl.duplicate", t.Duplicate), attribute.Int64("pawl.parked", t.Parked),
	}
}

func cost(t domain.Traffic) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.Int("pawl.requests", t.Requests), attribute.Int("pawl.retries", t.Retries),
		attribute.Int("pawl.rate_limited", t.RateLimited), attribute.Float64("pawl.waited_seconds", t.Waited.Seconds()),
	}
}

// failed marks a span by the error's kind or, if there is one, by the HTTP status that says more.
func failed(span trace.Span, err error, status int) {
	kind := word(err)
	span.SetStatus(codes.Error, kind)
	if status >= http.StatusBadRequest {
		kind = strconv.Itoa(status)
	}
	span.SetAttributes(semconv.ErrorTypeKey.String(kind))
}

// word is an error's kind as attributes are spelt.
func word(err error) string { return strings.ReplaceAll(domain.KindOf(err).String(), " ", "_") }
