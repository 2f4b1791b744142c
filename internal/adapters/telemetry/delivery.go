package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

var errFlushTimeout = fmt.Errorf("the collector did not answer within %s at the end of the run", flushTimeout)

// A delivery is a span exporter that calls warn with its first error. It hides all errors from the SDK, which would print each of them.
type delivery struct {
	sdktrace.SpanExporter

	warn      func(problem string, cause error)
	warned    sync.Once
	cancelled chan struct{} // closed by cancel
	cancel    func()        // ends the exports in progress and all later ones; a second call does nothing
}

func newDelivery(exporter sdktrace.SpanExporter, warn func(string, error)) *delivery {
	cancelled := make(chan struct{})
	return &delivery{
		SpanExporter: exporter, warn: warn, cancelled: cancelled, cancel: sync.OnceFunc(func() { close(cancelled) }),
	}
}

// ExportSpans implements sdktrace.SpanExporter. It drops spans that it cannot deliver. Its error is always nil.
func (d *delivery) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	exported := make(chan struct{})
	defer close(exported)
	go func() { // ends when ExportSpans returns
		select {
		case <-d.cancelled:
			cancel(errFlushTimeout)
		case <-exported:
		}
	}()
	if err := d.SpanExporter.ExportSpans(ctx, spans); err != nil {
		if errors.Is(context.Cause(ctx), errFlushTimeout) {
			err = errFlushTimeout
		}
		d.warnOnce(err)
	}
	return nil
}

// warnOnce calls d.warn with err, but only in its first call.
func (d *delivery) warnOnce(err error) {
	d.warned.Do(func() { d.warn("the collector does not take the traces; the run continues without them", err) })
}
