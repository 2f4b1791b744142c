package ingest_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestFetch_CycleRemedy checks that a run that begins at a stored cursor, and then finds a cycle of cursors, ends with the remedy to start
// the stream over. A run that begins at the head ends without it, because another run may find no cycle.
func TestFetch_CycleRemedy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		first := append([]domaintest.Answer{page(9, "a", "1"), page(9, "b", "2"), page(9, "a", "3")},
			slices.Repeat([]domaintest.Answer{page(9, "b", "2").NotAccepted()}, maxTries)...)
		_, err := f.run(t.Context(), newScript(t, first...))
		domaintest.CheckKind(t, err, domain.BadPage)
		if got := domain.RemedyOf(err); got != 0 {
			t.Errorf("a run from the head: got remedy %d, want none", got)
		}
		second := append([]domaintest.Answer{page(9, "b", "4"), page(9, "a", "5"), page(9, "b", "6")},
			slices.Repeat([]domaintest.Answer{page(9, "a", "7").NotAccepted()}, maxTries)...)
		_, err = f.run(t.Context(), newScript(t, second...).startingAt("a"))
		domaintest.CheckKind(t, err, domain.BadPage)
		if got := domain.RemedyOf(err); got != domain.StartOver {
			t.Errorf("a run from a stored cursor: got %v with remedy %d, want remedy %d", err, got, domain.StartOver)
		}
	})
}
