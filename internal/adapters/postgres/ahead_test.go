package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

// idleTransactions counts the transactions that wait for their client.
const idleTransactions = `SELECT count(*) FROM pg_stat_activity
	WHERE datname = current_database() AND state = 'idle in transaction'`

// insertReplayRow adds the ledger row of a replay of stream s.
const insertReplayRow = `CREATE TEMP TABLE row AS TABLE pages;
	UPDATE row SET id = nextval(pg_get_serial_sequence('pages', 'id')), kind = 'replay', ids_hash = NULL,
		received = 0, inserted = 0, duplicate = 0, parked = 0;
	INSERT INTO pages TABLE row; DROP TABLE row`

// TestAhead commits page 1 of stream s, which says that page 2 follows, and then page 2. In between, something happens while the
// transaction of page 2 is open. Page 2 must be stored once nevertheless, unless another runner has claimed the stream. Its page id must
// be greater than all earlier ids of the stream.
func TestAhead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		between    func(t *testing.T, w *pageWriter)
		isolation  string        // the default isolation level of the database; empty for read committed
		wantCounts domain.Counts // of page 2; zero means two inserted events
		wantKind   domain.Kind   // of the error of page 2
	}{
		{name: "nothing happens", between: func(*testing.T, *pageWriter) {}},
		{
			name: "the session ends",
			between: func(t *testing.T, w *pageWriter) {
				t.Helper()
				pgtest.Exec(t, w.databaseURL, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
					WHERE datname = current_database() AND state = 'idle in transaction'`)
			},
		},
		{
			name: "a replay stores a row",
			between: func(t *testing.T, w *pageWriter) {
				t.Helper()
				pgtest.Exec(t, w.databaseURL, insertReplayRow)
			},
		},
		{
			name: "a replay stores a row in a database with another isolation level", isolation: "repeatable read",
			between: func(t *testing.T, w *pageWriter) {
				t.Helper()
				pgtest.Exec(t, w.databaseURL, insertReplayRow)
			},
		},
		{
			name: "the sequence of page ids is set back",
			between: func(t *testing.T, w *pageWriter) {
				t.Helper()
				pgtest.Exec(t, w.databaseURL, insertReplayRow)
				pgtest.Exec(t, w.databaseURL, "SELECT setval(pg_get_serial_sequence('pages', 'id'), 1, false)")
			},
		},
		{
			name: "another stream waits for an id of the page",
			between: func(t *testing.T, w *pageWriter) {
				t.Helper()
				other := newPageWriter(t, w.databaseURL, "other")
				stored := make(chan domain.Counts, 1)
				go func() {
					res, err := other.store.Commit(context.WithoutCancel(t.Context()), batchOf(other.checkpoint, other.makePage(other.from, "x", 3, 9)))
					if err != nil {
						t.Errorf("got error %v, want the page of the other stream to be stored", err)
					}
					stored <- res.Counts
				}()
				pgtest.Eventually(t, "a session that waits for the page", func() bool {
					return pgtest.QueryOne[int](t, w.databaseURL, "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0
				})
				t.Cleanup(func() {
					if got, want := <-stored, (domain.Counts{Received: 2, Inserted: 1, Duplicate: 1}); got != want {
						t.Errorf("got counts %+v of the other stream, want %+v", got, want)
					}
				})
			},
		},
		{
			name: "another stream stores an id of the page after the time is over",
			between: func(t *testing.T, w *pageWriter) {
				t.Helper()
				other := newPageWriter(t, w.databaseURL, "other")
				other.commitPage("x", 3, 9) // waits until the transaction of page 2 has ended
			},
			wantCounts: domain.Counts{Received: 2, Inserted: 1, Duplicate: 1},
		},
		{
			name: "another runner claims the stream",
			between: func(t *testing.T, w *pageWriter) {
				t.Helper()
				takeOver(t, w.databaseURL)
			},
			wantKind: domain.Fenced,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.Database(t)
			if tt.isolation != "" {
				pgtest.Exec(t, databaseURL, fmt.Sprintf(`DO $$ BEGIN
					EXECUTE format('ALTER DATABASE %%I SET default_transaction_isolation = %%L', current_database(), '%s'); END $$`, tt.isolation))
			}
			w := newPageWriter(t, databaseURL, "s")
			w.store.SetMaxAheadTime(time.Minute) // so that the transaction of page 2 stays open on a slow machine
			if tt.wantCounts != (domain.Counts{}) {
				const short = 100 * time.Millisecond
				w.store.SetMaxAheadTime(short)
			}
			first := w.makePage(w.from, "c1", 1, 2)
			second := w.makePage(first.To, "c2", 3, 4)
			w.commitWithNext([]domain.DecodedPage{first}, []domain.DecodedPage{second})
			if tt.wantCounts == (domain.Counts{}) {
				pgtest.Eventually(t, "the transaction of page 2", func() bool {
					return pgtest.QueryOne[int](t, w.databaseURL, idleTransactions) == 1
				})
			}
			if n := pgtest.QueryOne[int](t, w.databaseURL, "SELECT count(*) FROM events"); n != 2 {
				t.Errorf("got %d visible events before page 2 is committed, want 2", n)
			}
			tt.between(t, w)
			lastID := pgtest.QueryOne[int](t, w.databaseURL, "SELECT max(id) FROM pages WHERE stream = 's'")
			res, err := w.store.Commit(t.Context(), batchOf(w.checkpoint, second))
			if tt.wantKind != domain.Unknown {
				domaintest.CheckKind(t, err, tt.wantKind)
				if n := pgtest.QueryOne[int](t, w.databaseURL, "SELECT count(*) FROM events"); n != 2 {
					t.Errorf("got %d events, want only those of page 1", n)
				}
				return
			}
			want := tt.wantCounts
			if want == (domain.Counts{}) {
				want = domain.Counts{Received: 2, Inserted: 2}
			}
			if err != nil || res.Counts != want {
				t.Fatalf("got counts %+v, error %v; want %+v", res.Counts, err, want)
			}
			if id := pgtest.QueryOne[int](t, w.databaseURL, "SELECT id FROM pages WHERE stream = 's' AND seq = 2"); id <= lastID {
				t.Errorf("got page id %d of page 2, want more than %d", id, lastID)
			}
			if got := describe(inspect(t.Context(), t, w.databaseURL)); got != "" {
				t.Errorf("got differences:\n%swant none", got)
			}
		})
	}
}

// TestAheadEnds checks that no transaction stays open after a commit of other pages, or after Close.
func TestAheadEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*pageWriter){
		"Close":       func(w *pageWriter) { w.store.Close() },
		"other pages": func(w *pageWriter) { w.commitPage("c2", 5, 6) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newPageWriter(t, pgtest.Database(t), "s")
			first := w.makePage(w.from, "c1", 1, 2)
			w.commitWithNext([]domain.DecodedPage{first}, []domain.DecodedPage{w.makePage(first.To, "c2", 3, 4)})
			pgtest.Eventually(t, "the transaction of page 2", func() bool {
				return pgtest.QueryOne[int](t, w.databaseURL, idleTransactions) == 1
			})
			end(w)
			pgtest.Eventually(t, "no open transaction", func() bool {
				return pgtest.QueryOne[int](t, w.databaseURL, idleTransactions) == 0
			})
			if n := pgtest.QueryOne[int](t, w.databaseURL, "SELECT count(*) FROM events WHERE name IN ('event_3', 'event_4')"); n != 0 {
				t.Errorf("got %d events of the page that was dropped, want none", n)
			}
		})
	}
}

// TestAheadLostAnswer checks that Commit returns Uncertain if the connection of a transaction ahead is lost before the answer to COMMIT, that
// the checkpoint then says what has happened, and that the page is stored once in the end.
func TestAheadLostAnswer(t *testing.T) {
	t.Parallel()
	for name, delivers := range map[string]bool{
		"lost before the server received COMMIT":   false,
		"lost after the server carried out COMMIT": true,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.Database(t)
			cutter := &commitCutter{}
			cutter.delivers.Store(delivers)
			w := newPageWriter(t, startProxy(t, databaseURL, cutter.serve), "s")
			first := w.makePage(w.from, "c1", 1, 2)
			second := w.makePage(first.To, "c2", 3, 4)
			w.commitWithNext([]domain.DecodedPage{first}, []domain.DecodedPage{second})
			pgtest.Eventually(t, "the transaction of page 2", func() bool {
				return pgtest.QueryOne[int](t, databaseURL, idleTransactions) == 1
			})
			cutter.armed.Store(true)
			batch := batchOf(w.checkpoint, second)
			_, err := w.store.Commit(t.Context(), batch)
			domaintest.CheckKind(t, err, domain.Uncertain)
			durable, err := w.store.Checkpoint(t.Context(), w.checkpoint.Stream)
			if err != nil {
				t.Fatal(err)
			}
			wantSeq := int64(1)
			if delivers {
				wantSeq = 2
			}
			if durable.Seq != wantSeq {
				t.Fatalf("got seq %d, want %d", durable.Seq, wantSeq)
			}
			if !delivers {
				if _, err := w.store.Commit(t.Context(), batch); err != nil {
					t.Errorf("second commit of page 2: got %v, want no error", err)
				}
			}
			if n := pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM events"); n != 4 {
				t.Errorf("got %d events, want 4", n)
			}
			if got := describe(inspect(t.Context(), t, databaseURL)); got != "" {
				t.Errorf("got differences:\n%swant none", got)
			}
		})
	}
}

// TestAheadClosedDuringCopy checks that Close ends a transaction ahead whose COPY waits for another session, and that nothing of it is stored.
func TestAheadClosedDuringCopy(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	w := newPageWriter(t, databaseURL, "s")
	first := w.makePage(w.from, "c1", 1, 2)
	second := w.makePage(first.To, "c2", 3, 4)
	id := second.Events[0].ID
	unlock := holdLock(t, databaseURL, fmt.Sprintf(
		"INSERT INTO events VALUES ('%[1]x', '%[1]x', '%[1]x', 't', 'n', '{}', now(), 'd', 'b', NULL, 1)", id[:]))
	w.commitWithNext([]domain.DecodedPage{first}, []domain.DecodedPage{second})
	waitForLock(t, databaseURL, "pawl/test", 1)
	w.store.Close()
	pgtest.Eventually(t, "no session waits", func() bool {
		return pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0
	})
	unlock()
	if n := pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM events"); n != 2 {
		t.Errorf("got %d events, want only those of page 1", n)
	}
}
