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

// beginPage starts the trace of a page. If there is a current page already, the request repeats it, and beginPage does nothing.
func (t *Tracing) beginPage(ctx context.Context) {
	if t.page != nil {
		return
	}
	_, t.page = t.tracer.Start(ctx, "pawl page", trace.WithNewRoot(), trace.WithLinks(trace.LinkFromContext(ctx)),
		trace.WithAttributes(streamKey.String(t.stream.String())))
}

// contextWithPage returns ctx with the span of the current page, or ctx itself if there is no current page.
func (t *Tracing) contextWithPage(ctx context.Context) context.Context {
	if t.page == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, t.page)
}

// addWait adds a wait as an event to the span of the current page. If there is no current page, it adds it to the run's span.
// err is the reason for the wait.
func (t *Tracing) addWait(wait time.Duration, err error) {
	span := t.page
	if span == nil {
		span = t.run
	}
	span.AddEvent("waiting", trace.WithAttributes(
		attribute.Float64("pawl.wait_seconds", wait.Seconds()), semconv.ErrorTypeKey.String(errorType(err))))
}

// endCommittedPage ends the trace of the current page after its commit. It does nothing if there is no current page.
func (t *Tracing) endCommittedPage(page domain.DecodedPage, res domain.CommitResult) {
	if t.page == nil {
		return
	}
	t.page.SetAttributes(seqKey.Int64(res.Checkpoint.Seq),
		attribute.Int64("pawl.pass", page.To.Pass), attribute.Int64("pawl.position", page.To.Offset))
	t.page.SetAttributes(countAttributes(res.Counts)...)
	t.page.SetAttributes(trafficAttributes(page.Receipt.Traffic)...)
	t.page.End()
	t.page = nil
}

// endPage ends the trace of the current page, which was not committed because of err. It does nothing if there is no current
// page.
func (t *Tracing) endPage(err error) {
	if t.page == nil {
		return
	}
	setError(t.page, err, noStatus)
	t.page.End()
	t.page = nil
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

// setError marks a span as failed because of err. It sets the attribute error.type to the HTTP status if that is an error
// status, else to the error's kind.
func setError(span trace.Span, err error, status int) {
	kind := errorType(err)
	span.SetStatus(codes.Error, kind)
	if status >= http.StatusBadRequest {
		kind = strconv.Itoa(status)
	}
	span.SetAttributes(semconv.ErrorTypeKey.String(kind))
}

// errorType returns the kind of err as the value of an attribute, with underscores for spaces.
func errorType(err error) string { return strings.ReplaceAll(domain.KindOf(err).String(), " ", "_") }
