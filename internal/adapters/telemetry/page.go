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

// beginPage starts the trace of a page. A page that is fetched again after a failure keeps its trace, so beginPage does nothing
// if there is a current page.
func (t *Tracing) beginPage(ctx context.Context) {
	if t.pageSpan != nil {
		return
	}
	_, t.pageSpan = t.tracer.Start(ctx, "pawl page", trace.WithNewRoot(), trace.WithLinks(trace.LinkFromContext(ctx)),
		trace.WithAttributes(streamKey.String(t.stream.String())))
}

// contextWithPage returns ctx with the span of the current page, or ctx itself if there is no current page.
func (t *Tracing) contextWithPage(ctx context.Context) context.Context {
	if t.pageSpan == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, t.pageSpan)
}

// addWait adds an event for a wait to the span of the current page, or to the run's span if there is no current page. err is
// the reason for the wait.
func (t *Tracing) addWait(wait time.Duration, err error) {
	span := t.pageSpan
	if span == nil {
		span = t.runSpan
	}
	span.AddEvent("waiting", trace.WithAttributes(
		attribute.Float64("pawl.wait_seconds", wait.Seconds()), semconv.ErrorTypeKey.String(errorType(err))))
}

// endCommittedPage ends the trace of the current page after its commit. It does nothing if there is no current page.
func (t *Tracing) endCommittedPage(page domain.DecodedPage, res domain.CommitResult) {
	if t.pageSpan == nil {
		return
	}
	t.pageSpan.SetAttributes(seqKey.Int64(res.Checkpoint.Seq),
		attribute.Int64("pawl.pass", page.To.Pass), attribute.Int64("pawl.position", page.To.Offset))
	t.pageSpan.SetAttributes(countAttributes(res.Counts)...)
	t.pageSpan.SetAttributes(trafficAttributes(page.Receipt.Traffic)...)
	t.pageSpan.End()
	t.pageSpan = nil
}

// endFailedPage ends the trace of the current page, which was not committed because of err. It does nothing if there is no
// current page.
func (t *Tracing) endFailedPage(err error) {
	if t.pageSpan == nil {
		return
	}
	setError(t.pageSpan, err, noStatus)
	t.pageSpan.End()
	t.pageSpan = nil
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
