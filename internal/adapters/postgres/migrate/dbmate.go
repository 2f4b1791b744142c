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

// scheme is the URL scheme for which dbmate uses the pgxDriver.
const scheme = "pawl"

// maxTableWait bounds how long a migration waits for a table that other sessions use. While it waits, PostgreSQL makes all later
// users of the table wait, too.
const maxTableWait = 3 * time.Second

// registerDriver adds the pgxDriver to dbmate's global registry, because dbmate accepts a driver in no other way. Later calls do
// nothing.
//
//nolint:gochecknoglobals // one sync.OnceFunc for all callers, so that they do not write to the registry at the same time
var registerDriver = sync.OnceFunc(func() {
	dbmate.RegisterDriver(func(config dbmate.DriverConfig) dbmate.Driver {
		return pgxDriver{Driver: dbmatepg.NewDriver(config), log: config.Log}
	}, scheme)
})

// driverArgs are the arguments of applyMigrations that the pgxDriver needs. dbmate gives a driver no context, but only a URL and the
// writer for dbmate's log. So driverArgs implement io.Writer, and applyMigrations passes them to dbmate as this writer.
type driverArgs struct {
	ctx         context.Context //nolint:containedctx // dbmate passes no context; this one is used for one call of applyMigrations
	databaseURL string          // a URL or key=value pairs
}

// Write implements io.Writer. It discards dbmate's log.
func (driverArgs) Write(p []byte) (int, error) { return len(p), nil }

// applyMigrations applies the pending migrations like the command `dbmate up`. In contrast to `dbmate up`, it creates no database
// and dumps no schema. When ctx ends, it cancels the running statement on the server. Then the server rolls back that migration.
func applyMigrations(ctx context.Context, databaseURL string) error {
	registerDriver()
	migrator := dbmate.New(&url.URL{Scheme: scheme})
	migrator.FS = db.Migrations
	migrator.MigrationsDir = []string{db.MigrationsDir}
	migrator.AutoDumpSchema = false
	migrator.Log = driverArgs{ctx: ctx, databaseURL: databaseURL}
	return migrator.Migrate()
}

// A pgxDriver is dbmate's PostgreSQL driver with connections of pgx. dbmate's own driver uses lib/pq, which does not accept all
// URLs that pgx accepts.
type pgxDriver struct {
	dbmate.Driver

	log io.Writer // holds driverArgs
}

// Open implements dbmate.Driver. It opens connections with the URL and the context in the driverArgs.
func (d pgxDriver) Open() (*sql.DB, error) {
	args, ok := d.log.(driverArgs)
	if !ok {
		return nil, fmt.Errorf("dbmate gave the driver a %T instead of driverArgs", d.log)
	}
	cfg, err := conn.ParseURL(args.databaseURL, applicationName)
	if err != nil {
		return nil, err
	}
	// pgx must send a cancel request when ctx ends. Otherwise the server would go on waiting for a table after pawl has exited, and
	// would make others wait.
	cfg.ConnConfig.BuildContextWatcherHandler = func(pg *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: pg, DeadlineDelay: conn.CloseTimeout}
	}
	return sql.OpenDB(migrationConnector{Connector: stdlib.GetConnector(*cfg.ConnConfig), ctx: args.ctx}), nil
}

// QueryError implements dbmate.Driver. It returns err unchanged. dbmate's own QueryError hides the cause, which conn.Classify needs.
func (d pgxDriver) QueryError(_ string, err error) error { return err }

// A migrationConnector opens connections that use the context in the driverArgs, because dbmate calls database/sql without a context.
type migrationConnector struct {
	driver.Connector

	ctx context.Context //nolint:containedctx // see driverArgs
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
	return migrationConn{Conn: pgxConn, ctx: c.ctx}, nil
}

// A migrationConn is a connection that uses the context in the driverArgs.
type migrationConn struct {
	*stdlib.Conn

	ctx context.Context //nolint:containedctx // see driverArgs
}

// BeginTx implements driver.ConnBeginTx. It bounds the wait for tables in this transaction. It does not set the limit for the
// session, because behind a pooler other clients use the same session later.
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
