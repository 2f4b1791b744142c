package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A Store is the domain.EventStore of one runner.
type Store struct {
	pool *pgxpool.Pool
	lock *streamLock // once Claim has it, see lock.go

	heartbeat   time.Duration // see heartbeatInterval
	silentAfter time.Duration // see silentAfter

	expectDuplicates bool // the last batch met events that were stored already: the next one is likely to
}

// NewStore returns a store on the pool. Close must be called before the pool is closed.
func NewStore(pool *pgxpool.Pool) *Store {
	return &Store{pool: pool, heartbeat: heartbeatInterval, silentAfter: silentAfter}
}

// Close gives up the early lock. A second call does nothing.
func (s *Store) Close() { s.unlock(context.Background()) }

// begin opens a transaction whose waits are bounded and whose COMMIT is durable, whatever the role's defaults say.
// A database set to something stronger than synchronous_commit=on keeps it. What is looked up is looked up by a key: a
// plan made while a table was small would read the whole of it, and is kept while the table grows.
const begin = `BEGIN;
SET LOCAL lock_timeout = '15s';
SET LOCAL statement_timeout = '60s';
SET LOCAL idle_in_transaction_session_timeout = '60s';
SET LOCAL enable_seqscan = off;
SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') IN ('off', 'local')`

// transact runs work in one transaction. After an error nothing was written, unless its kind is Uncertain. Work that makes
// no progress for callTimeout is ended with kind Transient; beginning and committing count as progress.
func transact(ctx context.Context, pool *pgxpool.Pool, op string, work func(context.Context, pgx.Tx) error) error {
	return transactLong(ctx, pool, op, func(ctx context.Context, tx pgx.Tx, _ func()) error { return work(ctx, tx) })
}

// errNoProgress ends the context of a transaction whose server does not answer.
var errNoProgress = fmt.Errorf("the database has not answered for %s", callTimeout)

// transactLong runs work like transact, but for work of many round trips, which calls progress after each of them.
func transactLong(
	ctx context.Context, pool *pgxpool.Pool, op string, work func(ctx context.Context, tx pgx.Tx, progress func()) error,
) error {
	ctx, progress, cancel := withProgress(ctx)
	defer cancel()
	tx, err := pool.BeginTx(ctx, pgx.TxOptions{BeginQuery: begin})
	if err != nil {
		return classify(op, expired(ctx, err))
	}
	progress()
	if err := work(ctx, tx, progress); err != nil {
		// Should the rollback not reach the server, the connection is closed and the server rolls back by itself.
		_ = tx.Rollback(ctx)
		return classify(op, expired(ctx, err))
	}
	progress()
	return classifyCommit(tx.Commit(ctx))
}

// withProgress returns a context that ends with errNoProgress once progress has not been called for callTimeout. cancel
// releases it.
func withProgress(parent context.Context) (ctx context.Context, progress, cancel func()) {
	ctx, end := context.WithCancelCause(parent)
	limit := time.AfterFunc(callTimeout, func() { end(errNoProgress) })
	return ctx, func() { limit.Reset(callTimeout) }, func() {
		limit.Stop()
		end(nil)
	}
}

// expired returns a Transient error in place of err if ctx ended because there was no progress.
func expired(ctx context.Context, err error) error {
	if !errors.Is(context.Cause(ctx), errNoProgress) {
		return err
	}
	return &domain.Error{
		Kind: domain.Transient, Op: "wait for the database", Err: terse{err, errNoProgress.Error()},
		Hint: "check that PostgreSQL is running and that DATABASE_URL points at it",
	}
}

// repeatable turns doubt about a COMMIT that may as well be repeated into an ordinary failure.
func repeatable(err error) error {
	if domain.KindOf(err) != domain.Uncertain {
		return err
	}
	return &domain.Error{Kind: domain.Transient, Op: "commit", Err: err}
}

// Checkpoint implements domain.EventStore.
func (s *Store) Checkpoint(ctx context.Context, stream domain.StreamID) (domain.Checkpoint, error) {
	var at domain.Checkpoint
	err := transact(ctx, s.pool, "read checkpoint", func(ctx context.Context, tx pgx.Tx) (err error) {
		at, err = lockCheckpoint(ctx, dbsqlc.New(tx), stream)
		return err
	})
	if err != nil {
		return domain.Checkpoint{}, fmt.Errorf("stream %s: %w", stream, repeatable(err))
	}
	return at, nil
}

// lockCheckpoint reads the stream's checkpoint and holds its row until the transaction ends. It waits for a transaction
// that holds the row. A stream that is not there has epoch 0.
func lockCheckpoint(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID) (domain.Checkpoint, error) {
	row, err := q.CheckpointGetForUpdate(ctx, stream.String())
	if errors.Is(err, pgx.ErrNoRows) {
		return domain.Checkpoint{Stream: stream}, nil
	}
	return toCheckpoint(stream, row), err
}

// Hold implements domain.EventStore.
func (s *Store) Hold(ctx context.Context, at domain.Checkpoint, until time.Time) error {
	err := transact(ctx, s.pool, "note rate limit", func(ctx context.Context, tx pgx.Tx) error {
		q := dbsqlc.New(tx)
		held, err := q.CheckpointHold(ctx, dbsqlc.CheckpointHoldParams{
			Stream: at.Stream.String(), Token: at.Token, Epoch: at.Epoch, WaitMs: time.Until(until).Milliseconds(),
		})
		if err != nil || held == 1 {
			return err
		}
		return refuseMove(ctx, q, "note rate limit", at)
	})
	if err != nil {
		return fmt.Errorf("stream %s: %w", at.Stream, repeatable(err))
	}
	return nil
}
