package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// migratePatience bounds one attempt's wait for another process that is migrating.
const migratePatience = time.Minute

// Migrate brings the schema up to date and returns the names of the migrations it applied, none if there was nothing to
// do. Any number of processes may call it at once: one migrates, the others wait for it up to a minute and are then told
// Transient. It is Invalid, and nothing is written, when the schema is newer than this program, when tables of the same
// names are not pawl's, or when the database is not UTF8. A table that others use is waited for a few seconds, then it is
// Transient and names who may use it. When ctx ends it returns at once with kind Stopped; every migration is then applied or not.
func Migrate(ctx context.Context, databaseURL string) ([]string, error) {
	conn, err := connect(ctx, databaseURL)
	if err != nil {
		return nil, err
	}
	defer closeConn(ctx, conn)

	pending, err := pendingMigrations(ctx, conn)
	if err != nil || len(pending) == 0 {
		return nil, err
	}
	lock, err := lockSchema(ctx, databaseURL)
	if err != nil {
		return nil, err
	}
	defer closeConn(ctx, lock)

	if err := ensureSchema(ctx, conn); err != nil {
		return nil, err
	}
	pending, err = pendingMigrations(ctx, conn) // whoever held the lock before may have done the work
	if err != nil || len(pending) == 0 {
		return nil, err
	}
	if err := applyMigrations(ctx, databaseURL); err != nil {
		return nil, classifyMigration(ctx, conn, err)
	}
	return pending, nil
}

// CheckSchema returns Invalid, naming what is missing, unless the schema is exactly what this program needs. It is for a
// user who may not change the schema.
func CheckSchema(ctx context.Context, databaseURL string) error {
	conn, err := connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	pending, err := pendingMigrations(ctx, conn)
	if err != nil || len(pending) == 0 {
		return err
	}
	return &domain.Error{
		Kind: domain.Invalid, Op: "check schema",
		Err:    fmt.Errorf("migrations not applied: %s", strings.Join(pending, ", ")),
		Remedy: domain.MigrateAsOwner,
	}
}

func connect(ctx context.Context, databaseURL string) (*pgx.Conn, error) {
	cfg, err := parse(databaseURL, "pawl/migrate")
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg.ConnConfig)
	return conn, classify("connect", err)
}

// closeConn closes the connection, which releases whatever locks it holds, also when ctx has ended.
func closeConn(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx) // pgx closes the socket whatever this returns
}

// lockSchema returns a connection with an open transaction that holds the lock on the schema: dbmate takes none, and of
// six processes that start together on an empty database five would fail. It polls, since a session that waits inside
// PostgreSQL for the lock would block CREATE INDEX CONCURRENTLY in a migration.
func lockSchema(ctx context.Context, databaseURL string) (*pgx.Conn, error) {
	const op = "lock schema"
	ctx, cancel := context.WithTimeoutCause(ctx, migratePatience, &domain.Error{
		Kind: domain.Transient, Op: op, Err: errors.New("another process has been migrating for a minute"),
	})
	defer cancel()
	conn, err := connect(ctx, databaseURL)
	if err != nil {
		return nil, err
	}
	if err := pollLock(ctx, conn); err != nil {
		closeConn(ctx, conn)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, classify(op, err)
	}
	return conn, nil
}

func pollLock(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
		return err
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		locked, err := dbsqlc.New(conn).SchemaLock(ctx)
		if err != nil || locked {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// classifyMigration classifies the error of applying migrations. conn is another connection to the same database.
func classifyMigration(ctx context.Context, conn *pgx.Conn, err error) error {
	const op = "migrate"
	if ctx.Err() != nil { // whatever the server made of it
		return &domain.Error{Kind: domain.Stopped, Op: op, Err: ctx.Err()}
	}
	answer, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case ok && (answer.Code == "42P07" || answer.Code == "42710"): // something of a name it needs stands there already
		return foreign(answer.Message)
	case ok && answer.Code == "55P03":
		return inUse(ctx, conn, classify(op, err))
	}
	return classify(op, err)
}

// inUse returns the error of a migration that waited for a table in vain. It names the session that has used the tables for
// longest, if it can be seen: which one the migration waited for cannot be told once it has given up.
func inUse(ctx context.Context, conn *pgx.Conn, err error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	longest, unseen := dbsqlc.New(conn).SchemaLongestUser(ctx)
	if unseen != nil { // it has just ended, perhaps
		return err
	}
	user := fmt.Sprintf("process %d", longest.Pid)
	if longest.Application != "" {
		user = fmt.Sprintf("%s (process %d)", longest.Application, longest.Pid)
	}
	return &domain.Error{
		Kind: domain.Transient, Op: "migrate",
		Err: fmt.Errorf("the tables to change may be used by %s, which uses %s; the migration waits for them %s at a time, "+
			"so as not to block others: %w", user, longest.Tables, tablePatience, err),
		Hint: fmt.Sprintf("run pawl again when that process has ended, or end it with SELECT pg_terminate_backend(%d)", longest.Pid),
	}
}
