// Package telemetry tells of a run in OpenTelemetry traces: one for the run, and one for each page from its first request
// to its commit, linked to the run's. It wraps around the ports and the runner and changes nothing of what they do: a
// collector that is slow, dead or never was there costs traces, never a row, and at most flushTimeout at the end.
//
// A page's trace is its span "pawl page" with an event for each wait, below it a client span for each request that was
// sent and a span for each attempt to commit. No cursor, key or body is in them, and no error's text: the error's kind.
package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/pawldata/pawl/internal/domain"
)

const scope = "github.com/pawldata/pawl"

const (
	// flushTimeout is how long Close lets the collector take the last traces.
	flushTimeout = 2 * time.Second
	// flushGrace is for an exporter that was told to give up.
	flushGrace = time.Second
)

// A Config says whose runs are traced.
type Config struct {
	Stream  domain.StreamID
	Version string // of pawl

	// Warn is told what goes wrong with the traces, and why: at most once that they cannot be delivered. It may be called
	// from any goroutine until Close returns.
	Warn func(what string, why error)
}

// Tracing traces the runs of one stream, one run at a time: what it wraps is used from one goroutine, as the loop does.
type Tracing struct {
	stream   domain.StreamID
	tracer   trace.Tracer
	run      trace.Span // none is recording between runs
	page     trace.Span // in hand: asked for and not committed; nil if there is none
	provider *sdktrace.TracerProvider
	delivery *delivery
}

// off traces nothing and holds nothing.
func off() *Tracing {
	return &Tracing{tracer: noop.Tracer{}, run: noop.Span{}}
}

// New traces into exporter, which is used from a goroutine of its own until Close. What of OTEL_* concerns resource,
// sampling, batches and limits holds.
func New(ctx context.Context, cfg Config, exporter sdktrace.SpanExporter) *Tracing {
	who, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(semconv.ServiceName("pawl"), semconv.ServiceVersion(cfg.Version)),
		resource.WithFromEnv(), // last, so that it prevails
	)
	if err != nil {
		cfg.Warn("OTEL_RESOURCE_ATTRIBUTES is not taken in whole", err)
	}
	delivery := newDelivery(exporter, cfg.Warn)
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(delivery), sdktrace.WithResource(who))
	return &Tracing{
		stream:   cfg.Stream,
		tracer:   provider.Tracer(scope, trace.WithInstrumentationVersion(cfg.Version)),
		run:      noop.Span{},
		provider: provider,
		delivery: delivery,
	}
}

// Close delivers what has not been delivered yet, if that takes no longer than flushTimeout, and ends what New began. It
// is called once, when no run is under way.
func (t *Tracing) Close() {
	if t.provider == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout+flushGrace)
	defer cancel()
	defer time.AfterFunc(flushTimeout, t.delivery.giveUp).Stop()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.delivery.failed(err)
	}
}
