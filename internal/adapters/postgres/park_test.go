package postgres_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestParkInvalidText checks that a record is parked even if the field or the detail of its rejection has bytes that PostgreSQL
// refuses in a text. Each such byte is replaced by U+FFFD.
func TestParkInvalidText(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	why := domain.Rejection{Reason: "r", Field: "a\x00\xffb", Detail: "c\xc3\x00d"}
	commitFirst(t, databaseURL, domain.DecodedPage{Rejects: []domain.Reject{{Record: domain.Record{Payload: []byte("x")}, Why: why}}})
	const wantField, wantDetail = "a\uFFFD\uFFFDb", "c\uFFFD\uFFFDd"
	if got := readDeadLetters(t, databaseURL)[0].Why; got.Field != wantField || got.Detail != wantDetail {
		t.Errorf("got field %+q and detail %+q, want %+q and %+q", got.Field, got.Detail, wantField, wantDetail)
	}
	if pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM dead_letters WHERE event_id IS NULL") != 1 {
		t.Error("got an event id of a dead letter whose rejection has none, want NULL")
	}
}

// TestParkLegacyKeys checks how a record is parked if its event has a dead letter of an earlier version. The key of such a letter
// is the event id alone. If the letter has the bytes of the record, the record is counted in it. Otherwise the record gets a dead
// letter of its own.
func TestParkLegacyKeys(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	store, checkpoint := claimStore(t, databaseURL)
	// pageOf returns a page of rejects, all with the id of event 7.
	pageOf := func(payloads ...string) (page domain.DecodedPage) {
		for i, payload := range payloads {
			page.Rejects = append(page.Rejects, domain.Reject{
				Record: domain.Record{Index: i, Payload: []byte(payload)}, Why: domain.Rejection{Reason: "r", ID: domaintest.EventID(7)},
			})
		}
		return page
	}
	res := commitNext(t, store, checkpoint, pageOf("first"))
	// The dead letter becomes one of an earlier version, which had seen the record twice.
	pgtest.Exec(t, databaseURL, "UPDATE dead_letters SET key = event_id::text, seen = 2")
	res = commitNext(t, store, res.Checkpoint, pageOf("first", "second"))
	if want := (domain.Counts{Received: 2, Duplicate: 1, Parked: 1}); res.Counts != want {
		t.Errorf("second page: got counts %+v, want %+v", res.Counts, want)
	}
	res = commitNext(t, store, res.Checkpoint, pageOf("second", "first", "first"))
	if want := (domain.Counts{Received: 3, Duplicate: 3}); res.Counts != want {
		t.Errorf("third page: got counts %+v, want %+v", res.Counts, want)
	}
	var letters []string
	for _, l := range readDeadLetters(t, databaseURL) {
		letters = append(letters, fmt.Sprintf("%s seen %d", l.Payload, l.Seen))
	}
	// The letter of the first record began with seen = 2, and later pages have this record three times. They have the second record twice.
	if want := []string{"first seen 5", "second seen 2"}; !slices.Equal(letters, want) {
		t.Errorf("got dead letters %q, want %q", letters, want)
	}
}

// TestParkRecordWithTwoLetters checks a record that has two dead letters, one with its own key and one with the key of an earlier
// version. When the record is parked again, it must be counted in the letter with its own key.
func TestParkRecordWithTwoLetters(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	store, checkpoint := claimStore(t, databaseURL)
	page := domain.DecodedPage{Rejects: []domain.Reject{{
		Record: domain.Record{Payload: []byte("first")}, Why: domain.Rejection{Reason: "r", ID: domaintest.EventID(7)},
	}}}
	res := commitNext(t, store, checkpoint, page)
	// The second dead letter has the key of an earlier version, the event id. Its reason "legacy" tells the two apart.
	pgtest.Exec(t, databaseURL, `INSERT INTO dead_letters
			(stream, key, page_id, index_in_page, reason, field, detail, payload, payload_sha256, event_id, seen)
		SELECT stream, event_id::text, page_id, index_in_page, 'legacy', field, detail, payload, payload_sha256, event_id, 1 FROM dead_letters`)
	commitNext(t, store, res.Checkpoint, page)
	for _, l := range readDeadLetters(t, databaseURL) {
		want := int64(2) // both pages
		if l.Why.Reason == "legacy" {
			want = 1 // as the test has inserted it
		}
		if l.Seen != want {
			t.Errorf("dead letter with key %q: got seen %d times, want %d", l.Key, l.Seen, want)
		}
	}
}
