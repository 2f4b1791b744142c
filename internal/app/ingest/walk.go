package ingest

import (
	"context"
	"iter"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// storedUnknown is what a walk, which asks no database, knows of what is stored.
const storedUnknown = -1

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
		for step, err := range p.from(ctx, domain.Place{Pass: 1}, time.Time{}) {
			if err == nil && step.To.Done && p.refuse(step.End.Check(step.To, storedUnknown)) {
				continue
			}
			if !yield(step, err) {
				return
			}
		}
	}
}
