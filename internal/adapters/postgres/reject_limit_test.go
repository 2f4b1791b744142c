package postgres_test

import (
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestMayParkCountsNewLettersOnly: a page that is read again has its dead letters already, however many they are.
func TestMayParkCountsNewLettersOnly(t *testing.T) {
	t.Parallel()
	const size, before, fresh = 100, 40, 10
	for _, tt := range []struct {
		name    string
		mayPark int
		want    domain.Counts // none if the page is refused
	}{
		{"as many as the page may add", fresh, domain.Counts{Received: size, Duplicate: size - fresh, Parked: fresh}},
		{"one more", fresh - 1, domain.Counts{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store, at := claimed(t, pgtest.Database(t))
			at = next(t, store, at, domain.DecodedPage{Events: refusedSeries(t, size-fresh, func(i int) bool { return i < before })}).Checkpoint
			page := domain.DecodedPage{
				From: at.NextPass(), To: at.NextPass(), Received: size, MaxParked: tt.mayPark, Receipt: domain.Receipt{FetchedAt: time.Now()},
				Events: refusedSeries(t, size, func(i int) bool { return i < before || i >= size-fresh }),
			}
			res, err := store.Commit(t.Context(), domain.Batch{At: at, Pages: []domain.DecodedPage{page}})
			refused := domain.KindOf(err) == domain.TooManyRejects
			if res.Counts != tt.want || refused != (tt.want == domain.Counts{}) {
				t.Errorf("tally %+v, want %+v; %v", res.Counts, tt.want, err)
			}
		})
	}
}
