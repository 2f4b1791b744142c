package migrate

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
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

const opReadSchema = "read schema"

// pendingMigrations returns the names of the migrations that the current schema lacks, oldest first. It only reads; dbmate
// would create its table first.
func pendingMigrations(ctx context.Context, pg *pgx.Conn) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, conn.CallTimeout)
	defer cancel()
	if err := checkEncoding(pg); err != nil {
		return nil, err
	}
	names, err := migrationNames()
	if err != nil {
		return nil, err
	}
	applied, err := appliedVersions(ctx, pg)
	if err != nil {
		return nil, conn.Classify(opReadSchema, err)
	}
	var pending []string
	for _, name := range names {
		if !slices.Contains(applied, versionOf(name)) {
			pending = append(pending, name)
		}
	}
	if len(pending) == len(names) {
		return pending, checkForeign(ctx, pg, applied)
	}
	return pending, checkNewer(names, applied)
}

// migrationNames returns the names of pawl's migrations, oldest first.
func migrationNames() ([]string, error) {
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

// versionOf returns the version of a migration as dbmate stores it: the digits before the first underscore.
func versionOf(name string) string {
	version, _, _ := strings.Cut(name, "_")
	return version
}

// appliedVersions returns the versions in dbmate's table. It reads only the schema of new tables, where dbmate creates its
// table: a table elsewhere on the search path belongs to another program.
func appliedVersions(ctx context.Context, pg *pgx.Conn) ([]string, error) {
	exists, err := existingTables(ctx, pg, dbmateTable)
	if err != nil || len(exists) == 0 {
		return nil, err
	}
	ours, err := isDbmateTable(ctx, pg)
	if err != nil {
		return nil, err
	}
	if !ours {
		return nil, foreignObjects(dbmateTable)
	}
	rows, err := pg.Query(ctx, "SELECT version::text FROM "+dbmateTable)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

const dbmateTable = "schema_migrations"

// isDbmateTable reports whether dbmate created the table: it then has one column of text named version.
func isDbmateTable(ctx context.Context, pg *pgx.Conn) (yes bool, err error) {
	err = pg.QueryRow(ctx, `SELECT count(*) = 1 AND bool_and(a.attname = 'version' AND a.atttypid IN ('varchar'::regtype, 'text'::regtype))
		FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE n.nspname = current_schema() AND c.relname = $1 AND a.attnum > 0 AND NOT a.attisdropped`, dbmateTable).Scan(&yes)
	return yes, err
}

// existingTables returns those of the names that a table, view or index of the current schema has.
func existingTables(ctx context.Context, pg *pgx.Conn, names ...string) ([]string, error) {
	rows, err := pg.Query(ctx,
		`SELECT c.relname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE n.nspname = current_schema() AND c.relname = ANY($1) ORDER BY 1`, names)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// checkForeign returns Invalid if the schema has tables of another program with the names of pawl's. Tables named events,
// pages and schema_migrations are common.
func checkForeign(ctx context.Context, pg *pgx.Conn, applied []string) error {
	taken, err := existingTables(ctx, pg, "events", "pages", "checkpoints", "dead_letters", "drift", "event_arrivals")
	if err != nil {
		return conn.Classify(opReadSchema, err)
	}
	if len(applied) > 0 {
		taken = append(taken, dbmateTable)
	}
	if len(taken) == 0 {
		return nil
	}
	return foreignObjects(strings.Join(taken, ", "))
}

// foreignObjects returns the Invalid error for objects of another program that have names of pawl's.
func foreignObjects(what string) error {
	return &domain.Error{
		Kind: domain.Invalid, Op: opReadSchema,
		Err:  fmt.Errorf("objects that have the names of pawl's are not pawl's: %s", what),
		Hint: "give pawl a schema of its own by adding search_path=pawl to DATABASE_URL",
	}
}

// checkEncoding returns Invalid if the database's encoding is not UTF8. With another one PostgreSQL refuses characters, or
// JSON escapes for them, in events and in the texts about dead letters.
func checkEncoding(pg *pgx.Conn) error {
	encoding := pg.PgConn().ParameterStatus("server_encoding")
	if encoding == "UTF8" || encoding == "" { // a pooler may not report it
		return nil
	}
	return &domain.Error{
		Kind: domain.Invalid, Op: opReadSchema,
		Err:  fmt.Errorf("the database's encoding is %s, which does not hold every text", encoding),
		Hint: "use a database made with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
	}
}

// checkNewer returns Invalid if a migration is applied that is newer than the last of names.
func checkNewer(names, applied []string) error {
	newest := versionOf(names[len(names)-1])
	for _, version := range applied {
		if version > newest {
			return &domain.Error{
				Kind: domain.Invalid, Op: opReadSchema,
				Err:  fmt.Errorf("the schema has migration %s, this pawl knows only up to %s", version, newest),
				Hint: "use the pawl that migrated this database, or a newer one",
			}
		}
	}
	return nil
}

// ensureSchema creates the first schema of the search path if none of them exists, or if DATABASE_URL sets the search path:
// otherwise PostgreSQL would silently use the next one.
func ensureSchema(ctx context.Context, pg *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, conn.CallTimeout)
	defer cancel()
	q := dbsqlc.New(pg)
	current, err := q.SessionSearchPath(ctx)
	if err != nil {
		return conn.Classify(opReadSchema, err)
	}
	setByURL := pg.Config().RuntimeParams["search_path"] != ""
	if current.Schema != "" && !setByURL {
		return nil
	}
	first, err := q.SessionFoldName(ctx, firstName.FindString(current.Path))
	switch {
	case err != nil || first == "$user":
		return &domain.Error{
			Kind: domain.Invalid, Op: opReadSchema, Err: fmt.Errorf("no schema of the search path %q exists", current.Path),
			Hint: "add search_path=pawl to DATABASE_URL",
		}
	case first == current.Schema:
		return nil
	}
	_, err = pg.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{first}.Sanitize())
	return conn.Classify("create schema "+first, err)
}

// firstName matches the first name of a search path: a quoted name, or the text up to the comma.
var firstName = regexp.MustCompile(`"(?:[^"]|"")*"|[^,\s]+`)
