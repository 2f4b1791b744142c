package postgres_test

import (
	"context"
	"fmt"
	"os"
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
		return storeOn(t, pgtest.Database(t))
	})
}

func storeOn(t *testing.T, databaseURL string) domaintest.StoreUnderTest {
	t.Helper()
	names := map[domain.EventStore]string{}
	var conn *pgx.Conn
	look := func(ctx context.Context, query string) (pgx.Rows, error) {
		if conn == nil {
			var err error
			if conn, err = pgx.Connect(ctx, databaseURL); err != nil {
				return nil, err
			}
			t.Cleanup(func() { _ = conn.Close(context.Background()) })
		}
		return conn.Query(ctx, query)
	}
	return domaintest.StoreUnderTest{
		Open: func() domain.EventStore {
			name := fmt.Sprintf("runner-%d", len(names))
			store := open(t, pgtest.WithParam(t, databaseURL, "application_name", name))
			names[store] = name
			return store
		},
		Sever: func(_ context.Context, s domain.EventStore) error {
			sever(t, databaseURL, names[s])
			return nil
		},
		Backup: func(context.Context) (func(context.Context) error, error) {
			exec(t, databaseURL, copyTables)
			return func(context.Context) error {
				for _, name := range names {
					sever(t, databaseURL, name)
				}
				exec(t, databaseURL, restoreTables)
				return nil
			}, nil
		},
		Events: func(ctx context.Context) (map[domain.EventID]domain.Event, error) {
			rows, err := look(ctx, `SELECT id, session_id, user_id, type, name, properties::text::bytea, occurred_at,
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
			rows, err := look(ctx, `SELECT id, key, page_id, index_in_page, reason, field, detail, coalesce(event_id, '00000000-0000-0000-0000-000000000000'),
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
			rows, err := look(ctx, `SELECT kind, stream, pass, seq, parent_seq, position, cursor_in, cursor_out,
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

// A backup is a copy of the tables in the same database. The ids of pages go back with them.
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

// open returns the store of one more runner.
func open(t *testing.T, databaseURL string) *postgres.Store {
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

// closePool closes a pool, or ends the test if a connection is not given back: a missing rollback would hold it for ever.
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
