// Package migrate applies the migrations of package db to a database and checks its schema. It uses the library of dbmate, so
// that users may run the command `dbmate up` instead.
package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// applicationName is the name that PostgreSQL shows for the connections of a migration.
const applicationName = "pawl/migrate"

// maxLockWait bounds how long a call of Up waits while another process migrates.
const maxLockWait = time.Minute

// Up applies the pending migrations and returns their names. It returns no names if the schema is up to date.
//
// Several processes may call Up at the same time. One of them migrates and the others wait. If the wait takes longer than a
// minute, Up returns Transient.
//
// Up returns Invalid and writes nothing in four cases: the schema is newer than this program, tables of another program have the
// names of pawl's tables, the database's encoding is not UTF8, or there are migrations to apply and databaseURL leads to a pooler.
//
// If other sessions use a table that a migration changes, Up waits for them for a few seconds. Then it returns Transient, and the
// error names a session that probably uses the table. When ctx ends, Up returns at once, and the error's kind is Stopped. Each
// migration is then either applied as a whole or rolled back.
func Up(ctx context.Context, databaseURL string) ([]string, error) {
	pg, err := conn.Connect(ctx, databaseURL, applicationName)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx, pg)

	pending, err := pendingMigrations(ctx, pg)
	if err != nil || len(pending) == 0 {
		return nil, err
	}
	if err := requireDirect(ctx, pg); err != nil {
		return nil, err
	}
	lock, err := lockSchema(ctx, databaseURL)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx, lock)

	if err := ensureSchema(ctx, pg); err != nil {
		return nil, err
	}
	pending, err = pendingMigrations(ctx, pg) // another process may have applied them before it released the lock
	if err != nil || len(pending) == 0 {
		return nil, err
	}
	if err := applyMigrations(ctx, databaseURL); err != nil {
		return nil, classifyMigration(ctx, pg, err)
	}
	return pending, nil
}

// requireDirect returns Invalid if pg goes through a connection pooler, which may give the parts of a migration to different sessions.
func requireDirect(ctx context.Context, pg *pgx.Conn) error {
	const op = "migrate"
	isDirect, err := conn.IsDirect(ctx, pg)
	if err != nil || isDirect {
		return conn.Classify(op, err)
	}
	return &domain.Error{
		Kind: domain.Invalid, Code: domain.CodeMigrationNeedsDirect, Op: op,
		Err:  errors.New("the database's URL leads to a connection pooler, but a migration needs a connection to the server itself"),
		Hint: "set PAWL_MIGRATE_URL to the URL of the same database without the pooler",
	}
}

// CheckSchema returns nil if the schema is exactly the one that this program needs. It returns Invalid if migrations were not
// applied, and the error names them. It also returns Invalid for a schema or a database that [Up] refuses. CheckSchema only reads, so a user
// who may not change the schema can run it.
func CheckSchema(ctx context.Context, databaseURL string) error {
	pg, err := conn.Connect(ctx, databaseURL, applicationName)
	if err != nil {
		return err
	}
	defer conn.Close(ctx, pg)
	pending, err := pendingMigrations(ctx, pg)
	if err != nil || len(pending) == 0 {
		return err
	}
	return &domain.Error{
		Kind: domain.Invalid, Code: domain.CodeSchemaOutdated, Op: "check schema",
		Err:    fmt.Errorf("migrations not applied: %s", strings.Join(pending, ", ")),
		Remedy: domain.MigrateAsOwner,
	}
}

// lockSchema waits up to maxLockWait for the lock that allows only one process to migrate. It returns a connection whose open
// transaction holds the lock. The lock is necessary because dbmate takes none. If several processes migrated an empty database at
// the same time, all but one would fail.
//
// lockSchema polls. If it waited inside PostgreSQL, its open statement would block a migration with CREATE INDEX CONCURRENTLY.
func lockSchema(ctx context.Context, databaseURL string) (*pgx.Conn, error) {
	const op = "lock schema"
	ctx, cancel := context.WithTimeoutCause(ctx, maxLockWait, &domain.Error{
		Kind: domain.Transient, Code: domain.CodeMigrationBlocked, Op: op, Err: errors.New("another process has been migrating for a minute"),
	})
	defer cancel()
	pg, err := conn.Connect(ctx, databaseURL, applicationName)
	if err != nil {
		return nil, err
	}
	if err := pollLock(ctx, pg); err != nil {
		conn.Close(ctx, pg)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, conn.Classify(op, err)
	}
	return pg, nil
}

// pollLock begins a transaction and tries to take the lock in it, until it has the lock or ctx ends.
func pollLock(ctx context.Context, pg *pgx.Conn) error {
	const interval = 100 * time.Millisecond
	// The transaction is idle while the migrations run, so it must have no idle timeout.
	if _, err := pg.Exec(ctx, "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
		return err
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		locked, err := dbsqlc.New(pg).SchemaLock(ctx)
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

// classifyMigration classifies the error of applyMigrations. pg is another connection to the same database.
func classifyMigration(ctx context.Context, pg *pgx.Conn, err error) error {
	const op = "migrate"
	if ctx.Err() != nil { // err is only a consequence of the end of ctx
		return &domain.Error{Kind: domain.Stopped, Code: domain.CodeStopped, Op: op, Err: ctx.Err()}
	}
	answer, isAnswer := errors.AsType[*pgconn.PgError](err)
	if !isAnswer {
		return conn.Classify(op, err)
	}
	const ( // SQLSTATE codes
		duplicateTable  = "42P07"
		duplicateObject = "42710"
		lockTimeout     = "55P03"
	)
	switch answer.Code {
	case duplicateTable, duplicateObject:
		return foreignObjectsError(answer.Message)
	case lockTimeout:
		return tablesInUseError(ctx, pg, conn.Classify(op, err))
	}
	return conn.Classify(op, err)
}

// tablesInUseError returns the error of a migration that could not lock a table in time. err is its cause. The migration has ended,
// so PostgreSQL no longer shows which session the migration waited for. The error names the session that has used a table of the
// schema for the longest time. If no session uses a table of the schema, tablesInUseError returns err.
func tablesInUseError(ctx context.Context, pg *pgx.Conn, err error) error {
	ctx, cancel := context.WithTimeout(ctx, conn.CallTimeout)
	defer cancel()
	longest, queryErr := dbsqlc.New(pg).SchemaLongestUser(ctx)
	if queryErr != nil { // for example, the session has just ended
		return err
	}
	user := fmt.Sprintf("process %d", longest.Pid)
	if longest.Application != "" {
		user = fmt.Sprintf("%s (process %d)", longest.Application, longest.Pid)
	}
	return &domain.Error{
		Kind: domain.Transient, Code: domain.CodeMigrationBlocked, Op: "migrate",
		Err: fmt.Errorf("the tables to change may be used by %s, which uses %s; the migration gave up after %s, "+
			"so as not to block others for longer: %w", user, longest.Tables, maxTableWait, err),
		Hint: fmt.Sprintf("run pawl again when that process has ended, or end it with SELECT pg_terminate_backend(%d)", longest.Pid),
	}
}
