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
func (t *Tracing) Runner(next *ingest.Runner) *Runner { return &Runner{next: next, tracing: t} }

// Run calls [ingest.Runner.Run] and returns its results.
func (r *Runner) Run(ctx context.Context) (domain.Summary, error) {
	tracing := r.tracing
	ctx, span := tracing.tracer.Start(ctx, "pawl run", trace.WithAttributes(streamKey.String(tracing.stream.String())))
	tracing.runSpan = span
	sum, err := r.next.Run(ctx)
	tracing.endAll(err)
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
	ctx = trace.ContextWithSpan(ctx, tracing.pages.fetching)
	began := time.Now()
	page, err := s.next.FetchPage(ctx, req)
	s.addRequest(ctx, began, page, err)
	kind := domain.KindOf(err)
	if cursorLost := kind == domain.CursorExpired || kind == domain.CursorInvalid; cursorLost || kind == domain.Stopped {
		tracing.failFetching(err) // the next request is for another page
	}
	if err == nil {
		page.Receipt.TraceID = tracing.endFetching()
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

// Store returns a store that traces each attempt of next to commit a batch. The attempt is a span in the trace of the batch's first page,
// with links to the traces of the other pages. Pages whose traces are not sampled do not count. Without a sampled page there is no span.
func (t *Tracing) Store(next domain.EventStore) domain.EventStore {
	return &store{EventStore: next, tracing: t}
}

// Commit implements domain.EventStore.
func (s *store) Commit(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
	pageSpans := s.tracing.spansOf(b.Pages)
	if len(pageSpans) == 0 {
		return s.EventStore.Commit(ctx, b)
	}
	var links []trace.Link
	for _, other := range pageSpans[1:] {
		links = append(links, trace.Link{SpanContext: other.SpanContext()})
	}
	ctx, span := s.tracing.tracer.Start(trace.ContextWithSpan(ctx, pageSpans[0]), "commit", trace.WithLinks(links...),
		trace.WithAttributes(seqKey.Int64(b.TargetSeq()), attribute.Int("pawl.pages", len(b.Pages))))
	defer span.End()
	res, err := s.EventStore.Commit(ctx, b)
	if err != nil {
		setError(span, err, noStatus)
		kind := domain.KindOf(err)
		isRejected := kind == domain.BadPage || kind == domain.Unconfirmed
		if isRejected && len(b.Pages) == 1 { // of a larger batch, the run first commits each page alone
			s.tracing.endRejected(b.Pages[0], err) // the run requests this page again
		}
		return res, err
	}
	span.SetAttributes(countAttributes(res.Counts)...)
	return res, nil
}

// An observer is an ingest.Observer that adds the waits to the traces, and ends the traces of pages that were committed. The source and
// the store cannot do this, because they do not see the waits, nor that a batch is durable after a lost answer.
type observer struct {
	ingest.Observer

	tracing *Tracing
}

// Observer returns an observer that calls next. It traces a wait for the API as an event in the trace of the page that is being fetched.
// A wait to store is an event in the trace of the first page of the batch. If there is no such page, the event is in the trace of the
// run. When a batch was committed, the observer ends the traces of its pages.
func (t *Tracing) Observer(next ingest.Observer) ingest.Observer {
	return &observer{Observer: next, tracing: t}
}

// Waiting implements ingest.FetchObserver.
func (o *observer) Waiting(w retry.Wait) {
	o.tracing.addWait(o.tracing.pages.fetching, w.For, w.Err)
	o.Observer.Waiting(w)
}

// Storing implements ingest.StoreObserver.
func (o *observer) Storing(batch domain.Batch) {
	o.tracing.beginStoring(batch)
	o.Observer.Storing(batch)
}

// WaitingToStore implements ingest.StoreObserver.
func (o *observer) WaitingToStore(w retry.Wait) {
	o.tracing.addWait(o.tracing.pages.storing, w.For, w.Err)
	o.Observer.WaitingToStore(w)
}

// Committed implements ingest.StoreObserver.
func (o *observer) Committed(batch domain.Batch, res domain.CommitResult) {
	o.tracing.endCommitted(batch)
	o.Observer.Committed(batch, res)
}
