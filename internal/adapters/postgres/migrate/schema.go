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

const (
	opReadSchema = "read schema"
	dbmateTable  = "schema_migrations" // dbmate stores the versions of applied migrations in this table
)

// pendingMigrations returns the names of the migrations that were not applied to the current schema, oldest first. It returns
// Invalid if pawl must not use the schema, see checkEncoding, checkForeign and checkNewer. It only reads. It does not ask dbmate,
// because dbmate would create its table first.
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
	if len(pending) == len(names) { // none of pawl's migrations was applied
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

// versionOf returns the version of a migration, which dbmate stores in its table. The version is the number before the first
// underscore of the name.
func versionOf(name string) string {
	version, _, _ := strings.Cut(name, "_")
	return version
}

// appliedVersions returns the versions in dbmateTable, none if the table does not exist. It reads only a table in the current schema,
// because dbmate creates its table there. A table in another schema of the search path belongs to another program.
func appliedVersions(ctx context.Context, pg *pgx.Conn) ([]string, error) {
	existing, err := existingNames(ctx, pg, dbmateTable)
	if err != nil || len(existing) == 0 {
		return nil, err
	}
	isDbmate, err := isDbmateTable(ctx, pg)
	if err != nil {
		return nil, err
	}
	if !isDbmate {
		return nil, foreignObjectsError(dbmateTable)
	}
	rows, err := pg.Query(ctx, "SELECT version::text FROM "+dbmateTable)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// isDbmateTable reports whether the existing object named dbmateTable seems to be dbmate's table. The table of dbmate has only one
// column, a text named version.
func isDbmateTable(ctx context.Context, pg *pgx.Conn) (isDbmate bool, err error) {
	err = pg.QueryRow(ctx, `SELECT count(*) = 1 AND bool_and(a.attname = 'version' AND a.atttypid IN ('varchar'::regtype, 'text'::regtype))
		FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE n.nspname = current_schema() AND c.relname = $1 AND a.attnum > 0 AND NOT a.attisdropped`, dbmateTable).Scan(&isDbmate)
	return isDbmate, err
}

// existingNames returns those of the names that a table, view, index or similar object in the current schema has.
func existingNames(ctx context.Context, pg *pgx.Conn, names ...string) ([]string, error) {
	rows, err := pg.Query(ctx,
		`SELECT c.relname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE n.nspname = current_schema() AND c.relname = ANY($1) ORDER BY 1`, names)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// checkForeign checks a schema to which none of pawl's migrations was applied. It returns Invalid if the schema has tables with
// the names of pawl's tables, because such tables belong to another program. applied are the versions in dbmateTable. If there are
// any, they belong to another program, too, and checkForeign returns Invalid.
func checkForeign(ctx context.Context, pg *pgx.Conn, applied []string) error {
	taken, err := existingNames(ctx, pg, "events", "pages", "checkpoints", "dead_letters", "drift", "runners", "event_arrivals")
	if err != nil {
		return conn.Classify(opReadSchema, err)
	}
	if len(applied) > 0 {
		taken = append(taken, dbmateTable)
	}
	if len(taken) == 0 {
		return nil
	}
	return foreignObjectsError(strings.Join(taken, ", "))
}

// foreignObjectsError returns the Invalid error for objects of another program that have the names of pawl's objects.
func foreignObjectsError(objects string) error {
	return &domain.Error{
		Kind: domain.Invalid, Code: domain.CodeSchemaTaken, Op: opReadSchema,
		Err:  fmt.Errorf("the schema has objects of another program where pawl needs its own: %s", objects),
		Hint: "give pawl a schema of its own by adding search_path=pawl to DATABASE_URL",
	}
}

// checkEncoding returns Invalid if the database's encoding is not UTF8. In a database with another encoding, PostgreSQL cannot
// store all characters of events and of the texts about dead letters.
func checkEncoding(pg *pgx.Conn) error {
	encoding := pg.PgConn().ParameterStatus("server_encoding")
	if encoding == "UTF8" || encoding == "" { // a pooler may not report the encoding
		return nil
	}
	return &domain.Error{
		Kind: domain.Invalid, Code: domain.CodeDatabaseNotUTF8, Op: opReadSchema,
		Err:  fmt.Errorf("the database's encoding is %s, which cannot store every text", encoding),
		Hint: "use a database made with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
	}
}

// checkNewer returns Invalid if a newer migration than the last of names was applied. names are sorted, oldest first.
func checkNewer(names, applied []string) error {
	newest := versionOf(names[len(names)-1])
	for _, version := range applied {
		if version > newest { // versions are times of the same length, so they can be compared as texts
			return &domain.Error{
				Kind: domain.Invalid, Code: domain.CodeSchemaNewer, Op: opReadSchema,
				Err:  fmt.Errorf("the schema has migration %s, but this pawl knows migrations only up to %s", version, newest),
				Hint: "install the pawl that migrated this database, or a newer one; the data is unchanged, so restore no backup",
			}
		}
	}
	return nil
}

// ensureSchema creates the first schema of the search path in two cases: if no schema of the path exists, or if DATABASE_URL sets
// the path. In the second case the user wants pawl's tables in the first schema. If this schema is missing, PostgreSQL would create
// the tables in the next schema of the path.
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
	// first is the first name as PostgreSQL reads it: without quotes, or in lower case.
	first, err := q.SessionFoldName(ctx, firstName.FindString(current.Path))
	isCreatable := err == nil && first != "$user"
	if !isCreatable {
		return &domain.Error{
			Kind: domain.Invalid, Code: domain.CodeSchemaNotFound, Op: opReadSchema,
			Err:  fmt.Errorf("no schema of the search path %q exists", current.Path),
			Hint: "add search_path=pawl to DATABASE_URL",
		}
	}
	if first == current.Schema {
		return nil
	}
	_, err = pg.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{first}.Sanitize())
	return conn.Classify("create schema "+first, err)
}

// firstName matches the first name in a search path. The name is in double quotes, or ends before a comma or a space.
var firstName = regexp.MustCompile(`"(?:[^"]|"")*"|[^,\s]+`)
