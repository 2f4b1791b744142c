package postgres_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestParkInvalidText tests that a record is parked even if the text about it quotes bytes that PostgreSQL refuses.
func TestParkInvalidText(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	why := domain.Rejection{Reason: "r", Field: "a\x00\xffb", Detail: "c\xc3\x00d"}
	commitFirst(t, databaseURL, domain.DecodedPage{Rejects: []domain.Reject{{Record: domain.Record{Payload: []byte("x")}, Why: why}}})
	if got := readDeadLetters(t, databaseURL)[0].Why; got.Field != "a\uFFFD\uFFFDb" || got.Detail != "c\uFFFD\uFFFDd" {
		t.Errorf("got field %+q and detail %+q", got.Field, got.Detail)
	}
	if pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM dead_letters WHERE event_id IS NULL") != 1 {
		t.Error("got an event id, want NULL for a record without one")
	}
}

// TestParkLegacyKeys tests dead letters of an earlier version, whose key is the id alone. Such a letter is the record's if it
// has the record's bytes. Otherwise the record gets a dead letter of its own.
func TestParkLegacyKeys(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	store, checkpoint := claimStore(t, databaseURL)
	page := func(payloads ...string) (page domain.DecodedPage) {
		for i, payload := range payloads {
			page.Rejects = append(page.Rejects, domain.Reject{
				Record: domain.Record{Index: i, Payload: []byte(payload)}, Why: domain.Rejection{Reason: "r", ID: domaintest.EventID(7)},
			})
		}
		return page
	}
	res := commitNext(t, store, checkpoint, page("first"))
	pgtest.Exec(t, databaseURL, "UPDATE dead_letters SET key = event_id::text, seen = 2")
	res = commitNext(t, store, res.Checkpoint, page("first", "second"))
	if want := (domain.Counts{Received: 2, Duplicate: 1, Parked: 1}); res.Counts != want {
		t.Errorf("got %+v, want %+v", res.Counts, want)
	}
	res = commitNext(t, store, res.Checkpoint, page("second", "first", "first"))
	if want := (domain.Counts{Received: 3, Duplicate: 3}); res.Counts != want {
		t.Errorf("next page: got %+v, want %+v", res.Counts, want)
	}
	var seen []string
	for _, l := range readDeadLetters(t, databaseURL) {
		seen = append(seen, fmt.Sprintf("%s %d", l.Payload, l.Seen))
	}
	if want := []string{"first 5", "second 2"}; !slices.Equal(seen, want) {
		t.Errorf("got dead letters %q, want %q", seen, want)
	}
}

// TestParkRecordWithTwoLetters tests a record that also has a dead letter under the key of an earlier version. It is counted in
// the letter with its own key.
func TestParkRecordWithTwoLetters(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	store, checkpoint := claimStore(t, databaseURL)
	page := domain.DecodedPage{Rejects: []domain.Reject{{
		Record: domain.Record{Payload: []byte("first")}, Why: domain.Rejection{Reason: "r", ID: domaintest.EventID(7)},
	}}}
	res := commitNext(t, store, checkpoint, page)
	pgtest.Exec(t, databaseURL, `INSERT INTO dead_letters
			(stream, key, page_id, index_in_page, reason, field, detail, payload, payload_sha256, event_id, seen)
		SELECT stream, event_id::text, page_id, index_in_page, 'legacy', field, detail, payload, payload_sha256, event_id, 1 FROM dead_letters`)
	commitNext(t, store, res.Checkpoint, page)
	for _, l := range readDeadLetters(t, databaseURL) {
		if want := map[string]int64{"r": 2, "legacy": 1}[l.Why.Reason]; l.Seen != want {
			t.Errorf("dead letter with key %q: got seen %d, want %d", l.Key, l.Seen, want)
		}
	}
}
