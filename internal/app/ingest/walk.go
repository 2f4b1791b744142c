package ingest

import (
	"context"
	"iter"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// Walk reads a stream from its head to an end it believes, and stores nothing: the same pages in the same order, with the
// same waits and tries, as a Run that begins at the head. pageSize is the number of records to ask for in one page.
//
// A cursor the upstream no longer takes begins another pass from the head, so whoever compares or counts begins anew when
// Step.From.Pass changes; the first is 1. It ends after the first error it yields. Each use is a walk of its own.
func Walk(
	ctx context.Context, source domain.EventSource, observer WalkObserver, pageSize int, policy retry.Policy,
) iter.Seq2[domain.Step, error] {
	return func(yield func(domain.Step, error) bool) {
		p := &pages{source: source, policy: policy, observer: observer, limit: pageSize}
		p.from(ctx, domain.Place{Pass: 1})(yield)
	}
}
