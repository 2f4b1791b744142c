package telemetry

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/pawldata/pawl/internal/domain"
)

// A source is a domain.EventSource whose requests are spans.
type source struct {
	next    domain.EventSource
	tracing *Tracing
	request []attribute.KeyValue
}

// Source is next, traced: each request it sends is a client span, and the pages' receipts name their trace. endpoint is
// the URL that next gets pages from, without query and user.
func (t *Tracing) Source(next domain.EventSource, endpoint string) domain.EventSource {
	request := []attribute.KeyValue{semconv.HTTPRequestMethodGet, semconv.URLFull(endpoint)}
	if u, err := url.Parse(endpoint); err == nil {
		request = append(request, semconv.ServerAddress(u.Hostname()))
		if port, err := strconv.Atoi(u.Port()); err == nil {
			request = append(request, semconv.ServerPort(port))
		}
	}
	return &source{next: next, tracing: t, request: request}
}

// FetchPage implements domain.EventSource.
func (s *source) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	t := s.tracing
	t.beginPage(ctx)
	within, began := t.withinPage(ctx), time.Now()
	page, err := s.next.FetchPage(within, req)
	s.sent(within, began, page, err)
	if kind := domain.KindOf(err); kind == domain.CursorExpired || kind == domain.CursorInvalid {
		t.endPage(err) // the page is given up, while the run may go on with another one
	}
	if err == nil && t.page.SpanContext().IsSampled() {
		page.Receipt.TraceID = t.page.SpanContext().TraceID().String()
	}
	return page, err
}

// sent makes the span afterwards, as only then it is known whether a request was sent at all.
func (s *source) sent(ctx context.Context, began time.Time, page domain.Page, err error) {
	refusal := domain.AsError(err)
	if refusal != nil && refusal.Unsent {
		return
	}
	_, span := s.tracing.tracer.Start(ctx, http.MethodGet,
		trace.WithTimestamp(began), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(s.request...))
	defer span.End()
	status := page.Receipt.Status
	if refusal != nil {
		status = refusal.Status
	}
	if status != 0 {
		span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	}
	if err != nil {
		failed(span, err, status)
		return
	}
	span.SetAttributes(
		semconv.HTTPResponseBodySize(int(page.Receipt.Bytes)),
		attribute.String("pawl.request_id", page.Receipt.RequestID))
}
