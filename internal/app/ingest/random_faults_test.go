package ingest_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// TestRun_RandomFaultsWithPagesAhead checks runs with random faults of the API and of the database. Each record must be stored once,
// and the counts must add up.
func TestRun_RandomFaultsWithPagesAhead(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			f := newFixture()
			f.opts.MaxBufferBytes = random.Int64N(200) // up to 19 pages
			f.opts.Retry.Tries = 100                   // so many that the run never gives up because of these faults
			source := &freeSource{records: 101, pageBytes: []int64{10}}
			lostCursors := 0
			source.fail = func(first int) (*domain.Page, error) {
				page, err := randomFault(random, source, first)
				if domain.KindOf(err) == domain.CursorExpired {
					lostCursors++
					if lostCursors > 2 { // a run may give up after three lost cursors, so the source answers this request without a fault
						return nil, nil
					}
				}
				return page, err
			}
			f.store = &randomStore{EventStore: f.store, random: rand.New(rand.NewPCG(seed, 1))}
			sum, err := f.run(t.Context(), source)
			if err != nil {
				t.Fatalf("seed %d: got error %v, want none", seed, err)
			}
			f.wantAllStored(t, source)
			if sum.Inserted != int64(source.records) || !sum.Balanced() {
				t.Errorf("seed %d: got counts %+v, want %d inserted and a balance", seed, sum.Counts, source.records)
			}
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		})
	}
}

// randomFault returns a fault for the page that begins at the record first, or nothing in at least seven of ten cases.
func randomFault(random *rand.Rand, source *freeSource, first int) (*domain.Page, error) {
	failure := func(kind domain.Kind) error {
		return &domain.Error{Kind: kind, Op: "fetch page", Err: errors.New("random"), Until: time.Now().Add(time.Second)}
	}
	switch random.IntN(20) { // there are faults for 0 to 5
	case 0:
		return nil, failure(domain.Transient)
	case 1:
		return nil, failure(domain.RateLimited)
	case 2:
		return nil, failure(domain.BadPage)
	case 3:
		if first > 0 && random.IntN(10) == 0 {
			return nil, failure(domain.CursorExpired)
		}
	case 4: // the records of an earlier page, with the right cursor
		page := source.pageAt(first)
		if page.Last || first == 0 {
			return nil, nil
		}
		page.Records = source.pageAt(random.IntN(first/recordsPerPage) * recordsPerPage).Records
		return &page, nil
	case 5: // an end that is too early
		page := source.pageAt(first)
		page.Last, page.Next = true, ""
		return &page, nil
	}
	return nil, nil
}

// A randomStore is a store whose commits take random times and fail in three of ten cases. In one of these cases the batch is committed,
// but the answer is lost.
type randomStore struct {
	domain.EventStore

	random *rand.Rand
}

func (s *randomStore) Commit(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
	time.Sleep(time.Duration(s.random.IntN(3)) * time.Second)
	failure := func(kind domain.Kind) (domain.CommitResult, error) {
		return domain.CommitResult{}, &domain.Error{Kind: kind, Op: "commit", Err: errors.New("random")}
	}
	switch s.random.IntN(10) {
	case 0:
		return failure(domain.Transient)
	case 1: // neither a commit nor an answer
		return failure(domain.Uncertain)
	case 2: // a commit without an answer
		if _, err := s.EventStore.Commit(ctx, b); err != nil {
			return domain.CommitResult{}, err
		}
		return failure(domain.Uncertain)
	}
	return s.EventStore.Commit(ctx, b)
}
