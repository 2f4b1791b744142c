// Package telemetry describes a run in OpenTelemetry traces. The run has one trace, and each page has its own. The trace of a page
// begins with the page's first request, ends with its commit, and links to the run's trace. The package wraps the ports and the runner
// and does not change what they do. If a collector is slow, unreachable or broken, traces are lost, but no rows. The end of the run then
// takes at most flushTimeout plus flushGrace longer.
//
// A page's trace has the root span "pawl page", with an event for each wait: for the rate limit, or before a retry. Its child
// spans are one client span for each request that was sent, and one span for each attempt to commit. If several pages are
// committed together, this span is in the trace of the first page, with links to the others. The spans contain no cursor, no key
// and no body. They contain the kind of an error, but never its text.
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

// scope is the name of pawl's tracer.
const scope = "github.com/pawldata/pawl"

const (
	// flushTimeout is how long Close gives the collector to receive the last traces.
	flushTimeout = 2 * time.Second
	// flushGrace is how much longer Close waits for the exporter to return, after Close has cancelled it.
	flushGrace = time.Second
)

// A Config describes the runs to trace.
type Config struct {
	Stream  domain.StreamID
	Version string // the version of pawl

	// Warn is called with each problem and its cause. A failed delivery is reported only once. Warn may be called from any
	// goroutine until Close returns.
	Warn func(problem string, cause error)
}

// Tracing traces the runs of one stream, one run at a time. One goroutine may fetch while another one stores.
type Tracing struct {
	stream   domain.StreamID
	tracer   trace.Tracer
	runSpan  trace.Span // the span of the current run; a no-op span between runs
	pages    pageSpans
	provider *sdktrace.TracerProvider
	delivery *delivery
}

// Open returns a Tracing that follows the OTEL_* variables of the process's environment. The Tracing traces only if these variables name
// an exporter or an OTLP endpoint, and do not disable the SDK. If a variable is malformed, Open calls cfg.Warn, and the Tracing may trace
// nothing. Open does not connect to the collector. The caller must call Close.
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

// isRequested reports whether the environment asks for traces. Without this check the SDK would send traces to localhost if
// no variable is set.
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
	return &Tracing{tracer: noop.Tracer{}, runSpan: noop.Span{}}
}

// New returns a Tracing that sends spans to exporter, and starts a goroutine that sends them until Close. The Tracing follows the OTEL_*
// variables for the resource, sampling, batches and limits.
func New(ctx context.Context, cfg Config, exporter sdktrace.SpanExporter) *Tracing {
	res, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(semconv.ServiceName("pawl"), semconv.ServiceVersion(cfg.Version)),
		resource.WithFromEnv(), // the last option, so that the environment overrides the attributes above
	)
	if err != nil {
		cfg.Warn("a part of OTEL_RESOURCE_ATTRIBUTES is ignored", err)
	}
	delivery := newDelivery(exporter, cfg.Warn)
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(delivery), sdktrace.WithResource(res))
	return &Tracing{
		stream:   cfg.Stream,
		tracer:   provider.Tracer(scope, trace.WithInstrumentationVersion(cfg.Version)),
		runSpan:  noop.Span{},
		provider: provider,
		delivery: delivery,
	}
}

// Close sends the spans that were not sent yet and stops the goroutine that New started. It waits at most flushTimeout for the
// collector, and then at most flushGrace for the exporter to return. The caller must call Close once, when no run is in progress.
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

// ReportSDKErrors makes the SDK report its errors to warn, instead of writing them to standard error in its own format. The SDK
// has a logger and an error handler. It gives the logger only errors about OTEL_* variables. Both are the same for the whole
// process, so only main should call ReportSDKErrors.
func ReportSDKErrors(warn func(problem string, cause error)) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { warn("OpenTelemetry reports an error", err) }))
	otel.SetLogger(logr.New(errorSink{warn}))
}

// An errorSink is a logr.LogSink that passes errors to warn and ignores everything else. It passes only the message, because the error
// and its key-value pairs may contain the variable's value, which may be a header with a secret key.
type errorSink struct {
	warn func(problem string, cause error)
}

func (s errorSink) Init(logr.RuntimeInfo)          {}
func (s errorSink) Enabled(int) bool               { return false } // logr asks it before Info, but not before Error
func (s errorSink) Info(int, string, ...any)       {}
func (s errorSink) WithValues(...any) logr.LogSink { return s }
func (s errorSink) WithName(string) logr.LogSink   { return s }
func (s errorSink) Error(_ error, msg string, _ ...any) {
	s.warn("OpenTelemetry ignores a malformed OTEL_* variable", errors.New(msg))
}
