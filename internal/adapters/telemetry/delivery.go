package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

var errGivenUp = fmt.Errorf("it did not answer within %s at the end of the run", flushTimeout)

// A delivery is an exporter whose failures are told once and go no further: the SDK would print each.
type delivery struct {
	sdktrace.SpanExporter

	warn   func(what string, why error)
	told   sync.Once
	ended  chan struct{} // closed when the collector is not worth waiting for any more
	giveUp func()        // closes it
}

func newDelivery(exporter sdktrace.SpanExporter, warn func(string, error)) *delivery {
	ended := make(chan struct{})
	return &delivery{SpanExporter: exporter, warn: warn, ended: ended, giveUp: sync.OnceFunc(func() { close(ended) })}
}

// ExportSpans implements sdktrace.SpanExporter. Spans that cannot be delivered are dropped.
func (d *delivery) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	exported := make(chan struct{})
	defer close(exported)
	go func() {
		select {
		case <-d.ended:
			cancel(errGivenUp)
		case <-exported:
		}
	}()
	if err := d.SpanExporter.ExportSpans(ctx, spans); err != nil {
		if errors.Is(context.Cause(ctx), errGivenUp) {
			err = errGivenUp
		}
		d.failed(err)
	}
	return nil
}

func (d *delivery) failed(err error) {
	d.told.Do(func() { d.warn("the collector does not take the traces; the run goes on without them", err) })
}
