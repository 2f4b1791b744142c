package postgres_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestLettersOfAnEarlierVersion are known by the id alone. One that has the bytes of a record is that record's; one that
// has others swallowed it, so the record becomes a letter of its own.
func TestLettersOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	store, at := claimed(t, databaseURL)
	page := func(payloads ...string) (page domain.DecodedPage) {
		for i, payload := range payloads {
			page.Rejects = append(page.Rejects, domain.Reject{
				Record: domain.Record{Index: i, Payload: []byte(payload)}, Why: domain.Rejection{Reason: "r", ID: domaintest.EventID(7)},
			})
		}
		return page
	}
	res := next(t, store, at, page("kept"))
	exec(t, databaseURL, "UPDATE dead_letters SET key = event_id::text, seen = 2")
	res = next(t, store, res.Checkpoint, page("kept", "swallowed"))
	if want := (domain.Counts{Received: 2, Duplicate: 1, Parked: 1}); res.Counts != want {
		t.Errorf("%+v, want %+v", res.Counts, want)
	}
	res = next(t, store, res.Checkpoint, page("swallowed", "kept", "kept"))
	if want := (domain.Counts{Received: 3, Duplicate: 3}); res.Counts != want {
		t.Errorf("a page later: %+v, want %+v", res.Counts, want)
	}
	var seen []string
	for _, l := range letters(t, databaseURL) {
		seen = append(seen, fmt.Sprintf("%s %d", l.Payload, l.Seen))
	}
	if want := []string{"kept 5", "swallowed 2"}; !slices.Equal(seen, want) {
		t.Errorf("letters %q, want %q", seen, want)
	}
}

// TestARecordWithTwoLetters: one has the key of an earlier version. The record is counted in the one that has its own key.
func TestARecordWithTwoLetters(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	store, at := claimed(t, databaseURL)
	page := domain.DecodedPage{Rejects: []domain.Reject{{
		Record: domain.Record{Payload: []byte("kept")}, Why: domain.Rejection{Reason: "r", ID: domaintest.EventID(7)},
	}}}
	res := next(t, store, at, page)
	exec(t, databaseURL, `INSERT INTO dead_letters (stream, key, page_id, index_in_page, reason, field, detail, payload, payload_sha256, event_id, seen)
		SELECT stream, event_id::text, page_id, index_in_page, 'former', field, detail, payload, payload_sha256, event_id, 1 FROM dead_letters`)
	next(t, store, res.Checkpoint, page)
	for _, l := range letters(t, databaseURL) {
		if want := map[string]int64{"r": 2, "former": 1}[l.Why.Reason]; l.Seen != want {
			t.Errorf("the letter with key %q was seen %d times, want %d", l.Key, l.Seen, want)
		}
	}
}
