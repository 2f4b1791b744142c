package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

// fenceChecks is how many times TestFence begins with an empty database, unless -rapid.checks says another number.
const fenceChecks = "4"

// TestFence lets two runners, a replay and an operator take random steps on PostgreSQL, see domaintest.FenceModel.
func TestFence(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	pgtest.Exec(t, databaseURL, copyTables)
	replays, admin := newReplayStore(t, databaseURL), postgres.NewAdmin(newPool(t, databaseURL))
	rapid.Check(t, func(rt *rapid.T) {
		f := domaintest.NewFenceModel(fenceUnderTest(t, databaseURL, replays, admin))
		defer func() {
			if err := f.Close(context.WithoutCancel(t.Context())); err != nil {
				rt.Error(err)
			}
			pgtest.Exec(t, databaseURL, emptyTables)
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"": func(rt *rapid.T) {
				if err := f.Check(t.Context()); err != nil {
					rt.Fatal(err)
				}
			},
			"step": func(rt *rapid.T) {
				draw := func(label string, n int) int { return rapid.IntRange(0, n-1).Draw(rt, label) }
				switch err := f.Step(t.Context(), draw); {
				case errors.Is(err, domaintest.ErrNotPossible):
					rt.Skip()
				case err != nil:
					rt.Fatal(err)
				}
			},
		})
	})
}

// The same as copyTables and restoreTables, again and again in the same tables. Without synchronous_commit the statements do not wait for
// the disk.
const (
	withoutWait = "SET synchronous_commit = off; "
	emptyTables = withoutWait + "DELETE FROM checkpoints; DELETE FROM dead_letters; DELETE FROM events; DELETE FROM drift; DELETE FROM pages;"
	copyAgain   = withoutWait + `DELETE FROM backup.checkpoints; DELETE FROM backup.pages; DELETE FROM backup.events;
		DELETE FROM backup.dead_letters; DELETE FROM backup.drift;
		INSERT INTO backup.checkpoints TABLE checkpoints; INSERT INTO backup.pages TABLE pages; INSERT INTO backup.events TABLE events;
		INSERT INTO backup.dead_letters TABLE dead_letters; INSERT INTO backup.drift TABLE drift`
	restoreAgain = emptyTables + `INSERT INTO checkpoints TABLE backup.checkpoints; INSERT INTO pages TABLE backup.pages;
		INSERT INTO events TABLE backup.events; INSERT INTO drift TABLE backup.drift;
		INSERT INTO dead_letters OVERRIDING SYSTEM VALUE TABLE backup.dead_letters;
		SELECT setval(pg_get_serial_sequence('pages', 'id'), 1 + (SELECT coalesce(max(id), 0) FROM pages), false)`
)

// A fenceClient is a store with a pool of its own, and a proxy that can cut it off.
type fenceClient struct {
	pool        *pgxpool.Pool
	store       *postgres.Store
	application string // the application name of its connections
	cutter      *commitCutter
}

// fenceUnderTest returns access to the database for a FenceModel. Unlike those of storeUnderTest, its stores end when the FenceModel kills them.
func fenceUnderTest(
	t *testing.T, databaseURL string, replays domaintest.ReplayStore, admin *postgres.Admin,
) domaintest.FenceUnderTest {
	t.Helper()
	clients := map[domain.EventStore]*fenceClient{}
	tested := storeUnderTest(t, databaseURL, databaseURL)
	cut := func(s domain.EventStore) { terminateSessions(t, databaseURL, clients[s].application) }
	tested.CutConnections = func(_ context.Context, s domain.EventStore) error {
		cut(s)
		return nil
	}
	tested.Open = func() domain.EventStore {
		c := openFenceClient(t, databaseURL, fmt.Sprintf("fence-%d", len(clients)))
		clients[c.store] = c
		return c.store
	}
	tested.Backup = func(context.Context) (restore func(context.Context) error, err error) {
		pgtest.Exec(t, databaseURL, copyAgain)
		return func(context.Context) error {
			for s, c := range clients {
				if c.pool != nil {
					cut(s)
				}
			}
			pgtest.Exec(t, databaseURL, restoreAgain)
			return nil
		}, nil
	}
	return domaintest.FenceUnderTest{
		ReplayUnderTest: domaintest.ReplayUnderTest{StoreUnderTest: tested, ReplayStore: replays},
		Kill: func(_ context.Context, s domain.EventStore) error {
			cut(s)
			clients[s].close(t)
			return nil
		},
		LoseAnswer: func(s domain.EventStore, delivers bool) (cancel func()) {
			cutter := clients[s].cutter
			cutter.delivers.Store(delivers)
			cutter.armed.Store(true)
			return func() { cutter.armed.Store(false) }
		},
		Reset: admin.ResetCheckpoint,
	}
}

func openFenceClient(t *testing.T, databaseURL, application string) *fenceClient {
	t.Helper()
	c := &fenceClient{application: application, cutter: &commitCutter{}}
	proxyURL := startProxy(t, databaseURL, c.cutter.serve)
	pool, err := postgres.Open(t.Context(), pgtest.WithParam(t, proxyURL, "application_name", application), domain.StreamID{Source: "test"})
	if err != nil {
		t.Fatal(err)
	}
	c.pool, c.store = pool, postgres.NewStore(pool, postgres.RunnerProfile{})
	return c
}

func (c *fenceClient) close(t *testing.T) {
	t.Helper()
	c.store.Close()
	closePool(t, c.pool)
	c.pool = nil
}
