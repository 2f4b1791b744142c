package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"github.com/pawldata/pawl/internal/domain"
)

// A store is a domain.EventStore whose commits are spans.
type store struct {
	domain.EventStore

	tracing *Tracing
}

// Store is next, traced: each attempt to commit is a span in the page's trace.
func (t *Tracing) Store(next domain.EventStore) domain.EventStore { return &store{next, t} }

// Commit implements domain.EventStore.
func (s *store) Commit(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
	ctx, span := s.tracing.tracer.Start(s.tracing.withinPage(ctx), "commit", trace.WithAttributes(seqKey.Int64(b.TargetSeq())))
	defer span.End()
	res, err := s.EventStore.Commit(ctx, b)
	if err != nil {
		failed(span, err, 0)
	}
	return res, err
}
