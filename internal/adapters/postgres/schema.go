package postgres

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/db"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

const readSchema = "read schema"

// pendingMigrations names the migrations that the current schema lacks, oldest first. It only reads: dbmate would
// create its table to find out.
func pendingMigrations(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := refuseEncoding(conn); err != nil {
		return nil, err
	}
	known, err := knownMigrations()
	if err != nil {
		return nil, err
	}
	applied, err := appliedVersions(ctx, conn)
	if err != nil {
		return nil, classify(readSchema, err)
	}
	var pending []string
	for _, name := range known {
		if !slices.Contains(applied, versionOf(name)) {
			pending = append(pending, name)
		}
	}
	if len(pending) == len(known) {
		return pending, refuseForeign(ctx, conn, applied)
	}
	return pending, refuseNewer(known, applied)
}

func knownMigrations() ([]string, error) {
	files, err := fs.Glob(db.Migrations, path.Join(db.MigrationsDir, "*.sql"))
	if err != nil {
		return nil, err
	}
	for i, file := range files {
		files[i] = path.Base(file)
	}
	slices.Sort(files)
	return files, nil
}

// versionOf is what dbmate records: the digits before the first underscore.
func versionOf(name string) string {
	version, _, _ := strings.Cut(name, "_")
	return version
}

// appliedVersions looks in the schema that new tables go to, where dbmate keeps its table, and nowhere else on the
// search path: another schema's table is another program's.
func appliedVersions(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	exists, err := existingTables(ctx, conn, dbmateTable)
	if err != nil || len(exists) == 0 {
		return nil, err
	}
	ours, err := hasDbmateShape(ctx, conn)
	if err != nil {
		return nil, err
	}
	if !ours {
		return nil, foreign(dbmateTable)
	}
	rows, err := conn.Query(ctx, "SELECT version::text FROM "+dbmateTable)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

const dbmateTable = "schema_migrations"

// hasDbmateShape reports whether the migrations table is one column of text named version, as dbmate makes it.
func hasDbmateShape(ctx context.Context, conn *pgx.Conn) (yes bool, err error) {
	err = conn.QueryRow(ctx, `SELECT count(*) = 1 AND bool_and(a.attname = 'version' AND a.atttypid IN ('varchar'::regtype, 'text'::regtype))
		FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE n.nspname = current_schema() AND c.relname = $1 AND a.attnum > 0 AND NOT a.attisdropped`, dbmateTable).Scan(&yes)
	return yes, err
}

func existingTables(ctx context.Context, conn *pgx.Conn, names ...string) ([]string, error) {
	rows, err := conn.Query(ctx,
		`SELECT c.relname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE n.nspname = current_schema() AND c.relname = ANY($1) ORDER BY 1`, names)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// refuseForeign stops before pawl's tables are mixed with another program's: events, pages and schema_migrations exist
// in half the databases of the world.
func refuseForeign(ctx context.Context, conn *pgx.Conn, applied []string) error {
	taken, err := existingTables(ctx, conn, "events", "pages", "checkpoints", "dead_letters", "drift", "event_arrivals")
	if err != nil {
		return classify(readSchema, err)
	}
	if len(applied) > 0 {
		taken = append(taken, dbmateTable)
	}
	if len(taken) == 0 {
		return nil
	}
	return foreign(strings.Join(taken, ", "))
}

func foreign(what string) error {
	return &domain.Error{
		Kind: domain.Invalid, Op: readSchema,
		Err:  fmt.Errorf("what stands under pawl's names is not pawl's: %s", what),
		Hint: "give pawl a schema of its own by adding search_path=pawl to DATABASE_URL",
	}
}

// refuseEncoding stops before a database is used that cannot hold what the API sends: with another encoding PostgreSQL
// refuses characters, or JSON that spells them as escapes, and not only in events but in the words about them.
func refuseEncoding(conn *pgx.Conn) error {
	encoding := conn.PgConn().ParameterStatus("server_encoding")
	if encoding == "UTF8" || encoding == "" { // a pooler need not say
		return nil
	}
	return &domain.Error{
		Kind: domain.Invalid, Op: readSchema,
		Err:  fmt.Errorf("the database's encoding is %s, which does not hold every text", encoding),
		Hint: "use a database made with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
	}
}

func refuseNewer(known, applied []string) error {
	newest := versionOf(known[len(known)-1])
	for _, version := range applied {
		if version > newest {
			return &domain.Error{
				Kind: domain.Invalid, Op: readSchema,
				Err:  fmt.Errorf("the schema has migration %s, this pawl knows only up to %s", version, newest),
				Hint: "use the pawl that migrated this database, or a newer one",
			}
		}
	}
	return nil
}

// ensureSchema creates the first schema of the search path when none of it exists, or when DATABASE_URL names it: without
// it PostgreSQL would silently take the next one.
func ensureSchema(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	q := dbsqlc.New(conn)
	where, err := q.SessionSearchPath(ctx)
	if err != nil {
		return classify(readSchema, err)
	}
	asked := conn.Config().RuntimeParams["search_path"] != ""
	if where.Schema != "" && !asked {
		return nil
	}
	first, err := q.SessionFoldName(ctx, firstName.FindString(where.Path))
	switch {
	case err != nil || first == "$user":
		return &domain.Error{
			Kind: domain.Invalid, Op: readSchema, Err: fmt.Errorf("no schema of the search path %q exists", where.Path),
			Hint: "add search_path=pawl to DATABASE_URL",
		}
	case first == where.Schema:
		return nil
	}
	_, err = conn.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{first}.Sanitize())
	return classify("create schema "+first, err)
}

// firstName is the first name of a search path: quoted, or up to the comma.
var firstName = regexp.MustCompile(`"(?:[^"]|"")*"|[^,\s]+`)
