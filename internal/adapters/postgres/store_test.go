package postgres_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

func TestMain(m *testing.M) {
	_ = flag.Set("rapid.checks", fenceChecks) // the command line prevails, because it is parsed later
	os.Exit(pgtest.Main(m))
}

// TestStore runs the checks of the contract of domain.EventStore.
func TestStore(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.StoreChecks(), func(t *testing.T) domaintest.StoreUnderTest {
		t.Helper()
		databaseURL := pgtest.Database(t)
		return storeUnderTest(t, databaseURL, databaseURL)
	})
}

// TestStoreBehindPooler runs the same checks through PgBouncer, which gives each transaction another connection to the server.
func TestStoreBehindPooler(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.StoreChecks(), func(t *testing.T) domaintest.StoreUnderTest {
		t.Helper()
		databaseURL := pgtest.Database(t)
		return storeUnderTest(t, databaseURL, pgtest.Pooler(t, databaseURL))
	})
}

// TestCheckpointWaitsForOpenTransaction checks that Checkpoint waits for a transaction that has changed the checkpoint, and then
// returns the result (invariant I4, see package domain). Such a transaction can exist after a COMMIT whose answer was lost. In
// this test another session begins the transaction.
func TestCheckpointWaitsForOpenTransaction(t *testing.T) {
	t.Parallel()
	const newSeq = 1
	for statement, wantSeq := range map[string]int64{"COMMIT": newSeq, "ROLLBACK": 0} { // the end of the transaction
		t.Run(statement, func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.Database(t)
			store, checkpoint := claimStore(t, pgtest.WithParam(t, databaseURL, "application_name", "reader"))
			other, err := pgx.Connect(t.Context(), databaseURL)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close(t.Context()) //nolint:errcheck // a test's connection
			if _, err := other.Exec(t.Context(), fmt.Sprintf("BEGIN; UPDATE checkpoints SET seq = %d", newSeq)); err != nil {
				t.Fatal(err)
			}
			type answer struct {
				checkpoint domain.Checkpoint
				err        error
			}
			answers := make(chan answer, 1)
			go func() {
				durable, err := store.Checkpoint(t.Context(), checkpoint.Stream)
				answers <- answer{durable, err}
			}()
			waitForLock(t, databaseURL, "reader", 1)
			if len(answers) > 0 {
				t.Fatalf("Checkpoint did not wait for the transaction: got %+v", <-answers)
			}
			if _, err := other.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
			got := <-answers
			if got.err != nil || got.checkpoint.Seq != wantSeq || got.checkpoint.Epoch != checkpoint.Epoch {
				t.Errorf("got checkpoint %+v, %v, want seq %d and epoch %d", got.checkpoint, got.err, wantSeq, checkpoint.Epoch)
			}
		})
	}
}

// storeUnderTest returns the functions with which the checks of package domaintest use the database. The stores connect to storeURL.
func storeUnderTest(t *testing.T, databaseURL, storeURL string) domaintest.StoreUnderTest {
	t.Helper()
	applications := map[domain.EventStore]string{} // the application name of each store's connections
	var conn *pgx.Conn                             // connects at the first query
	query := func(ctx context.Context, sql string) (pgx.Rows, error) {
		if conn == nil {
			var err error
			if conn, err = pgx.Connect(ctx, databaseURL); err != nil {
				return nil, err
			}
			t.Cleanup(func() { _ = conn.Close(context.Background()) })
		}
		return conn.Query(ctx, sql)
	}
	cut := func(s domain.EventStore) {
		terminateSessions(t, databaseURL, applications[s])
		if storeURL != databaseURL { // the runner's lease ends too, as if its process had ended long ago
			waitForReport(t, databaseURL)
			pgtest.Exec(t, databaseURL, "UPDATE runners SET lease_until = NULL")
		}
	}
	return domaintest.StoreUnderTest{
		Open: func() domain.EventStore {
			application := fmt.Sprintf("runner-%d", len(applications))
			store := newStore(t, pgtest.WithParam(t, storeURL, "application_name", application))
			applications[store] = application
			return store
		},
		CutConnections: func(_ context.Context, s domain.EventStore) error {
			cut(s)
			return nil
		},
		Backup: func(context.Context) (restore func(context.Context) error, err error) {
			pgtest.Exec(t, databaseURL, copyTables)
			return func(context.Context) error {
				for s := range applications {
					cut(s)
				}
				pgtest.Exec(t, databaseURL, restoreTables)
				return nil
			}, nil
		},
		Events: func(ctx context.Context) (map[domain.EventID]domain.Event, error) {
			rows, err := query(ctx, `SELECT id, session_id, user_id, type, name, properties::text::bytea, occurred_at,
				device_type, browser, extra::text::bytea FROM events`)
			if err != nil {
				return nil, err
			}
			events := map[domain.EventID]domain.Event{}
			list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[domain.Event])
			for _, e := range list {
				events[e.ID] = e
			}
			return events, err
		},
		Letters: func(ctx context.Context) ([]domain.DeadLetter, error) {
			rows, err := query(ctx, `SELECT id, key, page_id, index_in_page, reason, field, detail,
				coalesce(event_id, '00000000-0000-0000-0000-000000000000'), payload, seen, others, replays, parked_at,
				resolved_at, coalesce(resolution, ''), coalesce(resolved_why, ''), coalesce(resolved_page_id, 0)
				FROM dead_letters ORDER BY id`)
			if err != nil {
				return nil, err
			}
			return pgx.CollectRows(rows, func(row pgx.CollectableRow) (l domain.DeadLetter, err error) {
				var resolved domain.Resolution
				var resolvedAt *time.Time
				err = row.Scan(&l.ID, &l.Key, &l.PageID, &l.Index, &l.Why.Reason, &l.Why.Field, &l.Why.Detail, &l.Why.ID,
					&l.Payload, &l.Seen, &l.Others, &l.Replays, &l.ParkedAt, &resolvedAt, &resolved.How, &resolved.Why, &resolved.PageID)
				if resolvedAt != nil {
					resolved.At = *resolvedAt
					l.Resolved = &resolved
				}
				return l, err
			})
		},
		Ledger: func(ctx context.Context) ([]domaintest.LedgerRow, error) {
			rows, err := query(ctx, `SELECT kind, stream, pass, seq, parent_seq, position, cursor_in, cursor_out,
				received, inserted, duplicate, parked, trace_id, coalesce(ids_hash, ''), end_accepted FROM pages ORDER BY id`)
			if err != nil {
				return nil, err
			}
			return pgx.CollectRows(rows, func(row pgx.CollectableRow) (r domaintest.LedgerRow, err error) {
				counts := &r.Counts
				var idsHash []byte
				err = row.Scan(&r.Kind, &r.Stream, &r.Pass, &r.Seq, &r.ParentSeq, &r.Position, &r.CursorIn, &r.CursorOut,
					&counts.Received, &counts.Inserted, &counts.Duplicate, &counts.Parked, &r.TraceID, &idsHash, &r.EndAccepted)
				r.IDsHash = string(idsHash)
				return r, err
			})
		},
	}
}

// copyTables makes a backup: it copies the tables to another schema of the database. restoreTables restores the backup. It also
// sets the sequence of page ids back, as the restore of a real backup does.
const (
	copyTables = `CREATE SCHEMA backup;
		CREATE TABLE backup.checkpoints AS TABLE checkpoints; CREATE TABLE backup.pages AS TABLE pages;
		CREATE TABLE backup.events AS TABLE events; CREATE TABLE backup.dead_letters AS TABLE dead_letters;
		CREATE TABLE backup.drift AS TABLE drift`
	restoreTables = `TRUNCATE checkpoints, pages, events, dead_letters, drift;
		INSERT INTO checkpoints TABLE backup.checkpoints; INSERT INTO pages TABLE backup.pages;
		INSERT INTO events TABLE backup.events; INSERT INTO drift TABLE backup.drift;
		INSERT INTO dead_letters OVERRIDING SYSTEM VALUE TABLE backup.dead_letters;
		SELECT setval(pg_get_serial_sequence('pages', 'id'), 1 + (SELECT coalesce(max(id), 0) FROM pages), false)`
)

// streamS is the stream of most tests.
var streamS = domain.StreamID{Source: "s"}

// sourceURL is the URL that the streams of the tests read from.
const sourceURL = "https://api.example"

// applicationOfStore is the application name of the connections of newStore.
const applicationOfStore = "pawl/test"

// newStore returns a store with a pool of its own, as a new runner has it. The test's end closes both.
func newStore(t *testing.T, databaseURL string) *postgres.Store {
	t.Helper()
	pool, err := postgres.Open(t.Context(), databaseURL, domain.StreamID{Source: "test"})
	if err != nil {
		t.Fatal(err)
	}
	store := postgres.NewStore(pool, postgres.RunnerProfile{})
	t.Cleanup(func() {
		store.Close()
		closePool(t, pool)
	})
	return store
}

// applicationOfS is the application name of the connections of newPool.
const applicationOfS = "pawl/s"

// newPool returns a pool for stream s. The test's end closes it.
func newPool(t *testing.T, databaseURL string) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), databaseURL, streamS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closePool(t, pool) })
	return pool
}

// closePool closes a pool. It fails the test if a connection is still in use after 10 s, for example because the store has not
// rolled back a transaction.
func closePool(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	closed := make(chan struct{})
	go func() {
		pool.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Errorf("the pool does not close: got %d connections in use, want 0", pool.Stat().AcquiredConns())
	}
}

// claimStore returns a store that has claimed stream s, and the claimed checkpoint.
func claimStore(t *testing.T, databaseURL string) (*postgres.Store, domain.Checkpoint) {
	t.Helper()
	store := newStore(t, databaseURL)
	checkpoint, err := store.Claim(t.Context(), streamS, sourceURL)
	if err != nil {
		t.Fatal(err)
	}
	return store, checkpoint
}

// commitFirst claims stream s and commits one page, see commitNext.
func commitFirst(t *testing.T, databaseURL string, page domain.DecodedPage) domain.CommitResult {
	t.Helper()
	store, checkpoint := claimStore(t, databaseURL)
	return commitNext(t, store, checkpoint, page)
}

// commitNext commits a page with the events and rejects of page, and sets its other fields. The page becomes the first page of the next
// pass, because a test may commit the same page twice, which is an error within one pass.
func commitNext(t *testing.T, store domain.EventStore, checkpoint domain.Checkpoint, page domain.DecodedPage) domain.CommitResult {
	t.Helper()
	page.From, page.To, page.Receipt.FetchedAt = checkpoint.NextPass(), checkpoint.NextPass(), time.Now()
	page.Received = len(page.Events) + len(page.Rejects)
	page.MaxParked = page.Received
	res, err := store.Commit(t.Context(), batchOf(checkpoint, page))
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// batchOf returns a batch that continues at the checkpoint.
func batchOf(checkpoint domain.Checkpoint, pages ...domain.DecodedPage) domain.Batch {
	return domain.Batch{Start: checkpoint, Pages: pages}
}

// emptyPage returns a page without records at the checkpoint's position. The position after the page is the same.
func emptyPage(checkpoint domain.Checkpoint) domain.DecodedPage {
	return domain.DecodedPage{
		From: checkpoint.Position, To: checkpoint.Position, Receipt: domain.Receipt{FetchedAt: time.Now()},
	}
}

// readDeadLetters returns all dead letters in order of id.
func readDeadLetters(t *testing.T, databaseURL string) []domain.DeadLetter {
	t.Helper()
	letters, err := storeUnderTest(t, databaseURL, databaseURL).Letters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return letters
}

// terminateSessions ends the server processes of an application's connections. It waits up to 5 s until they have ended.
func terminateSessions(t *testing.T, databaseURL, application string) {
	t.Helper()
	pgtest.Exec(t, databaseURL, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = '`+application+"'")
}

// isInvalid reports whether err is of kind Invalid and its text contains text.
func isInvalid(err error, text string) bool {
	return domain.KindOf(err) == domain.Invalid && strings.Contains(err.Error(), text)
}

// waitForLock waits until n sessions of the application wait for a lock.
func waitForLock(t *testing.T, databaseURL, application string, n int) {
	t.Helper()
	query := fmt.Sprintf(`SELECT count(*) = %d FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = '%s' AND wait_event_type = 'Lock'`, n, application)
	pgtest.Eventually(t, fmt.Sprintf("%d sessions of %s wait for a lock", n, application), func() bool {
		return pgtest.QueryOne[bool](t, databaseURL, query)
	})
}

// holdLock runs a statement that locks rows or a table. It holds the lock until unlock is called or the test ends.
func holdLock(t *testing.T, databaseURL, sql string) (unlock func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	unlock = sync.OnceFunc(func() { _ = conn.Close(context.Background()) })
	t.Cleanup(unlock)
	if _, err := conn.Exec(t.Context(), "BEGIN; "+sql); err != nil {
		t.Fatal(err)
	}
	return unlock
}
