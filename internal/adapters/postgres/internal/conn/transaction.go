package conn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/domain"
)

// settings is the first statement of every transaction. It bounds all waits, whatever the role's defaults are. It makes COMMIT durable:
// it sets synchronous_commit to on if the setting is weaker, and leaves a stronger setting unchanged.
//
// It turns sequential scans off, because pawl finds all rows by a key. Otherwise PostgreSQL could plan a statement while a table is
// small, and use the same plan after the table has grown. It would then read the whole table. A plan that needs a sequential scan
// nevertheless has a very high cost then, so that PostgreSQL would compile it, which takes longer than the statement. So settings also
// turns compilation (jit) off.
const settings = `SELECT set_config('lock_timeout', '15s', true),
	set_config('statement_timeout', '60s', true),
	set_config('idle_in_transaction_session_timeout', '60s', true),
	set_config('enable_seqscan', 'off', true),
	set_config('jit', 'off', true),
	CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN set_config('synchronous_commit', 'on', true) END`

// Transact runs work in one transaction. It returns a classified error. If the error's kind is Uncertain, the transaction may be
// committed. After any other error, nothing was written. If BEGIN or work takes longer than [CallTimeout], Transact cancels it and
// returns Transient. If COMMIT takes longer, Transact cancels it and returns Uncertain.
func Transact(ctx context.Context, pool *pgxpool.Pool, op string, work func(context.Context, pgx.Tx) error) error {
	return TransactLong(ctx, pool, op, func(ctx context.Context, tx pgx.Tx, _ func()) error { return work(ctx, tx) })
}

// TransactLong is [Transact] for work that takes longer than [CallTimeout]. work must call progress after each round trip to the
// server. Each call restarts the time limit.
func TransactLong(
	ctx context.Context, pool *pgxpool.Pool, op string, work func(ctx context.Context, tx pgx.Tx, progress func()) error,
) error {
	return TransactPipelined(ctx, pool, op, nil, func(ctx context.Context, tx pgx.Tx, progress func()) ([]Query, error) {
		return nil, work(ctx, tx, progress)
	})
}

// TransactPipelined is [TransactLong] with fewer round trips. It sends the queries in first together with BEGIN. It sends the queries
// that work returns as last together with COMMIT. If one of the queries fails, the server does not execute COMMIT.
//
// The answers to the last queries arrive after the commit, so work cannot check them.
func TransactPipelined(
	ctx context.Context, pool *pgxpool.Pool, op string,
	first []Query, work func(ctx context.Context, tx pgx.Tx, progress func()) (last []Query, err error),
) (err error) {
	ctx, progress, cancel := withProgress(ctx)
	defer cancel()
	connection, err := pool.Acquire(ctx)
	if err != nil {
		return Classify(op, replaceNoProgress(ctx, err))
	}
	defer func() {
		if isReadOnly(err) {
			pool.Reset()
		}
		connection.Release()
	}()
	tx, err := begin(ctx, connection.Conn(), first)
	if err != nil {
		return Classify(op, replaceNoProgress(ctx, err))
	}
	progress()
	last, err := work(ctx, tx, progress)
	if err != nil {
		// If the rollback does not reach the server, pgx closes the connection and the server rolls back by itself.
		_ = tx.Rollback(ctx)
		return Classify(op, replaceNoProgress(ctx, err))
	}
	progress()
	return classifyCommit(commit(ctx, tx, last))
}

// isReadOnly reports whether err says that the server accepts no writes. After a failover the pool's connections may lead to a server that
// stays read-only, while a new connection reaches the one that accepts writes.
func isReadOnly(err error) bool {
	const readOnlyTransaction = "25006"
	answer, ok := errors.AsType[*pgconn.PgError](err)
	return ok && answer.Code == readOnlyTransaction
}

// beginQuery sets the isolation level, because the role or the database may have another default. The fence needs statements that see what
// was committed before they began: with the snapshot of an earlier statement, it would not see the ledger row of a replay.
const beginQuery = "begin isolation level read committed"

// begin begins a transaction and runs the queries in it, all in one round trip. After an error there is no transaction.
func begin(ctx context.Context, connection *pgx.Conn, queries []Query) (pgx.Tx, error) {
	var batch pgx.Batch
	batch.BeginTx(pgx.TxOptions{BeginQuery: beginQuery})
	batch.Queue(settings)
	record(&batch, queries)
	results := connection.SendBatch(ctx, &batch)
	tx := results.Tx()
	_, err := results.Exec() // the answer to BEGIN
	if err == nil {
		_, err = results.Exec() // the answer to settings
	}
	if err == nil {
		err = read(results, queries)
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = tx.Rollback(ctx)
		return nil, err
	}
	return tx, nil
}

// commit runs the queries and commits the transaction, all in one round trip. After an error the transaction may be committed, see
// classifyCommit.
func commit(ctx context.Context, tx pgx.Tx, queries []Query) error {
	if len(queries) == 0 {
		return tx.Commit(ctx)
	}
	var batch pgx.Batch
	record(&batch, queries)
	batch.Queue("commit")
	results := tx.SendBatch(ctx, &batch)
	err := read(results, queries)
	if err == nil {
		_, err = results.Exec() // the answer to COMMIT
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	const idle = 'I' // the status of a connection without a transaction, in the protocol of PostgreSQL
	if tx.Conn().PgConn().TxStatus() != idle {
		_ = tx.Rollback(ctx)
	}
	return err
}

// errNoProgress is the cause with which withProgress ends a context.
var errNoProgress = fmt.Errorf("the database has not answered for %s", CallTimeout)

// withProgress returns a context with a time limit of CallTimeout. Each call of progress restarts the limit. When the limit is over,
// the context ends with the cause errNoProgress. The caller must call cancel.
func withProgress(parent context.Context) (ctx context.Context, progress, cancel func()) {
	ctx, end := context.WithCancelCause(parent)
	limit := time.AfterFunc(CallTimeout, func() { end(errNoProgress) })
	progress = func() { limit.Reset(CallTimeout) }
	cancel = func() {
		limit.Stop()
		end(nil)
	}
	return ctx, progress, cancel
}

// replaceNoProgress returns a Transient error instead of err if ctx ended with errNoProgress. Otherwise it returns err unchanged.
func replaceNoProgress(ctx context.Context, err error) error {
	if !errors.Is(context.Cause(ctx), errNoProgress) {
		return err
	}
	return &domain.Error{
		Kind: domain.Transient, Code: domain.CodeDatabaseUnreachable, Op: "wait for the database",
		Err:  terseError{cause: err, text: errNoProgress.Error()},
		Hint: "check that PostgreSQL is running and that DATABASE_URL points at it",
	}
}

// RetryUncertain returns a Transient error instead of an Uncertain one. It returns any other error unchanged. It is for transactions
// that do no harm if they are committed twice.
func RetryUncertain(err error) error {
	if domain.KindOf(err) != domain.Uncertain {
		return err
	}
	return &domain.Error{Kind: domain.Transient, Code: domain.CodeCommitUnanswered, Op: "commit", Err: err}
}
