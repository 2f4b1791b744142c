package migrate_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/adapters/postgres/migrate"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestUpEachSchema migrates a database of each earlier version, with 2,000 events more than it was kept with.
func TestUpEachSchema(t *testing.T) {
	t.Parallel()
	checkUpgrades(t, 20, 100, 3*time.Second) // as long as a migration itself waits for a table
}

// checkUpgrades migrates a database of each earlier version while programs read it. It first adds pages with so many events each. It checks
// that no migration rewrites a table that grows with the stream, or locks the events against readers; that no row is lost; that the
// result is consistent; and that a runner of this version can continue. A program that reads may wait for a table for maxWait.
func checkUpgrades(t *testing.T, pages, eventsPerPage int, maxWait time.Duration) {
	t.Helper()
	names := migrationFiles(t)
	for i, name := range names[:len(names)-1] {
		t.Run("from "+name, func(t *testing.T) {
			t.Parallel()
			databaseURL := restoreKept(t, name)
			addPages(t, databaseURL, pages, eventsPerPage)
			before := readTables(t, databaseURL)
			if n := int64(pages * eventsPerPage); before["events"].rows <= n {
				t.Fatalf("got %d events before the migration, want more than %d", before["events"].rows, n)
			}

			endReaders := startReaders(t, databaseURL, before, maxWait)
			began := time.Now()
			applied, err := migrate.Up(t.Context(), databaseURL)
			t.Logf("migrated %d events in %s", before["events"].rows, time.Since(began).Round(time.Millisecond))
			endReaders()
			if err != nil || !slices.Equal(applied, names[i+1:]) {
				t.Fatalf("got migrations %v, %v, want %v", applied, err, names[i+1:])
			}

			after := readTables(t, databaseURL)
			for table, was := range before {
				is := after[table]
				grows := table != "checkpoints" // it has one row for each stream
				if is.rows != was.rows || grows && is.file != was.file {
					t.Errorf("table %s: got %d rows in file %d, want %d in file %d", table, is.rows, is.file, was.rows, was.file)
				}
			}
			if err := migrate.CheckSchema(t.Context(), databaseURL); err != nil {
				t.Errorf("CheckSchema: got %v, want no error", err)
			}
			checkSound(t, databaseURL, before["events"].rows)
			continueStream(t, databaseURL)
			checkSound(t, databaseURL, before["events"].rows+1)
		})
	}
}

// A tableState is how many rows a table has, and the file that holds them. PostgreSQL gives a table another file if it rewrites the table.
type tableState struct{ rows, file int64 }

// readTables returns the states of pawl's tables.
func readTables(t *testing.T, databaseURL string) map[string]tableState {
	t.Helper()
	connection := connect(t, databaseURL)
	states := map[string]tableState{}
	for _, table := range []string{"events", "pages", "checkpoints", "dead_letters", "drift", "runners"} {
		var file *int64
		if err := connection.QueryRow(t.Context(), "SELECT pg_relation_filenode(to_regclass($1))::bigint", table).Scan(&file); err != nil {
			t.Fatal(err)
		}
		if file == nil { // this version has no such table
			continue
		}
		state := tableState{file: *file}
		if err := connection.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&state.rows); err != nil {
			t.Fatal(err)
		}
		states[table] = state
	}
	return states
}

// startReaders starts two readers. One has read events in a transaction that stays open until endReaders is called, as a backup does. A
// migration that needed the table events for itself would give up; if one ever must, this test needs an exception for it. The other one reads all tables again and again, and waits for none of
// them longer than maxWait. endReaders reports an error of a reader.
func startReaders(
	t *testing.T, databaseURL string, tables map[string]tableState, maxWait time.Duration,
) (endReaders func()) {
	t.Helper()
	backup := connect(t, databaseURL)
	if _, err := backup.Exec(t.Context(), "BEGIN; SELECT count(*) FROM events"); err != nil {
		t.Fatal(err)
	}
	reader := connect(t, databaseURL)
	if _, err := reader.Exec(t.Context(), fmt.Sprintf("SET lock_timeout = %d", maxWait.Milliseconds())); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	begun, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for rounds := 0; ; rounds++ {
			if rounds == 1 {
				close(begun)
			}
			for table := range tables {
				if _, err := reader.Exec(t.Context(), "SELECT count(*) FROM (SELECT FROM "+table+" LIMIT 1000) AS part"); err != nil {
					done <- fmt.Errorf("read %s: %w", table, err)
					return
				}
			}
			if ctx.Err() != nil && rounds > 0 {
				done <- nil
				return
			}
		}
	}()
	select {
	case <-begun:
	case err := <-done:
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		stop()
		if err := <-done; err != nil {
			t.Errorf("a reader: got %v, want no error", err)
		}
		if _, err := backup.Exec(t.Context(), "SELECT count(*) FROM events; COMMIT"); err != nil {
			t.Errorf("the backup: got %v, want no error", err)
		}
	}
}

// stream is the stream in the kept schemas, and sourceURL its address.
var stream = domain.StreamID{Source: "datasync"} //nolint:gochecknoglobals // a constant that Go cannot have

const sourceURL = "https://api.example/v1"

// checkSound checks that `pawl verify` would find no difference, and so many events.
func checkSound(t *testing.T, databaseURL string, events int64) {
	t.Helper()
	inspection, err := postgres.NewInventory(openPool(t, databaseURL)).Inspect(t.Context(), stream, func(domain.Check) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, finding := range inspection.Findings {
		if finding.Differences != 0 {
			t.Errorf("check %s: got %d differences %+v, want none", finding.Check, finding.Differences, finding.Shown)
		}
	}
	if inspection.Stored != events {
		t.Errorf("got %d stored events, want %d", inspection.Stored, events)
	}
}

// continueStream claims the stream and stores its last page, which has one event.
func continueStream(t *testing.T, databaseURL string) {
	t.Helper()
	store := postgres.NewStore(openPool(t, databaseURL), postgres.RunnerProfile{})
	defer store.Close()
	checkpoint, err := store.Claim(t.Context(), stream, sourceURL)
	if err != nil {
		t.Fatal(err)
	}
	record := domain.Record{Payload: []byte("1")}
	event, _, err := domaintest.LineDecoder{}.Decode(record)
	if err != nil {
		t.Fatal(err)
	}
	page := domain.Page{Last: true, Records: []domain.Record{record}, Receipt: domain.Receipt{FetchedAt: time.Now()}}
	_, err = store.Commit(t.Context(), domain.Batch{Start: checkpoint, Pages: []domain.DecodedPage{{
		From: checkpoint.Position, To: checkpoint.After(page), Received: 1, Events: []domain.DecodedEvent{{Event: event, Record: record}},
		Receipt: page.Receipt, End: domain.EndEvidence{Confirmed: true, AcceptShort: true},
	}}})
	if err != nil {
		t.Errorf("commit after the migration: got %v, want no error", err)
	}
}

// addPages adds pages to the stream in a kept schema, behind its last page, with so many new events each. If the schema has dead letters,
// each page also parks one. Each new row is a copy of a row that this version wrote, so it has the columns of this version.
func addPages(t *testing.T, databaseURL string, pages, eventsPerPage int) {
	t.Helper()
	letters := 0
	if pgtest.QueryOne[bool](t, databaseURL, "SELECT to_regclass('dead_letters') IS NOT NULL") {
		letters = 1
	}
	const firstID = 1001 // of the new pages
	replacer := strings.NewReplacer("$pages", strconv.Itoa(pages), "$events", strconv.Itoa(eventsPerPage), "$letters", strconv.Itoa(letters),
		"$first", strconv.Itoa(firstID))
	statements := []string{
		`INSERT INTO events SELECT md5('event ' || n)::uuid, e.session_id, e.user_id, e.type, e.name, e.properties, e.occurred_at,
			e.device_type, e.browser, e.extra, $first + (n - 1) / $events
		FROM (TABLE events LIMIT 1) AS e, generate_series(1, $pages::bigint * $events) AS n`,
		// jsonb_populate_record ignores the names of columns that this version does not have.
		`INSERT INTO pages SELECT r.* FROM (TABLE pages ORDER BY seq DESC, id LIMIT 1) AS p, generate_series(1, $pages) AS n,
			jsonb_populate_record(NULL::pages, to_jsonb(p) || jsonb_build_object(
				'id', $first + n - 1, 'seq', p.seq + n, 'parent_seq', p.seq + n - 1, 'position', p.position + n * ($events + $letters),
				'cursor_in', CASE n WHEN 1 THEN p.cursor_out ELSE 'cursor ' || n - 1 END, 'cursor_out', 'cursor ' || n,
				'received', $events + $letters, 'inserted', $events, 'duplicate', 0, 'parked', $letters,
				'ids_hash', '\x' || md5('page ' || n) || md5('hash ' || n))) AS r`,
		`UPDATE checkpoints SET seq = seq + $pages, position = position + $pages * ($events + $letters),
			furthest = furthest + $pages * ($events + $letters), received = received + $pages * ($events + $letters),
			inserted = inserted + $pages * $events, parked = parked + $pages * $letters, cursor = 'cursor $pages'`,
		`SELECT setval('pages_id_seq', $first + $pages)`,
	}
	letterStatements := []string{
		`INSERT INTO dead_letters OVERRIDING SYSTEM VALUE
		SELECT r.* FROM (TABLE dead_letters ORDER BY id LIMIT 1) AS l, generate_series(1, $pages) AS n,
			jsonb_populate_record(NULL::dead_letters, to_jsonb(l) || jsonb_build_object(
				'id', l.id + 1000 + n, 'key', 'key ' || n, 'page_id', $first + n - 1, 'event_id', NULL, 'replays', 0)) AS r`,
		`SELECT setval('dead_letters_id_seq', 2000 + $pages)`,
	}
	if letters > 0 {
		statements = append(statements, letterStatements...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), execTimeout)
	defer cancel()
	connection := connect(t, databaseURL)
	for _, statement := range statements {
		if _, err := connection.Exec(ctx, replacer.Replace(statement)); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// openPool returns a pool that is closed when the test ends.
func openPool(t *testing.T, databaseURL string) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), databaseURL, stream)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}
