package migrate

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
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
)

// scheme is the URL scheme under which dbmate finds pgxDriver.
const scheme = "pawl"

// maxTableWait bounds how long a migration waits for a table that others use. While it waits, all later users of the table
// wait behind it.
const maxTableWait = 3 * time.Second

// registerDriver gives dbmate the pgxDriver, which dbmate takes only by its global registry. Later calls do nothing.
//
//nolint:gochecknoglobals // it prevents that two callers race for the registry
var registerDriver = sync.OnceFunc(func() {
	dbmate.RegisterDriver(func(config dbmate.DriverConfig) dbmate.Driver {
		return pgxDriver{dbmatepg.NewDriver(config), config.Log}
	}, scheme)
})

// A migration carries the arguments of applyMigrations to the driver. dbmate passes a driver only a URL and the writer of its
// log, and no context. So the arguments travel as the writer.
type migration struct {
	ctx         context.Context //nolint:containedctx // see above; it lives for one call of applyMigrations
	databaseURL string          // or key=value pairs
}

// Write implements io.Writer. It discards dbmate's log.
func (migration) Write(p []byte) (int, error) { return len(p), nil }

// applyMigrations does the same as `dbmate up` with the same files, but creates no database and dumps no schema. When ctx
// ends, it cancels the running statement on the server, which rolls back its migration.
func applyMigrations(ctx context.Context, databaseURL string) error {
	registerDriver()
	migrations := dbmate.New(&url.URL{Scheme: scheme})
	migrations.FS = db.Migrations
	migrations.MigrationsDir = []string{db.MigrationsDir}
	migrations.AutoDumpSchema = false
	migrations.Log = migration{ctx, databaseURL}
	return migrations.Migrate()
}

// A pgxDriver is dbmate's PostgreSQL driver on a pgx connection, because lib/pq accepts fewer URLs than pgx.
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
	cfg, err := conn.ParseURL(migration.databaseURL, application)
	if err != nil {
		return nil, err
	}
	// Without a cancel request the server would wait on for a table, and block others, after pawl has exited.
	cfg.ConnConfig.BuildContextWatcherHandler = func(pg *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: pg, DeadlineDelay: conn.CloseTimeout}
	}
	return sql.OpenDB(migrationConnector{stdlib.GetConnector(*cfg.ConnConfig), migration.ctx}), nil
}

// QueryError implements dbmate.Driver. The one of dbmate hides the cause, which conn.Classify needs.
func (d pgxDriver) QueryError(_ string, err error) error { return err }

// A migrationConnector opens connections that use the migration's context: dbmate calls database/sql without one.
type migrationConnector struct {
	driver.Connector

	ctx context.Context //nolint:containedctx // see migration
}

// Connect implements driver.Connector.
//
//nolint:contextcheck // see migrationConnector
func (c migrationConnector) Connect(context.Context) (driver.Conn, error) {
	plain, err := c.Connector.Connect(c.ctx)
	if err != nil {
		return nil, err
	}
	pgxConn, ok := plain.(*stdlib.Conn)
	if !ok {
		return nil, fmt.Errorf("pgx opened a connection of type %T", plain)
	}
	return migrationConn{pgxConn, c.ctx}, nil
}

// A migrationConn is a connection that uses the migration's context.
type migrationConn struct {
	*stdlib.Conn

	ctx context.Context //nolint:containedctx // see migration
}

// BeginTx implements driver.ConnBeginTx. It bounds the wait for tables, for this transaction only: behind a pooler, a setting
// of the session would stay with a connection that others use.
//
//nolint:contextcheck // see migrationConnector
func (c migrationConn) BeginTx(_ context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.Conn.BeginTx(c.ctx, opts)
	if err != nil {
		return nil, err
	}
	limit := fmt.Sprintf("SET LOCAL lock_timeout = %d", maxTableWait.Milliseconds())
	if _, err := c.Conn.ExecContext(c.ctx, limit, nil); err != nil {
		_ = tx.Rollback() // the first error matters more
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
