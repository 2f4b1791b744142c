package conn

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
)

// A Query is a function that calls one generated query and returns the query's error. Several queries can share a round trip, because
// package conn calls each function twice. The first call gets Queries that send nothing: they record the SQL and the arguments, and
// return an error. The second call gets Queries that read the answer. So the function must pass the same arguments both times, and must
// not act on the error.
type Query func(*dbsqlc.Queries) error

// Record returns the SQL of the query and its arguments. It sends nothing.
func Record(query Query) (sql string, args []any) {
	var batch pgx.Batch
	record(&batch, []Query{query})
	recorded := batch.QueuedQueries[0]
	return recorded.SQL, recorded.Arguments
}

// A BatchSender is a transaction or a connection.
type BatchSender interface {
	SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults
}

// RunTogether runs the queries in a transaction, in one round trip. If one of them fails, it returns the error and does not run the
// queries after it. If the sender is a connection without a transaction, PostgreSQL runs the queries in a transaction of their own.
func RunTogether(ctx context.Context, sender BatchSender, queries []Query) error {
	var batch pgx.Batch
	record(&batch, queries)
	results := sender.SendBatch(ctx, &batch)
	err := read(results, queries)
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	return err
}

// record adds the queries to the batch, which is to be sent. It is the first call of each Query.
func record(batch *pgx.Batch, queries []Query) {
	for _, query := range queries {
		_ = query(dbsqlc.New(recorder{batch})) // it always returns errRecorded
	}
}

// read reads the answers to the queries, which must be the next results. It is the second call of each Query.
func read(results pgx.BatchResults, queries []Query) error {
	for _, query := range queries {
		if err := query(dbsqlc.New(answers{results})); err != nil {
			return err
		}
	}
	return nil
}

// errRecorded is the error that a recorder returns to a generated query, because it has sent nothing.
var errRecorded = errors.New("recorded, not sent")

// A recorder is a dbsqlc.DBTX that adds each query to a batch.
type recorder struct{ batch *pgx.Batch }

// Exec implements dbsqlc.DBTX.
func (r recorder) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	r.batch.Queue(sql, args...)
	return pgconn.CommandTag{}, errRecorded
}

// Query implements dbsqlc.DBTX.
func (r recorder) Query(_ context.Context, sql string, args ...any) (pgx.Rows, error) {
	r.batch.Queue(sql, args...)
	return nil, errRecorded
}

// QueryRow implements dbsqlc.DBTX.
func (r recorder) QueryRow(_ context.Context, sql string, args ...any) pgx.Row {
	r.batch.Queue(sql, args...)
	return recordedRow{}
}

type recordedRow struct{}

// Scan implements pgx.Row.
func (recordedRow) Scan(...any) error { return errRecorded }

// answers is a dbsqlc.DBTX that returns the next result of a batch for each query, whatever the query's SQL.
type answers struct{ results pgx.BatchResults }

// Exec implements dbsqlc.DBTX.
func (a answers) Exec(context.Context, string, ...any) (pgconn.CommandTag, error) {
	return a.results.Exec()
}

// Query implements dbsqlc.DBTX.
func (a answers) Query(context.Context, string, ...any) (pgx.Rows, error) { return a.results.Query() }

// QueryRow implements dbsqlc.DBTX.
func (a answers) QueryRow(context.Context, string, ...any) pgx.Row { return a.results.QueryRow() }
