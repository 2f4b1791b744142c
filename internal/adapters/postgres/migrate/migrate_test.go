package migrate_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/adapters/postgres/migrate"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestUpTwice(t *testing.T) {
	t.Parallel()
	const firstMigration = "_events_" // a part of its name
	databaseURL := pgtest.Empty(t)
	err := migrate.CheckSchema(t.Context(), databaseURL)
	if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), firstMigration) {
		t.Errorf("CheckSchema of an empty database: got %v, want Invalid that names %s", err, firstMigration)
	}
	applied, err := migrate.Up(t.Context(), databaseURL)
	if err != nil || len(applied) == 0 {
		t.Fatalf("got %v, %v", applied, err)
	}
	again, err := migrate.Up(t.Context(), databaseURL)
	if err != nil || len(again) != 0 {
		t.Errorf("second call: got %v, %v, want none", again, err)
	}
	if err := migrate.CheckSchema(t.Context(), databaseURL); err != nil {
		t.Errorf("CheckSchema of a migrated database: %v", err)
	}
}

func TestUpConcurrently(t *testing.T) {
	t.Parallel()
	// With search_path the processes also race to create the schema.
	databaseURL := pgtest.WithParam(t, pgtest.Empty(t), "search_path", "pawl")
	var group sync.WaitGroup
	applied := make([]int, 6)
	for i := range applied {
		group.Go(func() {
			names, err := migrate.Up(t.Context(), databaseURL)
			if err != nil {
				t.Errorf("process %d: %v", i, err)
			}
			applied[i] = len(names)
		})
	}
	group.Wait()
	migrated := 0
	for _, n := range applied {
		if n > 0 {
			migrated++
		}
	}
	if migrated != 1 {
		t.Errorf("got %d processes that migrated, want 1: %v", migrated, applied)
	}
}

// TestUpSameAsDbmate runs the files of the folder with dbmate and dbmate's own PostgreSQL driver, and compares the schema with
// that of Up.
func TestUpSameAsDbmate(t *testing.T) {
	t.Parallel()
	theirs, ours := pgtest.WithParam(t, pgtest.Empty(t), "sslmode", "disable"), pgtest.Database(t)
	mate := pgtest.Dbmate(t, theirs)
	mate.FS, mate.MigrationsDir = nil, []string{filepath.Join("..", "..", "..", "..", "db", "migrations")}
	if err := mate.Migrate(); err != nil {
		t.Fatal(err)
	}
	if err := migrate.CheckSchema(t.Context(), theirs); err != nil {
		t.Errorf("CheckSchema of the schema of dbmate: %v", err)
	}
	const columns = `SELECT string_agg(table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable, E'\n'
		ORDER BY table_name, ordinal_position) FROM information_schema.columns WHERE table_schema = current_schema()`
	got, want := pgtest.QueryOne[string](t, ours, columns), pgtest.QueryOne[string](t, theirs, columns)
	if got != want || !strings.Contains(got, "events.id uuid NO") {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestUpForeignObjects(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, sql string
		want      string // in the error
	}{
		{"a foreign table named events", "CREATE TABLE events (id int)", "events"},
		{"a foreign view named pages", "CREATE VIEW pages AS SELECT 1 AS id", "pages"},
		{"a foreign table named drift", "CREATE TABLE drift (id int)", "drift"},
		{"a foreign type named pages", "CREATE TYPE pages AS ENUM ('x')", "pages"},
		{"a foreign index with a name of a migration", "CREATE TABLE x (id int); CREATE INDEX pages_stream_seq ON x (id)", "pages_stream_seq"},
		{"another program's schema_migrations, keyed by file name", "CREATE TABLE schema_migrations (filename text)", "schema_migrations"},
		{"another program's empty schema_migrations", "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL)", "schema_migrations"},
		{
			"another program's schema_migrations",
			"CREATE TABLE schema_migrations (version varchar PRIMARY KEY); INSERT INTO schema_migrations VALUES ('20120101000000')",
			"schema_migrations",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.Empty(t)
			pgtest.Exec(t, databaseURL, tt.sql)
			_, err := migrate.Up(t.Context(), databaseURL)
			if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), tt.want) ||
				!strings.Contains(domain.HintOf(err), "search_path=pawl") {
				t.Fatalf("got %v, hint %q, want Invalid", err, domain.HintOf(err))
			}
			if n := pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM pg_class WHERE relname = 'checkpoints'"); n != 0 {
				t.Error("got pawl's tables, want none")
			}
			// With search_path=pawl, as the hint suggests, the migration succeeds although these objects exist.
			if _, err := migrate.Up(t.Context(), pgtest.WithParam(t, databaseURL, "search_path", "pawl")); err != nil {
				t.Errorf("with search_path=pawl: %v", err)
			}
		})
	}
}

func TestUpSearchPath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"pawl": "pawl", "MySchema": "myschema", `"My Schema"`: "My Schema", `"a,b"`: "a,b", "pawl, public": "pawl",
		`"with ""quotes"""`: `with "quotes"`,
	} {
		databaseURL := pgtest.Empty(t)
		if _, err := migrate.Up(t.Context(), pgtest.WithParam(t, databaseURL, "search_path", path)); err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		got := pgtest.QueryOne[string](t, databaseURL, `SELECT n.nspname::text FROM pg_class AS c
			JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relname = 'checkpoints'`)
		if got != want {
			t.Errorf("%s: got tables in schema %s, want %s", path, got, want)
		}
	}
}

func TestUpOtherEncoding(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Empty(t)
	name := pgtest.QueryOne[string](t, databaseURL, "SELECT current_database()::text") + "_ascii"
	pgtest.Exec(t, databaseURL, "CREATE DATABASE "+name+" ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
	t.Cleanup(func() { pgtest.Exec(t, databaseURL, "DROP DATABASE "+name) })
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	if _, err := migrate.Up(t.Context(), u.String()); domain.KindOf(err) != domain.Invalid ||
		!strings.Contains(err.Error(), "SQL_ASCII") || !strings.Contains(domain.HintOf(err), "ENCODING 'UTF8'") {
		t.Errorf("got %v, hint %q", err, domain.HintOf(err))
	}
}

func TestUpNewerSchema(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	pgtest.Exec(t, databaseURL, "INSERT INTO schema_migrations VALUES ('29991231235959')")
	_, err := migrate.Up(t.Context(), databaseURL)
	if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), "29991231235959") {
		t.Errorf("Up: got %v, want Invalid", err)
	}
	if err := migrate.CheckSchema(t.Context(), databaseURL); domain.KindOf(err) != domain.Invalid {
		t.Errorf("CheckSchema: got %v, want Invalid", err)
	}
}

func TestUpWithoutCreatePrivilege(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Empty(t)
	role := "plain_" + strings.ReplaceAll(pgtest.QueryOne[string](t, databaseURL, "SELECT current_database()::text"), "-", "_")
	pgtest.Exec(t, databaseURL, "CREATE ROLE "+role+"; REVOKE CREATE ON SCHEMA public FROM public")
	t.Cleanup(func() { pgtest.Exec(t, databaseURL, "DROP ROLE "+role) })
	_, err := migrate.Up(t.Context(), pgtest.WithParam(t, databaseURL, "role", role))
	if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("got %v, want Invalid", err)
	}
}

func TestUpUnreachableDatabase(t *testing.T) {
	t.Parallel()
	_, err := migrate.Up(t.Context(), "postgres://user:hunter2@127.0.0.1:1/db")
	if domain.KindOf(err) != domain.Transient || !strings.Contains(err.Error(), "127.0.0.1:1") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want Transient without the password", err)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("got an error of several lines: %q", err)
	}
}

// TestUpTableInUse tests that a migration does not wait long for a table that a backup reads for hours: it would block all later
// users of the table.
func TestUpTableInUse(t *testing.T) {
	t.Parallel()
	databaseURL, release := olderSchemaWithReader(t)
	_, err := upWithTimeout(t, databaseURL)
	if domain.KindOf(err) != domain.Transient || !strings.Contains(err.Error(), "may be used by backup (process ") ||
		!strings.Contains(err.Error(), "pages") || !strings.Contains(domain.HintOf(err), "pg_terminate_backend(") {
		t.Errorf("with a reader: got %v, hint %q", err, domain.HintOf(err))
	}
	release()
	if applied, err := upWithTimeout(t, databaseURL); err != nil || len(applied) != 1 {
		t.Errorf("without the reader: got %v, %v, want 1 migration", applied, err)
	}
}

// TestUpStopped tests that a cancelled context ends the wait for a table, on the server too.
func TestUpStopped(t *testing.T) {
	t.Parallel()
	databaseURL, release := olderSchemaWithReader(t)
	defer release()
	const waiting = `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'pawl/migrate' AND wait_event_type = 'Lock'`
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() {
		_, err := migrate.Up(ctx, databaseURL)
		done <- err
	}()
	pgtest.Eventually(t, "the migration waits for a table", func() bool { return pgtest.QueryOne[int](t, databaseURL, waiting) == 1 || len(done) == 1 })
	stop()
	if err := <-done; domain.KindOf(err) != domain.Stopped {
		t.Errorf("got %v, want Stopped", err)
	}
	if n := pgtest.QueryOne[int](t, databaseURL, waiting); n != 0 {
		t.Errorf("got %d sessions that wait for the table, want 0", n)
	}
}

// olderSchemaWithReader returns a database without the newest migration, and a session that reads its tables until release.
func olderSchemaWithReader(t *testing.T) (databaseURL string, release func()) {
	t.Helper()
	databaseURL = pgtest.WithParam(t, pgtest.Database(t), "sslmode", "disable")
	if err := pgtest.Dbmate(t, databaseURL).Rollback(); err != nil {
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

// upWithTimeout calls Up, and ends the test if it does not return.
func upWithTimeout(t *testing.T, databaseURL string) (applied []string, err error) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		applied, err = migrate.Up(t.Context(), databaseURL)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("the migration did not end within a minute")
	}
	return applied, err
}
