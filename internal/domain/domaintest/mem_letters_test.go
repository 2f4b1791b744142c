package domaintest_test

import (
	"context"
	"slices"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestAStoreThatKnowsRecordsByTheirIDFails: it counts records of one event as one dead letter, whatever they say.
func TestAStoreThatKnowsRecordsByTheirIDFails(t *testing.T) {
	t.Parallel()
	for _, caught := range []string{
		"records of one event that say different things are different letters",
		"what differs from a resolved letter is a new letter",
		"of one event only so many letters are open",
	} {
		checks := domaintest.StoreChecks()
		at := slices.IndexFunc(checks, func(c domaintest.Check[domaintest.StoreUnderTest]) bool { return c.Name == caught })
		if at < 0 {
			t.Fatalf("there is no check %q", caught)
		}
		err := checks[at].Run(t.Context(), onMemory(func(s *domaintest.MemStore, _ *domaintest.MemDatabase) domain.EventStore {
			return &broken{EventStore: s, commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
				for i := range b.Pages {
					b.Pages[i].Hash = func(domain.Record) domain.RecordHash { return domain.RecordHash{} }
				}
				return s.Commit(ctx, b)
			}}
		}))
		if err == nil {
			t.Errorf("check %q passes", caught)
		}
	}
}
