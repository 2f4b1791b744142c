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
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// A Runner is an [ingest.Runner] whose runs are traced.
type Runner struct {
	next    *ingest.Runner
	tracing *Tracing
}

// Runner returns next, traced. A run is a span with the run's result. The traces of its pages link to it. The source, the
// store and the observer of next must be those that [Tracing.Source], [Tracing.Store] and [Tracing.Observer] return.
func (t *Tracing) Runner(next *ingest.Runner) *Runner { return &Runner{next, t} }

// Run runs the stream as [ingest.Runner.Run] does.
func (r *Runner) Run(ctx context.Context) (domain.Summary, error) {
	t := r.tracing
	ctx, t.run = t.tracer.Start(ctx, "pawl run", trace.WithAttributes(streamKey.String(t.stream.String())))
	sum, err := r.next.Run(ctx)
	t.endPage(err)
	t.run.SetAttributes(attribute.Int64("pawl.pass", sum.Pass), seqKey.Int64(sum.Seq),
		attribute.Bool("pawl.done", sum.Done), attribute.Int64("pawl.pages", sum.Pages))
	t.run.SetAttributes(countAttributes(sum.Counts)...)
	t.run.SetAttributes(trafficAttributes(sum.Traffic)...)
	if err != nil {
		setError(t.run, err, 0)
	}
	t.run.End()
	t.run = noop.Span{}
	return sum, err
}

// A source is a domain.EventSource whose requests are traced.
type source struct {
	next    domain.EventSource
	tracing *Tracing
	request []attribute.KeyValue
}

// Source returns next, traced. Each request that next sends is a client span, and each page's receipt names its trace.
// endpoint is the URL that next reads pages from, without query and user.
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
	ctx, began := t.withPage(ctx), time.Now()
	page, err := s.next.FetchPage(ctx, req)
	s.addRequest(ctx, began, page, err)
	if kind := domain.KindOf(err); kind == domain.CursorExpired || kind == domain.CursorInvalid {
		t.endPage(err) // the run may continue from the head, with another page
	}
	if err == nil && t.page.SpanContext().IsSampled() {
		page.Receipt.TraceID = t.page.SpanContext().TraceID().String()
	}
	return page, err
}

// addRequest adds the span of a request that began at began. It does so after the answer, because only then it is known
// whether the request was sent.
func (s *source) addRequest(ctx context.Context, began time.Time, page domain.Page, err error) {
	failure := domain.AsError(err)
	if failure != nil && failure.Unsent {
		return
	}
	_, span := s.tracing.tracer.Start(ctx, http.MethodGet,
		trace.WithTimestamp(began), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(s.request...))
	defer span.End()
	status := page.Receipt.Status
	if failure != nil {
		status = failure.Status
	}
	if status != 0 {
		span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	}
	if err != nil {
		setError(span, err, status)
		return
	}
	span.SetAttributes(
		semconv.HTTPResponseBodySize(int(page.Receipt.Bytes)),
		attribute.String("pawl.request_id", page.Receipt.RequestID))
}

// A store is a domain.EventStore whose commits are traced.
type store struct {
	domain.EventStore

	tracing *Tracing
}

// Store returns next, traced. Each attempt to commit is a span in the page's trace.
func (t *Tracing) Store(next domain.EventStore) domain.EventStore { return &store{next, t} }

// Commit implements domain.EventStore.
func (s *store) Commit(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
	ctx, span := s.tracing.tracer.Start(s.tracing.withPage(ctx), "commit", trace.WithAttributes(seqKey.Int64(b.TargetSeq())))
	defer span.End()
	res, err := s.EventStore.Commit(ctx, b)
	if err != nil {
		setError(span, err, 0)
	}
	return res, err
}

// An observer is an ingest.Observer that adds to the traces what no port reports: waits, and pages that became durable.
type observer struct {
	ingest.Observer

	tracing *Tracing
}

// Observer returns next, traced. Each wait is an event in the trace of the page that waits, and a commit ends that trace.
func (t *Tracing) Observer(next ingest.Observer) ingest.Observer { return &observer{next, t} }

// Waiting implements ingest.Observer.
func (o *observer) Waiting(w retry.Wait) {
	o.tracing.addWait(w.For, w.Err)
	o.Observer.Waiting(w)
}

// Committed implements ingest.Observer.
func (o *observer) Committed(page domain.DecodedPage, res domain.CommitResult) {
	o.tracing.endCommittedPage(page, res)
	o.Observer.Committed(page, res)
}
