package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
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
	exists, err := existingTables(ctx, conn, "schema_migrations")
	if err != nil || len(exists) == 0 {
		return nil, err
	}
	rows, err := conn.Query(ctx, "SELECT version::text FROM schema_migrations")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
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
	taken, err := existingTables(ctx, conn, "events", "pages", "checkpoints")
	if err != nil {
		return classify(readSchema, err)
	}
	if len(applied) > 0 {
		taken = append(taken, "schema_migrations")
	}
	if len(taken) == 0 {
		return nil
	}
	return &domain.Error{
		Kind: domain.Invalid, Op: readSchema,
		Err:  fmt.Errorf("tables of the same name that are not pawl's: %s", strings.Join(taken, ", ")),
		Hint: "give pawl a schema of its own by adding search_path=pawl to DATABASE_URL",
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

// ensureSchema creates the first schema of the search path when none of it exists, as with a fresh search_path=pawl.
func ensureSchema(ctx context.Context, conn *pgx.Conn) error {
	where, err := dbsqlc.New(conn).SessionSearchPath(ctx)
	if err != nil {
		return classify(readSchema, err)
	}
	if where.Schema != "" {
		return nil
	}
	first, _, _ := strings.Cut(where.Path, ",")
	first = strings.Trim(strings.TrimSpace(first), `"`)
	if first == "" || first == "$user" {
		return &domain.Error{
			Kind: domain.Invalid, Op: readSchema, Err: errors.New("no schema of the search path exists"),
			Hint: "add search_path=pawl to DATABASE_URL",
		}
	}
	_, err = conn.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{first}.Sanitize())
	return classify("create schema "+first, err)
}
