package pgtest

import (
	"context"
	"io"
	"net/url"
	"testing"
	"time"

	"github.com/amacneil/dbmate/v2/pkg/dbmate"
	_ "github.com/amacneil/dbmate/v2/pkg/driver/postgres" // the driver of Dbmate
	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/db"
)

const (
	queryTimeout      = 10 * time.Second
	eventuallyTimeout = 30 * time.Second
)

// Exec runs SQL statements on a new connection. If that fails, the test fails. A clean-up function of a test may call
// Exec too.
func Exec(tb testing.TB, databaseURL, sql string) {
	tb.Helper()
	runSQL(tb, databaseURL, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, sql)
		return err
	}, sql)
}

// QueryOne runs a query on a new connection and returns its value. The query must return one row with one column. If that
// fails, the test fails.
func QueryOne[T any](tb testing.TB, databaseURL, sql string) (value T) {
	tb.Helper()
	runSQL(tb, databaseURL, func(ctx context.Context, conn *pgx.Conn) error { return conn.QueryRow(ctx, sql).Scan(&value) }, sql)
	return value
}

// runSQL calls run with a new connection. If that fails, the test fails with a message that shows the statement sql.
func runSQL(tb testing.TB, databaseURL string, run func(context.Context, *pgx.Conn) error, sql string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), queryTimeout) // tb.Context has ended in a clean-up function
	defer cancel()
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the result of the statement is already known
	if err := run(ctx, conn); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
}

// Eventually waits until condition returns true. If the wait takes longer than half a minute, the test fails, and what
// describes the condition in the failure message.
func Eventually(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	EventuallyWithin(tb, eventuallyTimeout, what, condition)
}

// EventuallyWithin waits like [Eventually], but with another time limit.
func EventuallyWithin(tb testing.TB, limit time.Duration, what string, condition func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("timed out after %s, waiting for: %s", limit, what)
		}
	}
}

// Dbmate returns the library dbmate for the migrations of this project, with its own PostgreSQL driver. If the server has no
// TLS, databaseURL must contain sslmode=disable.
func Dbmate(tb testing.TB, databaseURL string) *dbmate.DB {
	tb.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		tb.Fatal(err)
	}
	mate := dbmate.New(u)
	mate.FS, mate.MigrationsDir = db.Migrations, []string{db.MigrationsDir}
	mate.AutoDumpSchema = false
	mate.Log = io.Discard
	return mate
}
