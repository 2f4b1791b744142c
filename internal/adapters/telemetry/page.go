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

// beginPage starts a page's trace, unless the current page is requested again.
func (t *Tracing) beginPage(ctx context.Context) {
	if t.page != nil {
		return
	}
	_, t.page = t.tracer.Start(ctx, "pawl page", trace.WithNewRoot(), trace.WithLinks(trace.LinkFromContext(ctx)),
		trace.WithAttributes(streamKey.String(t.stream.String())))
}

// withPage returns ctx with the span of the current page, or ctx itself if there is no current page.
func (t *Tracing) withPage(ctx context.Context) context.Context {
	if t.page == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, t.page)
}

// addWait adds a wait of d because of err to the trace of the current page, or of the run if there is no page.
func (t *Tracing) addWait(d time.Duration, err error) {
	span := t.page
	if span == nil {
		span = t.run
	}
	span.AddEvent("waiting", trace.WithAttributes(
		attribute.Float64("pawl.wait_seconds", d.Seconds()), semconv.ErrorTypeKey.String(errorType(err))))
}

// endCommittedPage ends the trace of the current page, which was committed.
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

// endPage ends the trace of a page that was not committed because of err. It does nothing if there is no current page.
func (t *Tracing) endPage(err error) {
	if t.page == nil {
		return
	}
	setError(t.page, err, 0)
	t.page.End()
	t.page = nil
}

const (
	streamKey = attribute.Key("pawl.stream")
	seqKey    = attribute.Key("pawl.seq")
)

func countAttributes(c domain.Counts) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.Int64("pawl.received", c.Received), attribute.Int64("pawl.inserted", c.Inserted),
		attribute.Int64("pawl.duplicate", c.Duplicate), attribute.Int64("pawl.parked", c.Parked),
	}
}

func trafficAttributes(t domain.Traffic) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.Int("pawl.requests", t.Requests), attribute.Int("pawl.retries", t.Retries),
		attribute.Int("pawl.rate_limited", t.RateLimited), attribute.Float64("pawl.waited_seconds", t.Waited.Seconds()),
	}
}

// setError marks a span as failed. error.type is the HTTP status if it is an error status, else the error's kind.
func setError(span trace.Span, err error, status int) {
	kind := errorType(err)
	span.SetStatus(codes.Error, kind)
	if status >= http.StatusBadRequest {
		kind = strconv.Itoa(status)
	}
	span.SetAttributes(semconv.ErrorTypeKey.String(kind))
}

// errorType returns the kind of err in the spelling of attributes: words joined by underscores.
func errorType(err error) string { return strings.ReplaceAll(domain.KindOf(err).String(), " ", "_") }
