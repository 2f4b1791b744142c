package postgres_test

import (
	"testing"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestOtherSession checks that a page with stored events gets the right counts if a second session looks up a half of them, and also if
// that session cannot read them. A session of another database must fail, because events that are stored there are not stored here.
func TestOtherSession(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		isOther    bool // the second session is connected to another database, which has the same events
		wantFailed bool
	}{
		{name: "the same database"},
		{name: "another database", isOther: true, wantFailed: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.Database(t)
			otherURL := databaseURL
			if tt.isOther {
				otherURL = pgtest.Database(t)
				commitFirst(t, otherURL, domain.DecodedPage{Events: makeEvents(t, 1, 2, 3, 4, 5, 6, 7, 8)})
			}
			store, checkpoint := claimStore(t, databaseURL)
			store.UseOtherSession(newPool(t, otherURL))
			first := commitNext(t, store, checkpoint, domain.DecodedPage{Events: makeEvents(t, 1, 3, 5, 7, 7)})
			events := makeEvents(t, 1, 2, 3, 4, 5, 6, 7, 8, 8)
			events[0].Name, events[6].Name = "other values", "other values"
			got := commitNext(t, store, first.Checkpoint, domain.DecodedPage{Events: events, MaxParked: len(events)})
			if want := (domain.Counts{Received: 9, Inserted: 4, Duplicate: 3, Parked: 2}); got.Counts != want {
				t.Errorf("got counts %+v, want %+v", got.Counts, want)
			}
			if store.OtherSessionFailed() != tt.wantFailed {
				t.Errorf("got failed %t, want %t", store.OtherSessionFailed(), tt.wantFailed)
			}
		})
	}
}
