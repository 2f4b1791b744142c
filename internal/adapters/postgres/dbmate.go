package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"net/url"
	"sync"
	"time"

	"github.com/amacneil/dbmate/v2/pkg/dbmate"
	dbmatepg "github.com/amacneil/dbmate/v2/pkg/driver/postgres"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/pawldata/pawl/db"
)

// scheme is the URL scheme under which dbmate finds the driver below.
const scheme = "pawl"

// tablePatience is how long a migration waits for a table that others use. While it waits, everybody who comes after it
// waits behind it.
const tablePatience = 3 * time.Second

// registerDriver is the one way dbmate offers to take a driver.
//
//nolint:gochecknoglobals // dbmate's own registry is global; this only keeps two callers from racing for it
var registerDriver = sync.OnceFunc(func() {
	dbmate.RegisterDriver(func(config dbmate.DriverConfig) dbmate.Driver {
		return pgxDriver{dbmatepg.NewDriver(config), config.Log}
	}, scheme)
})

// A migration is what applyMigrations has to tell the driver. dbmate passes a driver nothing but a URL and the writer for
// its log, and knows no context, so this travels as the writer.
type migration struct {
	ctx         context.Context //nolint:containedctx // see above; it lives for one call of applyMigrations
	databaseURL string          // need not be a URL
}

// Write implements io.Writer. dbmate's log is not shown.
func (migration) Write(p []byte) (int, error) { return len(p), nil }

// applyMigrations does what `dbmate up` does with the same files, but creates no database and dumps no schema. When ctx
// ends, the statement under way is cancelled on the server, and its migration is rolled back.
func applyMigrations(ctx context.Context, databaseURL string) error {
	registerDriver()
	migrations := dbmate.New(&url.URL{Scheme: scheme})
	migrations.FS = db.Migrations
	migrations.MigrationsDir = []string{db.MigrationsDir}
	migrations.AutoDumpSchema = false
	migrations.Log = migration{ctx, databaseURL}
	return migrations.Migrate()
}

// A pgxDriver is dbmate's PostgreSQL driver on a pgx connection: lib/pq takes fewer URLs than pgx does.
type pgxDriver struct {
	dbmate.Driver

	log io.Writer // a migration
}

// Open implements dbmate.Driver.
func (d pgxDriver) Open() (*sql.DB, error) {
	migration, ok := d.log.(migration)
	if !ok {
		return nil, fmt.Errorf("dbmate gave the driver a %T instead of the migration", d.log)
	}
	cfg, err := parse(migration.databaseURL, "pawl/migrate")
	if err != nil {
		return nil, err
	}
	// Without the request the server would go on waiting for a table, and block others, after pawl has left.
	cfg.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: closeTimeout}
	}
	return sql.OpenDB(migrationConnector{stdlib.GetConnector(*cfg.ConnConfig), migration.ctx}), nil
}

// QueryError implements dbmate.Driver. dbmate's own hides the cause, which classify needs.
func (d pgxDriver) QueryError(_ string, err error) error { return err }

// A migrationConnector makes connections that use a context of their own: dbmate calls database/sql without one.
type migrationConnector struct {
	driver.Connector

	ctx context.Context //nolint:containedctx // see migration
}

// Connect implements driver.Connector.
//
//nolint:contextcheck // see migrationConnector
func (c migrationConnector) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(c.ctx)
	if err != nil {
		return nil, err
	}
	plain, ok := conn.(*stdlib.Conn)
	if !ok {
		return nil, fmt.Errorf("pgx made a connection of type %T", conn)
	}
	return migrationConn{plain, c.ctx}, nil
}

type migrationConn struct {
	*stdlib.Conn

	ctx context.Context //nolint:containedctx // see migration
}

// BeginTx implements driver.ConnBeginTx. The limit holds for this transaction only: behind a pooler a session's setting
// would stay with a connection that is not ours.
//
//nolint:contextcheck // see migrationConnector
func (c migrationConn) BeginTx(_ context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.Conn.BeginTx(c.ctx, opts)
	if err != nil {
		return nil, err
	}
	limit := fmt.Sprintf("SET LOCAL lock_timeout = %d", tablePatience.Milliseconds())
	if _, err := c.Conn.ExecContext(c.ctx, limit, nil); err != nil {
		_ = tx.Rollback() // the first error says more
		return nil, err
	}
	return tx, nil
}

// ExecContext implements driver.ExecerContext.
//
//nolint:contextcheck // see migrationConnector
func (c migrationConn) ExecContext(_ context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.Conn.ExecContext(c.ctx, query, args)
}

// QueryContext implements driver.QueryerContext.
//
//nolint:contextcheck // see migrationConnector
func (c migrationConn) QueryContext(_ context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.Conn.QueryContext(c.ctx, query, args)
}
