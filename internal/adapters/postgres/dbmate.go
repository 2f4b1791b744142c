package postgres

import (
	"database/sql"
	"io"
	"net/url"
	"sync"

	"github.com/amacneil/dbmate/v2/pkg/dbmate"
	dbmatepg "github.com/amacneil/dbmate/v2/pkg/driver/postgres"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/pawldata/pawl/db"
)

// scheme is the URL scheme under which dbmate finds the driver below. The connection string travels in the query, since
// it need not be a URL.
const scheme = "pawl"

// registerDriver is the one way dbmate offers to take a driver.
//
//nolint:gochecknoglobals // dbmate's own registry is global; this only keeps two callers from racing for it
var registerDriver = sync.OnceFunc(func() {
	dbmate.RegisterDriver(func(config dbmate.DriverConfig) dbmate.Driver {
		return pgxDriver{dbmatepg.NewDriver(config), config.DatabaseURL.Query().Get("dsn")}
	}, scheme)
})

// A pgxDriver is dbmate's PostgreSQL driver on a pgx connection: lib/pq takes fewer URLs than pgx does.
type pgxDriver struct {
	dbmate.Driver

	databaseURL string
}

// Open implements dbmate.Driver.
func (d pgxDriver) Open() (*sql.DB, error) {
	cfg, err := parse(d.databaseURL, "pawl/migrate")
	if err != nil {
		return nil, err
	}
	return stdlib.OpenDB(*cfg.ConnConfig), nil
}

// QueryError implements dbmate.Driver. dbmate's own hides the cause, which classify needs.
func (d pgxDriver) QueryError(_ string, err error) error { return err }

// applyMigrations does what `dbmate up` does with the same files, but creates no database and dumps no schema.
func applyMigrations(databaseURL string) error {
	registerDriver()
	migrations := dbmate.New(&url.URL{Scheme: scheme, RawQuery: url.Values{"dsn": {databaseURL}}.Encode()})
	migrations.FS = db.Migrations
	migrations.MigrationsDir = []string{db.MigrationsDir}
	migrations.AutoDumpSchema = false
	migrations.Log = io.Discard
	return migrations.Migrate()
}
