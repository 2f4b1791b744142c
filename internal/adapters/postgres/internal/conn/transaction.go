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

// begin is the SQL that begins a transaction. It bounds all waits, whatever the role's defaults are. It makes COMMIT durable: it sets
// synchronous_commit to on if the setting is weaker, and leaves a stronger setting unchanged.
//
// It turns sequential scans off, because pawl finds all rows by a key. With sequential scans, PostgreSQL could plan a statement while a
// table is small, keep the plan, and read the whole table after the table has grown.
const begin = `BEGIN;
SET LOCAL lock_timeout = '15s';
SET LOCAL statement_timeout = '60s';
SET LOCAL idle_in_transaction_session_timeout = '60s';
SET LOCAL enable_seqscan = off;
SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') IN ('off', 'local')`

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

// errNoProgress is the cause with which withProgress ends a context.
var errNoProgress = fmt.Errorf("the database has not answered for %s", CallTimeout)

// withProgress returns a context that ends with the cause errNoProgress when progress has not been called for CallTimeout. The caller
// must call cancel.
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
		Kind: domain.Transient, Op: "wait for the database", Err: terseError{cause: err, text: errNoProgress.Error()},
		Hint: "check that PostgreSQL is running and that DATABASE_URL points at it",
	}
}

// RetryUncertain returns a Transient error instead of an Uncertain one. It returns any other error unchanged. It is for transactions
// that do no harm if they are committed twice.
func RetryUncertain(err error) error {
	if domain.KindOf(err) != domain.Uncertain {
		return err
	}
	return &domain.Error{Kind: domain.Transient, Op: "commit", Err: err}
}
