package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/pawldata/pawl/internal/domain"
)

// A Runner runs a stream once and gives account.
type Runner interface {
	Run(ctx context.Context) (domain.Summary, error)
}

type runner struct {
	next    Runner
	tracing *Tracing
}

// Runner is next, traced: a run is a span, which the pages' traces link to and which carries its outcome.
func (t *Tracing) Runner(next Runner) Runner { return &runner{next, t} }

// Run implements Runner.
func (r *runner) Run(ctx context.Context) (domain.Summary, error) {
	t := r.tracing
	ctx, t.run = t.tracer.Start(ctx, "pawl run", trace.WithAttributes(streamKey.String(t.stream.String())))
	sum, err := r.next.Run(ctx)
	t.endPage(err)
	t.run.SetAttributes(attribute.Int64("pawl.pass", sum.Pass), seqKey.Int64(sum.Seq),
		attribute.Bool("pawl.done", sum.Done), attribute.Int64("pawl.pages", sum.Pages))
	t.run.SetAttributes(counts(sum.Counts)...)
	t.run.SetAttributes(cost(sum.Traffic)...)
	if err != nil {
		failed(t.run, err, 0)
	}
	t.run.End()
	t.run = noop.Span{}
	return sum, err
}
