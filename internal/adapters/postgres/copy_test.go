package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestCommitStoredIDs checks that pages with stored ids are stored, whether Commit expects them or not: a page after pages
// without duplicates, a page right after a page with duplicates, and a page whose id another stream stores between look-up and
// COPY.
func TestCommitStoredIDs(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	store, checkpoint := claimStore(t, databaseURL)
	commit := func(want domain.Counts, numbers ...int) { // a page of the events with these numbers
		t.Helper()
		res := commitNext(t, store, checkpoint, domain.DecodedPage{Events: makeEvents(t, numbers...)})
		if res.Counts != want {
			t.Errorf("events %v: got counts %+v, want %+v", numbers, res.Counts, want)
		}
		checkpoint = res.Checkpoint
	}
	commit(domain.Counts{Received: 3, Inserted: 3}, 1, 2, 3)
	commit(domain.Counts{Received: 3, Inserted: 2, Duplicate: 1}, 4, 2, 5)    // Commit expects no duplicate; event 2 is one
	commit(domain.Counts{Received: 4, Inserted: 2, Duplicate: 2}, 6, 5, 7, 7) // Commit expects duplicates: event 5 and the second event 7

	// Another session inserts the id of event 8 with other values. Its transaction stays open, so the COPY of event 8 waits for it.
	other, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.WithoutCancel(t.Context())) //nolint:errcheck // the test is over
	const insertEvent8 = "BEGIN; INSERT INTO events SELECT '7061776c-7465-7374-0000-000000000008', session_id, user_id, type, 'event_8', " +
		"properties, occurred_at, device_type, browser, extra, page_id FROM events LIMIT 1"
	if _, err := other.Exec(t.Context(), insertEvent8); err != nil {
		t.Fatal(err)
	}
	events := makeEvents(t, 8, 9)
	done := make(chan domain.CommitResult, 1)
	go func() {
		res, err := store.Commit(context.WithoutCancel(t.Context()), batchOf(checkpoint, pageAt(checkpoint, events...)))
		if err != nil {
			t.Errorf("commit while another stream stores the id: %v", err)
		}
		done <- res
	}()
	waitForLock(t, databaseURL, applicationOfStore, 1)
	if _, err := other.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if got := (<-done).Counts; got != (domain.Counts{Received: 2, Inserted: 1, Parked: 1}) {
		t.Errorf("got counts %+v, want 1 inserted, and 1 parked, because the other stream's event has other values", got)
	}
	const wantEvents = 9 // the events 1 to 9
	if got := pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM events"); got != wantEvents {
		t.Errorf("got %d events, want %d", got, wantEvents)
	}
}

// pageAt returns a page that begins at the checkpoint and has the events.
func pageAt(checkpoint domain.Checkpoint, events ...domain.DecodedEvent) domain.DecodedPage {
	page := emptyPage(checkpoint)
	page.Events, page.Received, page.MaxParked = events, len(events), len(events)
	page.To.Offset += int64(len(events))
	return page
}

// TestCommitUnusualTables checks that a page with new and stored events is stored although the owner of the table of events has
// changed it: the key has another name, a trigger skips stored ids, or row-level security forbids COPY.
func TestCommitUnusualTables(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"another name of the key": "ALTER TABLE events RENAME CONSTRAINT events_pkey TO other_key",
		"a trigger that skips stored ids": `CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS
			'BEGIN IF EXISTS (SELECT FROM events AS e WHERE e.id = NEW.id) THEN RETURN NULL; END IF; RETURN NEW; END';
			CREATE TRIGGER skip BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION skip()`,
		"row-level security": "CREATE POLICY every_row ON events USING (true); ALTER TABLE events ENABLE ROW LEVEL SECURITY",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.Database(t)
			pgtest.Exec(t, databaseURL, sql)
			// Row-level security does not bind a superuser, so the store uses another role.
			role := "writer_" + strings.ReplaceAll(pgtest.QueryOne[string](t, databaseURL, "SELECT current_database()::text"), "-", "_")
			pgtest.Exec(t, databaseURL, "CREATE ROLE "+role+"; GRANT ALL ON ALL TABLES IN SCHEMA public TO "+role+
				"; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO "+role)
			t.Cleanup(func() { pgtest.Exec(t, databaseURL, "DROP OWNED BY "+role+"; DROP ROLE "+role) })
			store, checkpoint := claimStore(t, pgtest.WithParam(t, databaseURL, "role", role))
			first := commitNext(t, store, checkpoint, domain.DecodedPage{Events: makeEvents(t, 1, 2, 3)})
			second := commitNext(t, store, first.Checkpoint, domain.DecodedPage{Events: makeEvents(t, 2, 4)}) // event 2 is stored
			if want := (domain.Counts{Received: 2, Inserted: 1, Duplicate: 1}); second.Counts != want {
				t.Errorf("got counts %+v, want %+v", second.Counts, want)
			}
		})
	}
}
