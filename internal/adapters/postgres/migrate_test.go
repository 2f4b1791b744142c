package postgres_test

import (
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/amacneil/dbmate/v2/pkg/dbmate"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

func TestMigrateOnceAndThenNothing(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Empty(t)
	if err := postgres.CheckSchema(t.Context(), databaseURL); domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), "_events_") {
		t.Errorf("an empty database is %v", err)
	}
	applied, err := postgres.Migrate(t.Context(), databaseURL)
	if err != nil || len(applied) == 0 {
		t.Fatalf("applied %v, %v", applied, err)
	}
	again, err := postgres.Migrate(t.Context(), databaseURL)
	if err != nil || len(again) != 0 {
		t.Errorf("a second time applied %v, %v", again, err)
	}
	if err := postgres.CheckSchema(t.Context(), databaseURL); err != nil {
		t.Errorf("a migrated database is %v", err)
	}
}

func TestMigrateFromSeveralProcessesAtOnce(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.WithParam(t, pgtest.Empty(t), "search_path", "pawl")
	var group sync.WaitGroup
	applied := make([]int, 6)
	for i := range applied {
		group.Go(func() {
			names, err := postgres.Migrate(t.Context(), databaseURL)
			if err != nil {
				t.Errorf("start %d: %v", i, err)
			}
			applied[i] = len(names)
		})
	}
	group.Wait()
	busy := 0
	for _, n := range applied {
		if n > 0 {
			busy++
		}
	}
	if busy != 1 {
		t.Errorf("%d of the starts migrated: %v", busy, applied)
	}
}

// TestDbmateUpDoesTheSame applies the folder as dbmate's command line does, with its own driver.
func TestDbmateUpDoesTheSame(t *testing.T) {
	t.Parallel()
	theirs, ours := pgtest.WithParam(t, pgtest.Empty(t), "sslmode", "disable"), pgtest.Database(t)
	if err := plainDbmate(t, theirs).Migrate(); err != nil {
		t.Fatal(err)
	}
	if err := postgres.CheckSchema(t.Context(), theirs); err != nil {
		t.Errorf("pawl on what dbmate made: %v", err)
	}
	const columns = `SELECT string_agg(table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable, E'\n'
		ORDER BY table_name, ordinal_position) FROM information_schema.columns WHERE table_schema = current_schema()`
	if a, b := queryOne[string](t, theirs, columns), queryOne[string](t, ours, columns); a != b || !strings.Contains(a, "events.id uuid NO") {
		t.Errorf("dbmate made\n%s\npawl made\n%s", a, b)
	}
}

// plainDbmate is what dbmate's command line runs, in this project's folder.
func plainDbmate(t *testing.T, databaseURL string) *dbmate.DB {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	db := dbmate.New(u)
	db.MigrationsDir = []string{filepath.Join("..", "..", "..", "db", "migrations")}
	db.AutoDumpSchema = false
	db.Log = io.Discard
	return db
}

// rollBack takes back the newest migrations, up to the one that creates the table.
func rollBack(t *testing.T, databaseURL, table string) {
	t.Helper()
	db := plainDbmate(t, databaseURL)
	for queryOne[bool](t, databaseURL, "SELECT to_regclass('"+table+"') IS NOT NULL") {
		if err := db.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAnOlderSchema is what commands that only look meet before anybody has migrated it.
func TestAnOlderSchema(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.WithParam(t, pgtest.Database(t), "sslmode", "disable")
	newPen(t, databaseURL, "s").page("", 1, 2, 3, 4, 5)
	rollBack(t, databaseURL, "dead_letters")
	stream, pool := domain.StreamID{Source: "s"}, poolOn(t, databaseURL)
	_, inspecting := postgres.NewInventory(pool).Inspect(t.Context(), stream, func(domain.Check) {})
	_, reporting := postgres.NewStatusReader(pool).Report(t.Context(), stream)
	_, _, listing := postgres.NewLetters(pool).List(t.Context(), stream, domain.DeadLetterFilter{}, domain.DeadLetterRange{Limit: 1})
	for what, err := range map[string]error{"verify": inspecting, "status": reporting, "dlq list": listing} {
		if domain.KindOf(err) != domain.Invalid || !strings.Contains(domain.HintOf(err), "pawl migrate") {
			t.Errorf("%s: %v, hint %q", what, err, domain.HintOf(err))
		}
	}
}

// TestALedgerFromBefore gets its links when it is migrated.
func TestALedgerFromBefore(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.WithParam(t, pgtest.Database(t), "sslmode", "disable")
	newPen(t, databaseURL, "s").page("a", 1, 2).page("b", 3).newPass().page("c", 1).page("", 2, 3, 4, 5)
	const links = "SELECT string_agg(seq || '<' || parent_seq || ' ' || kind, ', ' ORDER BY seq) FROM pages"
	want := queryOne[string](t, databaseURL, links)
	if want != "1<0 page, 2<1 page, 3<0 page, 4<3 page" {
		t.Errorf("a ledger is written as %s", want)
	}
	// A replay has the seq of the page before it, for which the schema from before has no room.
	exec(t, databaseURL, `INSERT INTO pages SELECT (jsonb_populate_record(p, '{"id": 99, "kind": "replay"}')).* FROM pages AS p WHERE seq = 4`)
	rollBack(t, databaseURL, "dead_letters")
	if _, err := postgres.Migrate(t.Context(), databaseURL); err != nil {
		t.Fatal(err)
	}
	if got := queryOne[string](t, databaseURL, links); got != want {
		t.Errorf("a ledger from before becomes %s, want %s", got, want)
	}
}

func TestMigrateStaysAwayFromWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, sql string
		want      string // in the error
	}{
		{"a foreign table named events", "CREATE TABLE events (id int)", "events"},
		{"a foreign view named pages", "CREATE VIEW pages AS SELECT 1 AS id", "pages"},
		{"a foreign table named drift", "CREATE TABLE drift (id int)", "drift"},
		{"a foreign type named pages", "CREATE TYPE pages AS ENUM ('x')", "pages"},
		{"a foreign index of a name it needs", "CREATE TABLE x (id int); CREATE INDEX pages_stream_seq ON x (id)", "pages_stream_seq"},
		{"another program's migrations by file", "CREATE TABLE schema_migrations (filename text)", "schema_migrations"},
		{"another program's migrations, none yet", "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL)", "schema_migrations"},
		{
			"another program's migrations",
			"CREATE TABLE schema_migrations (version varchar PRIMARY KEY); INSERT INTO schema_migrations VALUES ('20120101000000')",
			"schema_migrations",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.Empty(t)
			exec(t, databaseURL, tt.sql)
			_, err := postgres.Migrate(t.Context(), databaseURL)
			if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), tt.want) ||
				!strings.Contains(domain.HintOf(err), "search_path=pawl") {
				t.Fatalf("got %v, hint %q", err, domain.HintOf(err))
			}
			if n := queryOne[int](t, databaseURL, "SELECT count(*) FROM pg_class WHERE relname = 'checkpoints'"); n != 0 {
				t.Error("it created tables all the same")
			}
			// The way out that the hint names works beside them.
			if _, err := postgres.Migrate(t.Context(), pgtest.WithParam(t, databaseURL, "search_path", "pawl")); err != nil {
				t.Errorf("with search_path=pawl: %v", err)
			}
		})
	}
}

func TestMigrateCreatesTheSchemaThatIsAskedFor(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"pawl": "pawl", "MySchema": "myschema", `"My Schema"`: "My Schema", `"a,b"`: "a,b", "pawl, public": "pawl",
		`"with ""quotes"""`: `with "quotes"`,
	} {
		databaseURL := pgtest.Empty(t)
		if _, err := postgres.Migrate(t.Context(), pgtest.WithParam(t, databaseURL, "search_path", path)); err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		got := queryOne[string](t, databaseURL, "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'checkpoints'")
		if strings.Trim(strings.ReplaceAll(got, `""`, `"`), `"`) != strings.Trim(want, `"`) {
			t.Errorf("%s: the tables are in %s, want %s", path, got, want)
		}
	}
}

func TestMigrateRefusesAnotherEncoding(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Empty(t)
	name := queryOne[string](t, databaseURL, "SELECT current_database()::text") + "_ascii"
	exec(t, databaseURL, "CREATE DATABASE "+name+" ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
	t.Cleanup(func() { exec(t, databaseURL, "DROP DATABASE "+name) })
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	if _, err := postgres.Migrate(t.Context(), u.String()); domain.KindOf(err) != domain.Invalid ||
		!strings.Contains(err.Error(), "SQL_ASCII") || !strings.Contains(domain.HintOf(err), "ENCODING 'UTF8'") {
		t.Errorf("%v, hint %q", err, domain.HintOf(err))
	}
}

func TestMigrateRefusesANewerSchema(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	exec(t, databaseURL, "INSERT INTO schema_migrations VALUES ('29991231235959')")
	_, err := postgres.Migrate(t.Context(), databaseURL)
	if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), "29991231235959") {
		t.Errorf("Migrate: %v", err)
	}
	if err := postgres.CheckSchema(t.Context(), databaseURL); domain.KindOf(err) != domain.Invalid {
		t.Errorf("CheckSchema: %v", err)
	}
}

func TestMigrateWithoutTheRight(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Empty(t)
	role := "plain_" + strings.ReplaceAll(queryOne[string](t, databaseURL, "SELECT current_database()::text"), "-", "_")
	exec(t, databaseURL, "CREATE ROLE "+role+"; REVOKE CREATE ON SCHEMA public FROM public")
	t.Cleanup(func() { exec(t, databaseURL, "DROP ROLE "+role) })
	_, err := postgres.Migrate(t.Context(), pgtest.WithParam(t, databaseURL, "role", role))
	if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("got %v", err)
	}
}

func TestUnreachableDatabase(t *testing.T) {
	t.Parallel()
	_, err := postgres.Migrate(t.Context(), "postgres://user:hunter2@127.0.0.1:1/db")
	if domain.KindOf(err) != domain.Transient || !strings.Contains(err.Error(), "127.0.0.1:1") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error has several lines: %q", err)
	}
}
