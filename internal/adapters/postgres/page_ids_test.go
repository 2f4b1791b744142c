package postgres_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// givePageIDs gives the pages of all streams ids of the test's own, in the order of the ids that the store gave them. Ids
// to come are greater than all of these.
func givePageIDs(t *testing.T, databaseURL string, ids ...int) {
	t.Helper()
	if n := queryOne[int](t, databaseURL, "SELECT count(*) FROM pages"); n != len(ids) {
		t.Fatalf("%d pages are stored, want %d", n, len(ids))
	}
	var given []string
	for _, id := range ids {
		given = append(given, strconv.Itoa(id))
	}
	renumbered := "(SELECT id, (ARRAY[" + strings.Join(given, ",") + "])[row_number() OVER (ORDER BY id)] AS given FROM pages) AS n"
	exec(t, databaseURL, `UPDATE events SET page_id = n.given FROM `+renumbered+` WHERE n.id = page_id;
		UPDATE dead_letters AS l SET page_id = n.given FROM `+renumbered+` WHERE n.id = page_id;
		UPDATE dead_letters AS l SET resolved_page_id = n.given FROM `+renumbered+` WHERE n.id = resolved_page_id;
		UPDATE pages AS p SET id = -n.given FROM `+renumbered+` WHERE n.id = p.id;
		UPDATE pages SET id = -id;
		SELECT setval(pg_get_serial_sequence('pages', 'id'), 1000)`)
}

// TestASequenceThatWasSetBack: ids of ledger rows go on behind the last one there is, for pages and for replays.
func TestASequenceThatWasSetBack(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	const setBack = "SELECT setval(pg_get_serial_sequence('pages', 'id'), 1, false)"
	store, at := claimed(t, databaseURL)
	reject := domain.Reject{Record: domain.Record{Payload: []byte("x")}, Why: domain.Rejection{Reason: "r"}}
	at = next(t, store, at, domain.DecodedPage{Rejects: []domain.Reject{reject}}).Checkpoint
	for range 3 {
		at = next(t, store, at, domain.DecodedPage{Events: series(t, 3)}).Checkpoint
	}
	exec(t, databaseURL, setBack)
	at = next(t, store, at, domain.DecodedPage{Events: series(t, 4)}).Checkpoint
	exec(t, databaseURL, setBack)
	letter := letters(t, databaseURL)[0]
	replay := domain.Replay{
		Stream: at.Stream, Letters: []domain.DeadLetter{letter}, ReadAt: time.Now(),
		Rejects: []domain.Reject{{Record: domain.Record{Payload: letter.Payload}, Why: letter.Why}},
	}
	if _, err := postgres.NewReplays(poolOn(t, databaseURL)).Replay(t.Context(), replay); err != nil {
		t.Fatal(err)
	}
	const order = "SELECT string_agg(kind || ' ' || seq, ', ' ORDER BY id) FROM pages"
	if got, want := queryOne[string](t, databaseURL, order), "page 1, page 2, page 3, page 4, page 5, replay 5"; got != want {
		t.Errorf("by their ids the ledger rows are %s, want %s", got, want)
	}
}

// TestASequenceOfDeadLettersThatWasSetBack: a page with records to park is stored although the next ids are taken.
func TestASequenceOfDeadLettersThatWasSetBack(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	store, at := claimed(t, databaseURL)
	for i := range 5 {
		if i > 0 {
			exec(t, databaseURL, "SELECT setval(pg_get_serial_sequence('dead_letters', 'id'), 1, false)")
		}
		reject := domain.Reject{Record: domain.Record{Payload: []byte{byte('a' + i)}}, Why: domain.Rejection{Reason: "r"}}
		at = next(t, store, at, domain.DecodedPage{Rejects: []domain.Reject{reject}}).Checkpoint
	}
	const order = "SELECT string_agg(convert_from(payload, 'UTF8'), ' ' ORDER BY id) FROM dead_letters"
	if got, want := queryOne[string](t, databaseURL, order), "a b c d e"; got != want {
		t.Errorf("by their ids the dead letters are %q, want %q", got, want)
	}
}
