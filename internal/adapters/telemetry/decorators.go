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

// A Runner runs an [ingest.Runner] and traces its runs.
type Runner struct {
	next    *ingest.Runner
	tracing *Tracing
}

// Runner returns a runner that traces each run of next as a span with the run's result. The traces of the run's pages link to
// that span. next must use the source, the store and the observer that [Tracing.Source], [Tracing.Store] and
// [Tracing.Observer] return.
func (t *Tracing) Runner(next *ingest.Runner) *Runner { return &Runner{next, t} }

// Run calls [ingest.Runner.Run] and returns its results.
func (r *Runner) Run(ctx context.Context) (domain.Summary, error) {
	tracing := r.tracing
	ctx, span := tracing.tracer.Start(ctx, "pawl run", trace.WithAttributes(streamKey.String(tracing.stream.String())))
	tracing.runSpan = span
	sum, err := r.next.Run(ctx)
	tracing.endFailedPage(err)
	span.SetAttributes(attribute.Int64("pawl.pass", sum.Pass), seqKey.Int64(sum.Seq),
		attribute.Bool("pawl.done", sum.Done), attribute.Int64("pawl.pages", sum.Pages))
	span.SetAttributes(countAttributes(sum.Counts)...)
	span.SetAttributes(trafficAttributes(sum.Traffic)...)
	if err != nil {
		setError(span, err, noStatus)
	}
	span.End()
	tracing.runSpan = noop.Span{}
	return sum, err
}

// A source is a domain.EventSource that traces its requests.
type source struct {
	next       domain.EventSource
	tracing    *Tracing
	attributes []attribute.KeyValue // the attributes of each request's span
}

// Source returns a source that traces each request of next as a client span. If a page's trace is sampled, the source writes the
// trace id into the page's receipt. endpoint is the URL that next reads pages from, without query and user.
func (t *Tracing) Source(next domain.EventSource, endpoint string) domain.EventSource {
	attributes := []attribute.KeyValue{semconv.HTTPRequestMethodGet, semconv.URLFull(endpoint)}
	if u, err := url.Parse(endpoint); err == nil {
		attributes = append(attributes, semconv.ServerAddress(u.Hostname()))
		if port, err := strconv.Atoi(u.Port()); err == nil {
			attributes = append(attributes, semconv.ServerPort(port))
		}
	}
	return &source{next: next, tracing: t, attributes: attributes}
}

// FetchPage implements domain.EventSource.
func (s *source) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	tracing := s.tracing
	tracing.beginPage(ctx)
	ctx = tracing.contextWithPage(ctx)
	began := time.Now()
	page, err := s.next.FetchPage(ctx, req)
	s.addRequest(ctx, began, page, err)
	if kind := domain.KindOf(err); kind == domain.CursorExpired || kind == domain.CursorInvalid {
		tracing.endFailedPage(err) // the run does not request this page again: it may go on with the first page of the stream
	}
	if err == nil && tracing.pageSpan.SpanContext().IsSampled() {
		page.Receipt.TraceID = tracing.pageSpan.SpanContext().TraceID().String()
	}
	return page, err
}

// addRequest adds the span of a request that began at began. If the request was not sent, it adds no span. It is called after
// the answer, because only the answer shows whether the request was sent.
func (s *source) addRequest(ctx context.Context, began time.Time, page domain.Page, err error) {
	failure := domain.AsError(err)
	if failure != nil && failure.Unsent {
		return
	}
	_, span := s.tracing.tracer.Start(ctx, http.MethodGet,
		trace.WithTimestamp(began), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(s.attributes...))
	defer span.End()
	status := page.Receipt.Status
	if failure != nil {
		status = failure.Status
	}
	if status != noStatus {
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

// A store is a domain.EventStore that traces its commits.
type store struct {
	domain.EventStore

	tracing *Tracing
}

// Store returns a store that traces each attempt of next to commit as a span in the page's trace.
func (t *Tracing) Store(next domain.EventStore) domain.EventStore { return &store{next, t} }

// Commit implements domain.EventStore.
func (s *store) Commit(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
	ctx, span := s.tracing.tracer.Start(s.tracing.contextWithPage(ctx), "commit", trace.WithAttributes(seqKey.Int64(b.TargetSeq())))
	defer span.End()
	res, err := s.EventStore.Commit(ctx, b)
	if err != nil {
		setError(span, err, noStatus)
	}
	return res, err
}

// An observer is an ingest.Observer that adds the waits to the traces and ends the trace of a page that was committed. The source
// and the store cannot do this, because they are not informed of waits and of the end of a page.
type observer struct {
	ingest.Observer

	tracing *Tracing
}

// Observer returns an observer that calls next. It traces each wait as an event in the trace of the current page, or of the
// run if there is no current page. When a page was committed, it ends the page's trace.
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
