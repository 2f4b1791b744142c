package postgres_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestMigrateBehindAReader: a backup reads the tables for hours. A migration that waited for it would block everybody
// who comes after.
func TestMigrateBehindAReader(t *testing.T) {
	t.Parallel()
	databaseURL, release := olderWithReader(t)
	_, err := migrateSoon(t, databaseURL)
	if domain.KindOf(err) != domain.Transient || !strings.Contains(err.Error(), "may be used by backup (process ") || !strings.Contains(err.Error(), "pages") ||
		!strings.Contains(domain.HintOf(err), "pg_terminate_backend(") {
		t.Errorf("behind a reader: %v, hint %q", err, domain.HintOf(err))
	}
	release()
	if applied, err := migrateSoon(t, databaseURL); err != nil || len(applied) != 1 {
		t.Errorf("after it: applied %v, %v", applied, err)
	}
}

// TestMigrateStopsAtOnce: the first signal ends the wait, on the server too.
func TestMigrateStopsAtOnce(t *testing.T) {
	t.Parallel()
	databaseURL, release := olderWithReader(t)
	defer release()
	const waiting = `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'pawl/migrate' AND wait_event_type = 'Lock'`
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() {
		_, err := postgres.Migrate(ctx, databaseURL)
		done <- err
	}()
	eventually(t, "the migration waits for a table", func() bool { return queryOne[int](t, databaseURL, waiting) == 1 || len(done) == 1 })
	stop()
	if err := <-done; domain.KindOf(err) != domain.Stopped {
		t.Errorf("told to stop it ends in %v", err)
	}
	if n := queryOne[int](t, databaseURL, waiting); n != 0 {
		t.Error("the server still waits for the table")
	}
}

// olderWithReader returns a database whose newest migration is not applied, and a reader that holds its tables until
// release.
func olderWithReader(t *testing.T) (databaseURL string, release func()) {
	t.Helper()
	databaseURL = pgtest.WithParam(t, pgtest.Database(t), "sslmode", "disable")
	if err := plainDbmate(t, databaseURL).Rollback(); err != nil {
		t.Fatal(err)
	}
	reader, err := pgx.Connect(t.Context(), pgtest.WithParam(t, databaseURL, "application_name", "backup"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Exec(t.Context(), "BEGIN; SELECT FROM pages, checkpoints, dead_letters"); err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() { _ = reader.Close(context.Background()) })
	t.Cleanup(release)
	return databaseURL, release
}

// migrateSoon calls Migrate, and ends the test if that waits for ever.
func migrateSoon(t *testing.T, databaseURL string) (applied []string, err error) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		applied, err = postgres.Migrate(t.Context(), databaseURL)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("the migration waits for ever")
	}
	return applied, err
}
