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

// TestUpTwice checks that Up migrates an empty database and that a second Up does nothing.
func TestUpTwice(t *testing.T) {
	t.Parallel()
	const firstMigration = "_events_" // a part of the name of its file
	databaseURL := pgtest.Empty(t)
	err := migrate.CheckSchema(t.Context(), databaseURL)
	if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), firstMigration) {
		t.Errorf("CheckSchema of an empty database: got %v, want Invalid that names %s", err, firstMigration)
	}
	applied, err := migrate.Up(t.Context(), databaseURL)
	if err != nil || len(applied) == 0 {
		t.Fatalf("first Up: got migrations %v, %v, want at least 1", applied, err)
	}
	applied, err = migrate.Up(t.Context(), databaseURL)
	if err != nil || len(applied) != 0 {
		t.Errorf("second Up: got migrations %v, %v, want none", applied, err)
	}
	if err := migrate.CheckSchema(t.Context(), databaseURL); err != nil {
		t.Errorf("CheckSchema of a migrated database: got %v, want no error", err)
	}
}

// TestUpConcurrently checks that only one of several concurrent calls of Up applies the migrations and that none of them fails.
func TestUpConcurrently(t *testing.T) {
	t.Parallel()
	// With a search_path the calls also create the schema concurrently.
	databaseURL := pgtest.WithParam(t, pgtest.Empty(t), "search_path", "pawl")
	const calls = 6
	var group sync.WaitGroup
	applied := make([]int, calls) // the number of migrations that each call applied
	for i := range applied {
		group.Go(func() {
			names, err := migrate.Up(t.Context(), databaseURL)
			if err != nil {
				t.Errorf("call %d: got %v, want no error", i, err)
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
		t.Errorf("got %d calls that applied migrations, want 1; numbers of migrations: %v", migrated, applied)
	}
}

// TestUpSameAsDbmate checks that Up makes the same schema as dbmate does. The test runs dbmate, with its own PostgreSQL driver, on
// the files in db/migrations.
func TestUpSameAsDbmate(t *testing.T) {
	t.Parallel()
	dbmateURL, upURL := pgtest.WithParam(t, pgtest.Empty(t), "sslmode", "disable"), pgtest.Database(t)
	db := pgtest.Dbmate(t, dbmateURL)
	db.FS = nil // dbmate reads the files and not those embedded in pawl
	db.MigrationsDir = []string{filepath.Join("..", "..", "..", "..", "db", "migrations")}
	if err := db.Migrate(); err != nil {
		t.Fatal(err)
	}
	if err := migrate.CheckSchema(t.Context(), dbmateURL); err != nil {
		t.Errorf("CheckSchema of the schema of dbmate: got %v, want no error", err)
	}
	const columns = `SELECT string_agg(table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable, E'\n'
		ORDER BY table_name, ordinal_position) FROM information_schema.columns WHERE table_schema = current_schema()`
	got, want := pgtest.QueryOne[string](t, upURL, columns), pgtest.QueryOne[string](t, dbmateURL, columns)
	if got != want {
		t.Errorf("got columns\n%s\nwant\n%s", got, want)
	}
	if column := "events.id uuid NO"; !strings.Contains(got, column) {
		t.Errorf("got columns\n%s\nwant %q among them", got, column)
	}
}

// TestUpForeignObjects checks that Up refuses a database in which another program has an object with a name of pawl.
func TestUpForeignObjects(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		sql  string // creates the object
		want string // the name of the object, which the error must contain
	}{
		{name: "a foreign table named events", sql: "CREATE TABLE events (id int)", want: "events"},
		{name: "a foreign view named pages", sql: "CREATE VIEW pages AS SELECT 1 AS id", want: "pages"},
		{name: "a foreign table named drift", sql: "CREATE TABLE drift (id int)", want: "drift"},
		{name: "a foreign type named pages", sql: "CREATE TYPE pages AS ENUM ('x')", want: "pages"},
		{
			name: "a foreign index with the name of pawl's index",
			sql:  "CREATE TABLE x (id int); CREATE INDEX pages_stream_seq ON x (id)", want: "pages_stream_seq",
		},
		{
			name: "another program's schema_migrations with file names",
			sql:  "CREATE TABLE schema_migrations (filename text)", want: "schema_migrations",
		},
		{
			name: "another program's schema_migrations with two columns",
			sql:  "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL)", want: "schema_migrations",
		},
		{
			name: "another program's schema_migrations with a version",
			sql: "CREATE TABLE schema_migrations (version varchar PRIMARY KEY); " +
				"INSERT INTO schema_migrations VALUES ('20120101000000')",
			want: "schema_migrations",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.Empty(t)
			pgtest.Exec(t, databaseURL, tt.sql)
			_, err := migrate.Up(t.Context(), databaseURL)
			if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want Invalid that names %s", err, tt.want)
			}
			if hint := domain.HintOf(err); !strings.Contains(hint, "search_path=pawl") {
				t.Fatalf("got hint %q, want search_path=pawl in it", hint)
			}
			if n := pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM pg_class WHERE relname = 'checkpoints'"); n != 0 {
				t.Error("got the table checkpoints, want no table of pawl")
			}
			// With search_path=pawl, as the hint suggests, Up must succeed although these objects exist.
			if _, err := migrate.Up(t.Context(), pgtest.WithParam(t, databaseURL, "search_path", "pawl")); err != nil {
				t.Errorf("Up with search_path=pawl: got %v, want no error", err)
			}
		})
	}
}

// TestUpSearchPath checks that Up creates the first schema of search_path and puts the tables there.
func TestUpSearchPath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{ // want is the name of the schema
		"pawl":              "pawl",
		"pawl, public":      "pawl",
		"MySchema":          "myschema",
		`"My Schema"`:       "My Schema",
		`"a,b"`:             "a,b",
		`"with ""quotes"""`: `with "quotes"`,
	} {
		databaseURL := pgtest.Empty(t)
		if _, err := migrate.Up(t.Context(), pgtest.WithParam(t, databaseURL, "search_path", path)); err != nil {
			t.Errorf("%s: got %v, want no error", path, err)
			continue
		}
		got := pgtest.QueryOne[string](t, databaseURL, `SELECT n.nspname::text FROM pg_class AS c
			JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relname = 'checkpoints'`)
		if got != want {
			t.Errorf("%s: got tables in schema %s, want %s", path, got, want)
		}
	}
}

// TestUpOtherEncoding checks that Up refuses a database whose encoding is not UTF-8.
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
	_, err = migrate.Up(t.Context(), u.String())
	if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), "SQL_ASCII") {
		t.Errorf("got %v, want Invalid that names SQL_ASCII", err)
	}
	if hint := domain.HintOf(err); !strings.Contains(hint, "ENCODING 'UTF8'") {
		t.Errorf("got hint %q, want ENCODING 'UTF8' in it", hint)
	}
}

// TestUpNewerSchema checks that Up and CheckSchema refuse a database that a newer version of pawl has migrated.
func TestUpNewerSchema(t *testing.T) {
	t.Parallel()
	const newerMigration = "29991231235959"
	databaseURL := pgtest.Database(t)
	pgtest.Exec(t, databaseURL, "INSERT INTO schema_migrations VALUES ('"+newerMigration+"')")
	_, err := migrate.Up(t.Context(), databaseURL)
	if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), newerMigration) {
		t.Errorf("Up: got %v, want Invalid that names %s", err, newerMigration)
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
		t.Errorf("got %v, want Invalid with \"permission denied\"", err)
	}
}

// TestUpUnreachableDatabase checks that the error for a server that cannot be reached names its address, but not the password.
func TestUpUnreachableDatabase(t *testing.T) {
	t.Parallel()
	const address, password = "127.0.0.1:1", "hunter2" // no server listens on port 1
	_, err := migrate.Up(t.Context(), "postgres://user:"+password+"@"+address+"/db")
	if domain.KindOf(err) != domain.Transient || !strings.Contains(err.Error(), address) {
		t.Fatalf("got %v, want Transient that names %s", err, address)
	}
	if strings.Contains(err.Error(), password) {
		t.Errorf("got %v, want no password in it", err)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("got error %q, want one line", err)
	}
}

// TestUpTableInUse checks that Up does not wait long for a table that another program reads, for example a backup. A migration that
// waits for a table blocks all later users of the table.
func TestUpTableInUse(t *testing.T) {
	t.Parallel()
	databaseURL, release := olderSchemaWithReader(t)
	_, err := upWithTimeout(t, databaseURL)
	if domain.KindOf(err) != domain.Transient {
		t.Fatalf("with a reader: got %v, want Transient", err)
	}
	for _, want := range []string{"pages", "may be used by backup (process "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("with a reader: got %v, want %q in it", err, want)
		}
	}
	if hint := domain.HintOf(err); !strings.Contains(hint, "pg_terminate_backend(") {
		t.Errorf("with a reader: got hint %q, want pg_terminate_backend in it", hint)
	}
	release()
	if applied, err := upWithTimeout(t, databaseURL); err != nil || len(applied) == 0 {
		t.Errorf("without the reader: got migrations %v, %v, want the missing ones", applied, err)
	}
}

// TestUpStopped checks that Up returns when its context is cancelled while it waits for a table, and that no session of the server
// waits for the table after that.
func TestUpStopped(t *testing.T) {
	t.Parallel()
	databaseURL, release := olderSchemaWithReader(t)
	defer release()
	const countWaiting = `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'pawl/migrate' AND wait_event_type = 'Lock'`
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() {
		_, err := migrate.Up(ctx, databaseURL)
		done <- err
	}()
	pgtest.Eventually(t, "the migration waits for a table, or has ended", func() bool {
		return pgtest.QueryOne[int](t, databaseURL, countWaiting) == 1 || len(done) == 1
	})
	stop()
	if err := <-done; domain.KindOf(err) != domain.Stopped {
		t.Errorf("got %v, want Stopped", err)
	}
	if n := pgtest.QueryOne[int](t, databaseURL, countWaiting); n != 0 {
		t.Errorf("got %d sessions that wait for the table, want 0", n)
	}
}

// olderSchemaWithReader makes a database without the migration that changes pages, and without the later ones. A session with the application name "backup" reads its
// tables until release is called or the test ends.
func olderSchemaWithReader(t *testing.T) (databaseURL string, release func()) {
	t.Helper()
	databaseURL = pgtest.WithParam(t, pgtest.Database(t), "sslmode", "disable")
	const hasNewColumn = `SELECT count(*) FROM information_schema.columns
		WHERE table_schema = current_schema() AND table_name = 'pages' AND column_name = 'ids_hash'`
	for pgtest.QueryOne[int](t, databaseURL, hasNewColumn) > 0 {
		if err := pgtest.Dbmate(t, databaseURL).Rollback(); err != nil {
			t.Fatal(err)
		}
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

// upWithTimeout calls Up, and ends the test if Up does not return within a minute.
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
		t.Fatal("got no result of Up after a minute, want one")
	}
	return applied, err
}
