// Package telemetry describes a run in OpenTelemetry traces: one trace for the run, and one for each page from its first
// request to its commit, linked to the run's trace. It wraps the ports and the runner and does not change what they do. A
// collector that is slow, unreachable or broken costs traces, never a row, and at most flushTimeout at the end of a run.
//
// A page's trace has the root span "pawl page", with an event for each wait. Its child spans are one client span for each
// request that was sent, and one span for each attempt to commit. They hold no cursor, key or body, and of an error only its
// kind, never its text.
package telemetry

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
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
	// flushGrace is how much longer Close waits for an exporter that was cancelled to return.
	flushGrace = time.Second
)

// A Config describes the runs to trace.
type Config struct {
	Stream  domain.StreamID
	Version string // of pawl

	// Warn is called with each problem and its cause. A failed delivery is reported only once. Warn may be called from any
	// goroutine until Close returns.
	Warn func(problem string, cause error)
}

// Tracing traces the runs of one stream, one run at a time. The runner and the ports that it wraps must be used from one
// goroutine.
type Tracing struct {
	stream   domain.StreamID
	tracer   trace.Tracer
	run      trace.Span // a no-op span between runs
	page     trace.Span // the span of the page that was requested and is not committed yet; nil if there is none
	provider *sdktrace.TracerProvider
	delivery *delivery
}

// Open returns a Tracing that follows the OTEL_* variables of the process's environment. It traces only if they name an
// exporter or an OTLP endpoint and do not disable the SDK. A malformed variable is reported to cfg.Warn; at worst nothing is
// traced. Open connects to nothing. The caller must call Close.
func Open(ctx context.Context, cfg Config) *Tracing {
	if !isRequested() {
		return newDisabled()
	}
	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		cfg.Warn("nothing is traced: OTEL_TRACES_EXPORTER or an OTEL_EXPORTER_OTLP_… variable is wrong", err)
		return newDisabled()
	}
	if autoexport.IsNoneSpanExporter(exporter) {
		return newDisabled()
	}
	return New(ctx, cfg, exporter)
}

// isRequested reports whether the environment asks for traces. The SDK alone would send to localhost if no variable is set.
func isRequested() bool {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	for _, name := range []string{
		"OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
	} {
		if os.Getenv(name) != "" {
			return true
		}
	}
	return false
}

// newDisabled returns a Tracing that traces nothing and needs no Close.
func newDisabled() *Tracing {
	return &Tracing{tracer: noop.Tracer{}, run: noop.Span{}}
}

// New returns a Tracing that sends to exporter, from a goroutine of its own, until Close. It follows the OTEL_* variables
// for the resource, sampling, batches and limits.
func New(ctx context.Context, cfg Config, exporter sdktrace.SpanExporter) *Tracing {
	res, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(semconv.ServiceName("pawl"), semconv.ServiceVersion(cfg.Version)),
		resource.WithFromEnv(), // last, so that it prevails
	)
	if err != nil {
		cfg.Warn("OTEL_RESOURCE_ATTRIBUTES is used only in part", err)
	}
	delivery := newDelivery(exporter, cfg.Warn)
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(delivery), sdktrace.WithResource(res))
	return &Tracing{
		stream:   cfg.Stream,
		tracer:   provider.Tracer(scope, trace.WithInstrumentationVersion(cfg.Version)),
		run:      noop.Span{},
		provider: provider,
		delivery: delivery,
	}
}

// Close sends the spans that were not sent yet, for at most flushTimeout, and stops the goroutine that New started. It must
// be called once, when no run is in progress.
func (t *Tracing) Close() {
	if t.provider == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout+flushGrace)
	defer cancel()
	timer := time.AfterFunc(flushTimeout, t.delivery.cancel)
	defer timer.Stop()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.delivery.warnOnce(err)
	}
}

// ReportSDKErrors sends what the SDK reports about itself to warn: mostly that it ignores a malformed OTEL_* variable. Without
// this call the SDK writes to standard error in its own format. The setting is for the whole process, because the SDK offers
// no other way; only main should call it.
func ReportSDKErrors(warn func(problem string, cause error)) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { warn("OpenTelemetry reports an error", err) }))
	otel.SetLogger(logr.New(errorSink{warn}))
}

// An errorSink is a logr.LogSink for errors only. It passes on the message alone: the cause and the values repeat the
// variable, which may be a header that holds a key.
type errorSink struct {
	warn func(problem string, cause error)
}

func (s errorSink) Init(logr.RuntimeInfo)          {}
func (s errorSink) Enabled(int) bool               { return false }
func (s errorSink) Info(int, string, ...any)       {}
func (s errorSink) WithValues(...any) logr.LogSink { return s }
func (s errorSink) WithName(string) logr.LogSink   { return s }
func (s errorSink) Error(_ error, msg string, _ ...any) {
	s.warn("OpenTelemetry ignores a malformed OTEL_* variable", errors.New(msg))
}
