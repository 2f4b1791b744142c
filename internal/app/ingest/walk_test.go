package ingest_test

import (
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestAWalkReadsAsARunDoes: the same requests, waits and new passes, and nothing is stored.
func TestAWalkReadsAsARunDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		troubled := func() *domaintest.ScriptedSource {
			return domaintest.NewCleanStream(6, 2).
				At("2", domaintest.FailWith(domain.Transient), domaintest.RefuseFor(time.Minute)).
				At("4", domaintest.FailWith(domain.CursorExpired))
		}
		ran, walked := troubled(), troubled()
		b := newBench()
		if _, err := b.run(t.Context(), ran); err != nil {
			t.Fatal(err)
		}
		seen := &log{}
		walk := ingest.Walk(t.Context(), walked, seen, b.opts.PageSize, b.opts.Retry)
		if got, want := positions(t, walk), []int64{2, 4, 2, 4, 6}; !slices.Equal(got, want) {
			t.Errorf("positions %v, want %v", got, want)
		}
		if len(seen.waits) != 2 || len(b.seen.waits) != 2 || seen.waits[1].For != b.seen.waits[1].For || len(seen.passes) != 1 {
			t.Errorf("waits %v, a run's %v", seen.waits, b.seen.waits)
		}
		if !slices.Equal(walked.Requests(), ran.Requests()) {
			t.Errorf("asked for %v, a run for %v", walked.Requests(), ran.Requests())
		}
		if got, want := positions(t, walk), []int64{2, 4, 6}; !slices.Equal(got, want) { // each use is a walk of its own
			t.Errorf("the second time positions %v, want %v", got, want)
		}
	})
}

func positions(t *testing.T, walk iter.Seq2[domain.Step, error]) (all []int64) {
	t.Helper()
	for step, err := range walk {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, step.To.Position)
	}
	return all
}

func TestAWalkEndsWithItsError(t *testing.T) {
	t.Parallel()
	source := domaintest.NewCleanStream(4, 2).At("2", domaintest.FailWith(domain.Unauthorized))
	var kinds []domain.Kind
	for _, err := range ingest.Walk(t.Context(), source, &log{}, 2, newBench().opts.Retry) {
		kinds = append(kinds, domain.KindOf(err))
	}
	if want := []domain.Kind{domain.Unknown, domain.Unauthorized}; !slices.Equal(kinds, want) {
		t.Errorf("it yields %v", kinds)
	}
}
