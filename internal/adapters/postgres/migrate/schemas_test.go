package migrate_test

import (
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/db"
	"github.com/pawldata/pawl/internal/pgtest"
)

// keptFolder has a file for each schema that a version of pawl has had, see its README.md.
var keptFolder = filepath.Join("testdata", "schemas") //nolint:gochecknoglobals // a constant that Go cannot have

// migrationFiles returns the names of the migrations, oldest first.
func migrationFiles(t *testing.T) (names []string) {
	t.Helper()
	files, err := fs.Glob(db.Migrations, path.Join(db.MigrationsDir, "*.sql"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got migrations %v, %v, want some", files, err)
	}
	for _, file := range files { // fs.Glob sorts them
		names = append(names, path.Base(file))
	}
	return names
}

// restoreKept makes a database with the kept schema after a migration, and with its rows, and returns its URL.
func restoreKept(t *testing.T, migration string) (databaseURL string) {
	t.Helper()
	version, _, _ := strings.Cut(migration, "_")
	dump, err := os.ReadFile(filepath.Join(keptFolder, version+".sql"))
	if err != nil {
		t.Fatalf("%v; keep the schema of the new migration as %s says", err, filepath.Join(keptFolder, "README.md"))
	}
	databaseURL = pgtest.WithParam(t, pgtest.Empty(t), "sslmode", "disable")
	pgtest.Exec(t, databaseURL, string(dump))
	return databaseURL
}

// describeObjects returns the tables, columns, constraints, indexes and views of a database, with their comments, one in a line.
const describeObjects = `
WITH relations AS (
    SELECT c.oid, c.relname, c.relkind FROM pg_class AS c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'v', 'S', 'i')
), lines AS (
    SELECT concat_ws(' ', relkind, relname, obj_description(oid, 'pg_class')) AS line FROM relations
    UNION ALL
    SELECT concat_ws(' ', r.relname || '.' || a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
        pg_get_expr(d.adbin, d.adrelid), col_description(r.oid, a.attnum))
    FROM relations AS r
    JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef AS d ON d.adrelid = r.oid AND d.adnum = a.attnum
    WHERE r.relkind IN ('r', 'v')
    UNION ALL
    SELECT concat_ws(' ', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid)) FROM pg_constraint AS k
    WHERE k.connamespace = current_schema()::regnamespace
    UNION ALL
    SELECT pg_get_indexdef(oid) FROM relations WHERE relkind = 'i'
    UNION ALL
    SELECT pg_get_viewdef(oid) FROM relations WHERE relkind = 'v'
)
SELECT string_agg(line, E'\n' ORDER BY line) FROM lines`

// TestKeptSchemas checks that the migrations still make each schema that a version of pawl has had. So nobody changes a migration that a
// user may have applied. A new migration needs a kept schema, too.
func TestKeptSchemas(t *testing.T) {
	t.Parallel()
	names := migrationFiles(t)
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := pgtest.QueryOne[string](t, restoreKept(t, name), describeObjects)
			databaseURL := pgtest.WithParam(t, pgtest.Empty(t), "sslmode", "disable")
			migrateTo(t, databaseURL, names[:i+1])
			got := pgtest.QueryOne[string](t, databaseURL, describeObjects)
			if got != want {
				t.Errorf("the migrations make another schema than the kept one: %s", firstDifference(got, want))
			}
		})
	}
}

// migrateTo applies the migrations with these names.
func migrateTo(t *testing.T, databaseURL string, names []string) {
	t.Helper()
	files := fstest.MapFS{}
	for _, name := range names {
		file := path.Join(db.MigrationsDir, name)
		text, err := fs.ReadFile(db.Migrations, file)
		if err != nil {
			t.Fatal(err)
		}
		files[file] = &fstest.MapFile{Data: text}
	}
	mate := pgtest.Dbmate(t, databaseURL)
	mate.FS = files
	if err := mate.Migrate(); err != nil {
		t.Fatal(err)
	}
}

// firstDifference returns the first line in which two texts differ.
func firstDifference(got, want string) string {
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i, line := range gotLines {
		if i >= len(wantLines) || line != wantLines[i] {
			return "got " + line + "\nwant " + strings.Join(wantLines[min(i, len(wantLines)):min(i+1, len(wantLines))], "")
		}
	}
	return "got fewer lines, want also " + strings.Join(wantLines[len(gotLines):], "\n")
}

// execTimeout bounds the time of the statements that fill or count large tables.
const execTimeout = 5 * time.Minute

// connect returns a connection that is closed when the test ends.
func connect(t *testing.T, databaseURL string) *pgx.Conn {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close(context.Background()) })
	return connection
}
