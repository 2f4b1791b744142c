// Package migrate applies the migrations of package db to a database, and checks its schema. It uses dbmate, so that plain
// `dbmate up` does the same.
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

// application is the name that PostgreSQL shows for the connections of a migration.
const application = "pawl/migrate"

// maxLockWait bounds how long one call waits for another process that is migrating.
const maxLockWait = time.Minute

// Up applies the migrations that the schema lacks and returns their names, none if the schema is up to date. Any number of
// processes may call it at once: one migrates, and the others wait for it up to a minute, then they return Transient.
//
// It returns Invalid and writes nothing if the schema is newer than this program, if the database has tables of the same
// names that are not pawl's, or if its encoding is not UTF8. If others use a table, it waits a few seconds for it, then it
// returns Transient and names who may be using it. When ctx ends, it returns at once with kind Stopped; each migration is
// then applied completely or not at all.
func Up(ctx context.Context, databaseURL string) ([]string, error) {
	pg, err := conn.Connect(ctx, databaseURL, application)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx, pg)

	pending, err := pendingMigrations(ctx, pg)
	if err != nil || len(pending) == 0 {
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
	pending, err = pendingMigrations(ctx, pg) // the process that held the lock before may have applied them
	if err != nil || len(pending) == 0 {
		return nil, err
	}
	if err := applyMigrations(ctx, databaseURL); err != nil {
		return nil, classifyMigration(ctx, pg, err)
	}
	return pending, nil
}

// CheckSchema returns nil if the schema is exactly the one that this program needs. Otherwise it returns Invalid and names
// the missing migrations. It only reads, for users who may not change the schema.
func CheckSchema(ctx context.Context, databaseURL string) error {
	pg, err := conn.Connect(ctx, databaseURL, application)
	if err != nil {
		return err
	}
	defer conn.Close(ctx, pg)
	pending, err := pendingMigrations(ctx, pg)
	if err != nil || len(pending) == 0 {
		return err
	}
	return &domain.Error{
		Kind: domain.Invalid, Op: "check schema",
		Err:    fmt.Errorf("migrations not applied: %s", strings.Join(pending, ", ")),
		Remedy: domain.MigrateAsOwner,
	}
}

// lockSchema waits for the lock on the schema, up to maxLockWait, and returns a connection whose open transaction holds it.
// dbmate takes no lock: of six processes that start together on an empty database, five would fail.
//
// It polls, because a session that waits inside PostgreSQL for the lock would block CREATE INDEX CONCURRENTLY in a migration.
func lockSchema(ctx context.Context, databaseURL string) (*pgx.Conn, error) {
	const op = "lock schema"
	ctx, cancel := context.WithTimeoutCause(ctx, maxLockWait, &domain.Error{
		Kind: domain.Transient, Op: op, Err: errors.New("another process has been migrating for a minute"),
	})
	defer cancel()
	pg, err := conn.Connect(ctx, databaseURL, application)
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

func pollLock(ctx context.Context, pg *pgx.Conn) error {
	if _, err := pg.Exec(ctx, "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
		return err
	}
	tick := time.NewTicker(100 * time.Millisecond)
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
	if ctx.Err() != nil { // the server's answer does not matter
		return &domain.Error{Kind: domain.Stopped, Op: op, Err: ctx.Err()}
	}
	answer, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case ok && (answer.Code == "42P07" || answer.Code == "42710"): // an object with a name that the migration needs exists
		return foreignObjects(answer.Message)
	case ok && answer.Code == "55P03":
		return tablesInUse(ctx, pg, conn.Classify(op, err))
	}
	return conn.Classify(op, err)
}

// tablesInUse returns the error of a migration that could not lock a table in time, with err as its cause. It names the
// session that has used the tables for the longest time. Which session the migration waited for is unknown by now. If no
// session is found, it returns err.
func tablesInUse(ctx context.Context, pg *pgx.Conn, err error) error {
	ctx, cancel := context.WithTimeout(ctx, conn.CallTimeout)
	defer cancel()
	longest, queryErr := dbsqlc.New(pg).SchemaLongestUser(ctx)
	if queryErr != nil { // for example because the session has just ended
		return err
	}
	user := fmt.Sprintf("process %d", longest.Pid)
	if longest.Application != "" {
		user = fmt.Sprintf("%s (process %d)", longest.Application, longest.Pid)
	}
	return &domain.Error{
		Kind: domain.Transient, Op: "migrate",
		Err: fmt.Errorf("the tables to change may be used by %s, which uses %s; the migration waits for them %s at a time, "+
			"so as not to block others: %w", user, longest.Tables, maxTableWait, err),
		Hint: fmt.Sprintf("run pawl again when that process has ended, or end it with SELECT pg_terminate_backend(%d)", longest.Pid),
	}
}
