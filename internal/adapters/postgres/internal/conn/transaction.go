package conn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/domain"
)

// begin starts a transaction whose waits are bounded and whose COMMIT is durable. It does not depend on the role's defaults,
// but it leaves a database that is set to more than synchronous_commit=on as it is. Sequential scans are off because all lookups are by
// key: PostgreSQL keeps the plan that it made while a table was small, and would then read all of a large table.
const begin = `BEGIN;
SET LOCAL lock_timeout = '15s';
SET LOCAL statement_timeout = '60s';
SET LOCAL idle_in_transaction_session_timeout = '60s';
SET LOCAL enable_seqscan = off;
SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') IN ('off', 'local')`

// Transact runs work in one transaction. It returns a classified error. After any error but Uncertain nothing was written.
// Work that makes no progress for [CallTimeout] ends with Transient; beginning and committing count as progress.
func Transact(ctx context.Context, pool *pgxpool.Pool, op string, work func(context.Context, pgx.Tx) error) error {
	return TransactLong(ctx, pool, op, func(ctx context.Context, tx pgx.Tx, _ func()) error { return work(ctx, tx) })
}

// TransactLong does what [Transact] does, for work with many round trips. work must call progress after each of them.
func TransactLong(
	ctx context.Context, pool *pgxpool.Pool, op string, work func(ctx context.Context, tx pgx.Tx, progress func()) error,
) error {
	ctx, progress, cancel := withProgress(ctx)
	defer cancel()
	tx, err := pool.BeginTx(ctx, pgx.TxOptions{BeginQuery: begin})
	if err != nil {
		return Classify(op, replaceNoProgress(ctx, err))
	}
	progress()
	if err := work(ctx, tx, progress); err != nil {
		// If the rollback does not reach the server, pgx closes the connection and the server rolls back by itself.
		_ = tx.Rollback(ctx)
		return Classify(op, replaceNoProgress(ctx, err))
	}
	progress()
	return classifyCommit(tx.Commit(ctx))
}

// errNoProgress ends the context of a transaction whose server does not answer.
var errNoProgress = fmt.Errorf("the database has not answered for %s", CallTimeout)

// withProgress returns a context that ends with errNoProgress when progress was not called for CallTimeout. The caller must
// call cancel.
func withProgress(parent context.Context) (ctx context.Context, progress, cancel func()) {
	ctx, end := context.WithCancelCause(parent)
	limit := time.AfterFunc(CallTimeout, func() { end(errNoProgress) })
	return ctx, func() { limit.Reset(CallTimeout) }, func() {
		limit.Stop()
		end(nil)
	}
}

// replaceNoProgress returns err, or a Transient error instead if ctx ended with errNoProgress.
func replaceNoProgress(ctx context.Context, err error) error {
	if !errors.Is(context.Cause(ctx), errNoProgress) {
		return err
	}
	return &domain.Error{
		Kind: domain.Transient, Op: "wait for the database", Err: terseError{err, errNoProgress.Error()},
		Hint: "check that PostgreSQL is running and that DATABASE_URL points at it",
	}
}

// RetryUncertain returns err, but Transient instead of Uncertain. It is for transactions that may be committed twice.
func RetryUncertain(err error) error {
	if domain.KindOf(err) != domain.Uncertain {
		return err
	}
	return &domain.Error{Kind: domain.Transient, Op: "commit", Err: err}
}
