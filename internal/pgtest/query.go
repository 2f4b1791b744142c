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

// Exec runs SQL statements on a connection of its own. It fails the test on an error. Clean-up functions may call it too.
func Exec(tb testing.TB, databaseURL, sql string) {
	tb.Helper()
	runSQL(tb, databaseURL, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, sql)
		return err
	}, sql)
}

// QueryOne returns the value of a query that has one row and one column. It fails the test on an error.
func QueryOne[T any](tb testing.TB, databaseURL, sql string) (value T) {
	tb.Helper()
	runSQL(tb, databaseURL, func(ctx context.Context, conn *pgx.Conn) error { return conn.QueryRow(ctx, sql).Scan(&value) }, sql)
	return value
}

func runSQL(tb testing.TB, databaseURL string, run func(context.Context, *pgx.Conn) error, sql string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), queryTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // a test's connection
	if err := run(ctx, conn); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
}

// Eventually returns as soon as condition returns true. It fails the test if it does not within half a minute.
func Eventually(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	EventuallyWithin(tb, eventuallyTimeout, what, condition)
}

// EventuallyWithin is [Eventually] with another time limit.
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
			tb.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// Dbmate returns dbmate as its command line runs it on the project's migrations, with its own driver. That driver needs a
// URL with sslmode=disable.
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
