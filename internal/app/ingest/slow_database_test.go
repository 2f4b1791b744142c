package ingest_test

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestRun_SlowDatabase checks runs whose database needs a long time for each page, while the buffer has room for many pages. The run
// must not store so many pages together that the cursor expires meanwhile, or that the database ends the transaction.
func TestRun_SlowDatabase(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		timePerPage time.Duration
		maxTime     time.Duration // see slowStore
		lifetime    time.Duration // of a cursor
	}{
		{name: "4 s for each page", timePerPage: 4 * time.Second, lifetime: 30 * time.Second},
		{name: "16 s for each page", timePerPage: 16 * time.Second, lifetime: 30 * time.Second},
		{name: "a limit of 60 s", timePerPage: 9 * time.Second, maxTime: time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
				f.opts.MaxBufferBytes = 1 << 20
				f.store = &slowStore{EventStore: f.store, timePerPage: tt.timePerPage, maxTime: tt.maxTime}
				source := &freeSource{records: 400, pageBytes: []int64{10}, lifetime: tt.lifetime}
				sum, err := f.run(t.Context(), source)
				if err != nil || sum.Pass != 1 {
					t.Errorf("got pass %d, error %v; want the end of pass 1", sum.Pass, err)
				}
				f.wantAllStored(t, source)
			})
		})
	}
}

// TestRun_TransientFailureOfABatch checks that a run stores the pages of a batch one by one after the database could not store them
// together. In this test a database that is fast at first becomes so slow that it cannot store two pages within its limit.
func TestRun_TransientFailureOfABatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		f.opts.MaxBufferBytes = 1 << 20
		store := &slowStore{EventStore: f.store, commitTime: 100 * time.Millisecond, maxTime: time.Minute}
		store.duringCommit = func(commit int) {
			if commit == 2 {
				store.timePerPage = 40 * time.Second
			}
		}
		f.store = store
		source := &freeSource{records: 60, pageBytes: []int64{10}}
		sum, err := f.run(t.Context(), source)
		if err != nil || !sum.Done || len(f.seen.waits) > 0 {
			t.Errorf("got done %v, waits %v, error %v; want done without a wait", sum.Done, f.seen.waits, err)
		}
		if third := store.batchSizes[2]; store.batchSizes[1] < 2 || third != 1 {
			t.Errorf("got batches of %v pages, want several pages in the second and one in the third", store.batchSizes)
		}
		f.wantAllStored(t, source)
	})
}
