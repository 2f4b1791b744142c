package postgres_test

import (
	"context"
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

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestStore(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.StoreChecks(), func(t *testing.T) domaintest.StoreUnderTest {
		t.Helper()
		return storeUnderTest(t, pgtest.Database(t))
	})
}

// TestCheckpointWaitsForOpenTransaction tests I4: after a COMMIT without an answer the transaction may still be open, and only
// its result tells whether it was committed. Another session changes the checkpoint's row as such a commit would.
func TestCheckpointWaitsForOpenTransaction(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end string
		seq int64
	}{
		"that commits":    {"COMMIT", 1},
		"that rolls back": {"ROLLBACK", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.Database(t)
			store, at := claimStore(t, pgtest.WithParam(t, databaseURL, "application_name", "reader"))
			open, err := pgx.Connect(t.Context(), databaseURL)
			if err != nil {
				t.Fatal(err)
			}
			defer open.Close(t.Context()) //nolint:errcheck // a test's connection
			if _, err := open.Exec(t.Context(), "BEGIN; UPDATE checkpoints SET seq = 1"); err != nil {
				t.Fatal(err)
			}
			type answer struct {
				at  domain.Checkpoint
				err error
			}
			answers := make(chan answer, 1)
			go func() {
				durable, err := store.Checkpoint(t.Context(), at.Stream)
				answers <- answer{durable, err}
			}()
			waitForLock(t, databaseURL, "reader", 1)
			if len(answers) > 0 {
				t.Fatalf("Checkpoint did not wait: got %+v", <-answers)
			}
			if _, err := open.Exec(t.Context(), tt.end); err != nil {
				t.Fatal(err)
			}
			if got := <-answers; got.err != nil || got.at.Seq != tt.seq || got.at.Epoch != at.Epoch {
				t.Errorf("got %+v, %v, want seq %d", got.at, got.err, tt.seq)
			}
		})
	}
}

// storeUnderTest returns what the conformance suites need of the database.
func storeUnderTest(t *testing.T, databaseURL string) domaintest.StoreUnderTest {
	t.Helper()
	names := map[domain.EventStore]string{}
	var conn *pgx.Conn
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
	return domaintest.StoreUnderTest{
		Open: func() domain.EventStore {
			name := fmt.Sprintf("runner-%d", len(names))
			store := newStore(t, pgtest.WithParam(t, databaseURL, "application_name", name))
			names[store] = name
			return store
		},
		Sever: func(_ context.Context, s domain.EventStore) error {
			terminateSessions(t, databaseURL, names[s])
			return nil
		},
		Backup: func(context.Context) (func(context.Context) error, error) {
			pgtest.Exec(t, databaseURL, copyTables)
			return func(context.Context) error {
				for _, name := range names {
					terminateSessions(t, databaseURL, name)
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
			rows, err := query(ctx, `SELECT id, key, page_id, index_in_page, reason, field, detail, coalesce(event_id, '00000000-0000-0000-0000-000000000000'),
				payload, seen, others, replays, parked_at, resolved_at, coalesce(resolution, ''), coalesce(resolved_why, ''), coalesce(resolved_page_id, 0)
				FROM dead_letters ORDER BY id`)
			if err != nil {
				return nil, err
			}
			return pgx.CollectRows(rows, func(row pgx.CollectableRow) (l domain.DeadLetter, err error) {
				var resolved domain.Resolution
				var at *time.Time
				err = row.Scan(&l.ID, &l.Key, &l.PageID, &l.Index, &l.Why.Reason, &l.Why.Field, &l.Why.Detail, &l.Why.ID,
					&l.Payload, &l.Seen, &l.Others, &l.Replays, &l.ParkedAt, &at, &resolved.How, &resolved.Why, &resolved.PageID)
				if at != nil {
					resolved.At = *at
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
				t := &r.Counts
				var idsHash []byte
				err = row.Scan(&r.Kind, &r.Stream, &r.Pass, &r.Seq, &r.ParentSeq, &r.Position, &r.CursorIn, &r.CursorOut,
					&t.Received, &t.Inserted, &t.Duplicate, &t.Parked, &r.TraceID, &idsHash, &r.EndAccepted)
				r.IDsHash = string(idsHash)
				return r, err
			})
		},
	}
}

// A backup is a copy of the tables in another schema of the database. restoreTables also sets the ids of pages back.
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

// streamS is the stream of most tests, and sourceURL what it reads from.
var streamS = domain.StreamID{Source: "s"}

const sourceURL = "https://api.example"

// newStore returns the store of another runner.
func newStore(t *testing.T, databaseURL string) *postgres.Store {
	t.Helper()
	pool, err := postgres.Open(t.Context(), databaseURL, domain.StreamID{Source: "test"})
	if err != nil {
		t.Fatal(err)
	}
	store := postgres.NewStore(pool)
	t.Cleanup(func() {
		store.Close()
		closePool(t, pool)
	})
	return store
}

// newPool returns a pool for a runner of stream s.
func newPool(t *testing.T, databaseURL string) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), databaseURL, streamS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closePool(t, pool) })
	return pool
}

// closePool closes a pool. It fails the test if a connection is still in use, for example because a rollback is missing.
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
		t.Errorf("the pool does not close: %d of its connections are still in use", pool.Stat().AcquiredConns())
	}
}

// claimStore returns a store that has claimed stream s, and the claimed checkpoint.
func claimStore(t *testing.T, databaseURL string) (*postgres.Store, domain.Checkpoint) {
	t.Helper()
	store := newStore(t, databaseURL)
	at, err := store.Claim(t.Context(), streamS, sourceURL)
	if err != nil {
		t.Fatal(err)
	}
	return store, at
}

// commitFirst claims stream s and commits one page.
func commitFirst(t *testing.T, databaseURL string, page domain.DecodedPage) domain.CommitResult {
	t.Helper()
	store, at := claimStore(t, databaseURL)
	return commitNext(t, store, at, page)
}

// commitNext commits one more page, in a pass of its own: a page may not repeat another one of its pass.
func commitNext(t *testing.T, store domain.EventStore, at domain.Checkpoint, page domain.DecodedPage) domain.CommitResult {
	t.Helper()
	page.From, page.To, page.Receipt.FetchedAt = at.NextPass(), at.NextPass(), time.Now()
	page.Received = len(page.Events) + len(page.Rejects)
	page.MaxParked = page.Received
	res, err := store.Commit(t.Context(), domain.Batch{At: at, Pages: []domain.DecodedPage{page}})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// readDeadLetters returns all dead letters in order of id.
func readDeadLetters(t *testing.T, databaseURL string) []domain.DeadLetter {
	t.Helper()
	letters, err := storeUnderTest(t, databaseURL).Letters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return letters
}

// terminateSessions ends the server side of an application's connections, as an administrator would.
func terminateSessions(t *testing.T, databaseURL, application string) {
	t.Helper()
	pgtest.Exec(t, databaseURL,
		"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND application_name = '"+application+"'")
}

// isInvalid reports whether err is of kind Invalid and its text contains text.
func isInvalid(err error, text string) bool {
	return domain.KindOf(err) == domain.Invalid && strings.Contains(err.Error(), text)
}

// waitForLock returns when n sessions of the application wait for a lock.
func waitForLock(t *testing.T, databaseURL, application string, n int) {
	t.Helper()
	query := fmt.Sprintf(`SELECT count(*) = %d FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = '%s' AND wait_event_type = 'Lock'`, n, application)
	pgtest.Eventually(t, fmt.Sprintf("%d sessions of %s wait for a lock", n, application), func() bool {
		return pgtest.QueryOne[bool](t, databaseURL, query)
	})
}

// lockRows runs a statement that locks something, and holds the lock until unlock is called or the test ends.
func lockRows(t *testing.T, databaseURL, sql string) (unlock func()) {
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
