package ingest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestRun_Stopped checks that a run stops when its context ends, whatever it does then, and that the next run continues after it.
func TestRun_Stopped(t *testing.T) {
	t.Parallel()
	const records = 10 // five pages
	slowPages := func(int) (*domain.Page, error) {
		time.Sleep(time.Second)
		return nil, nil
	}
	refuse := func(first int) (*domain.Page, error) {
		if first < 4 {
			return nil, nil
		}
		return nil, &domain.Error{Kind: domain.RateLimited, Op: "fetch page", Until: time.Now().Add(time.Hour), Err: errors.New("429")}
	}
	for _, tt := range []struct {
		name       string
		maxTime    time.Duration
		fail       func(first int) (*domain.Page, error) // of the source
		claimErrs  []error
		wantAfter  time.Duration // the greatest time that the run may take
		wantStored int64
		wantDone   bool
	}{
		{name: "while it fetches", maxTime: 2500 * time.Millisecond, fail: slowPages, wantAfter: 3100 * time.Millisecond, wantStored: 6},
		{name: "while it waits for the rate limit", maxTime: time.Minute, fail: refuse, wantAfter: time.Minute, wantStored: 4},
		{
			name: "while another runner has the stream", maxTime: 10 * time.Second,
			claimErrs: fencedErrors(domain.HolderSilent, 1000), wantAfter: 10 * time.Second,
		},
		{name: "after the end of the stream", maxTime: time.Minute, wantAfter: time.Second, wantStored: records, wantDone: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
				store := f.store
				f.store = &flakyStore{EventStore: store, claimErrs: slices.Clone(tt.claimErrs)}
				ctx, cancel := context.WithCancel(t.Context())
				defer time.AfterFunc(tt.maxTime, cancel).Stop()
				defer cancel()
				source := &freeSource{records: records, pageBytes: []int64{10}, fail: tt.fail}
				began := time.Now()
				sum, err := f.run(ctx, source)
				if took := time.Since(began); took > tt.wantAfter {
					t.Errorf("the run took %s, want at most %s", took, tt.wantAfter)
				}
				if isStopped := domain.KindOf(err) == domain.Stopped; isStopped == tt.wantDone || tt.wantDone && err != nil {
					t.Errorf("got error %v, want the stream to be done: %t", err, tt.wantDone)
				}
				if sum.Inserted != tt.wantStored {
					t.Errorf("got %d stored, want %d", sum.Inserted, tt.wantStored)
				}
				f.store, source.fail = store, nil
				if _, err := f.run(t.Context(), source); err != nil {
					t.Fatal(err)
				}
				f.wantAllStored(t, source)
			})
		})
	}
}

// A stuckStore is a store whose commits end only when their context ends.
type stuckStore struct{ domain.EventStore }

func (stuckStore) Commit(ctx context.Context, _ domain.Batch) (domain.CommitResult, error) {
	<-ctx.Done()
	return domain.CommitResult{}, &domain.Error{Kind: domain.Stopped, Op: "commit", Err: ctx.Err()}
}

// TestRun_Grace checks that a run that was asked to stop ends after the grace time, if the database does not answer.
func TestRun_Grace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		f.opts.Grace = 7 * time.Second
		f.store = stuckStore{f.store}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		began := time.Now()
		_, err := f.run(ctx, &freeSource{records: 2, pageBytes: []int64{10}})
		domaintest.CheckKind(t, err, domain.Stopped)
		if took := time.Since(began); took != time.Minute+f.opts.Grace {
			t.Errorf("the run took %s, want a minute and %s", took, f.opts.Grace)
		}
	})
}
