package ingest_test

import (
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
		for range 2 { // each use is a walk of its own
			*seen = log{}
			var positions []int64
			for step, err := range walk {
				if err != nil {
					t.Fatal(err)
				}
				positions = append(positions, step.To.Position)
			}
			if len(seen.passes) == 0 { // the second walk meets no trouble
				break
			}
			if want := []int64{2, 4, 2, 4, 6}; !slices.Equal(positions, want) {
				t.Errorf("positions %v, want %v", positions, want)
			}
			if len(seen.waits) != 2 || len(b.seen.waits) != 2 || seen.waits[1].For != b.seen.waits[1].For {
				t.Errorf("waits %v, a run's %v", seen.waits, b.seen.waits)
			}
			if !slices.Equal(walked.Requests(), ran.Requests()) {
				t.Errorf("asked for %v, a run for %v", walked.Requests(), ran.Requests())
			}
		}
	})
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
