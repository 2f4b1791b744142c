package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// Open returns a pool of connections for one runner of the stream. The pool connects when it is first used. databaseURL is a
// URL or a list of key=value pairs, in the syntax of pgx. If it is malformed, the error's kind is Invalid. The error does not
// show databaseURL, because it may contain a password. The caller must close the pool.
func Open(ctx context.Context, databaseURL string, stream domain.StreamID) (*pgxpool.Pool, error) {
	return conn.NewPool(ctx, databaseURL, "pawl/"+stream.String())
}

// A Store is the [domain.EventStore] of one runner.
type Store struct {
	pool  *pgxpool.Pool
	guard guard      // keeps other runners away from the stream; nil before Claim and after Close
	row   *runnerRow // what the store reports about its runner
	beats *heartbeat // nil before Claim and after Close

	claimed bool // Claim has succeeded, so the stream's tables existed at that time

	heartbeat   time.Duration // interval of the heartbeat, normally heartbeatInterval
	silentAfter time.Duration // time after which a runner without a heartbeat counts as gone, normally the constant silentAfter

	copyUnsupported bool              // a COPY failed with errCopyUnsupported
	batchesToLookUp int               // number of next batches whose ids Commit looks up first, because it expects duplicates
	batchesAlone    int               // number of next batches that Commit stores without starting the batch after them
	ahead           *batchTransaction // the transaction that stores the batch after the last one; nil if there is none
	maxAheadTime    time.Duration     // normally the constant maxAheadTime
	buffers         sync.Pool         // *rowBuffers; used by newBatchWriter
}

// NewStore returns a store that uses the pool, for the runner that profile describes. The caller must call Close before it closes the
// pool.
func NewStore(pool *pgxpool.Pool, profile RunnerProfile) *Store {
	return &Store{
		pool: pool, row: newRunnerRow(profile), heartbeat: heartbeatInterval, silentAfter: silentAfter,
		maxAheadTime: maxAheadTime,
	}
}

// Close ends a transaction that has begun to store the next batch, reports the last state of the runner and releases the stream. A second
// call does nothing.
func (s *Store) Close() {
	s.takeAhead(nil)
	s.releaseGuard(context.Background())
}

// Checkpoint implements [domain.EventStore].
func (s *Store) Checkpoint(ctx context.Context, stream domain.StreamID) (domain.Checkpoint, error) {
	var durable domain.Checkpoint
	err := conn.Transact(ctx, s.pool, "read checkpoint", func(ctx context.Context, tx pgx.Tx) (err error) {
		durable, err = lockCheckpoint(ctx, dbsqlc.New(tx), stream)
		return err
	})
	if err != nil {
		return domain.Checkpoint{}, fmt.Errorf("stream %s: %w", stream, s.retryDuringRestore(conn.RetryUncertain(err)))
	}
	return durable, nil
}

// retryDuringRestore returns a Transient error instead of err if the stream was claimed and PostgreSQL now reports that the
// database or a table is missing. Probably a backup is being restored, and the tables will come back. retryDuringRestore returns
// any other error unchanged.
func (s *Store) retryDuringRestore(err error) error {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || !s.claimed {
		return err
	}
	switch answer.Code {
	case "3D000", "3F000", "42P01", "42703": // the database, schema, table or column does not exist
		return &domain.Error{
			Kind: domain.Transient, Code: domain.CodeDatabaseSetBack, Op: "find the stream's tables", Err: err,
			Hint: "if a backup is being restored, run pawl again after the restore",
		}
	}
	return err
}

// lockCheckpoint reads the stream's checkpoint and locks its row until the transaction of q ends. If another transaction has
// locked the row, lockCheckpoint waits until that one ends. If the stream does not exist, it returns a checkpoint with epoch 0.
func lockCheckpoint(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID) (domain.Checkpoint, error) {
	row, err := q.CheckpointGetForUpdate(ctx, stream.String())
	if errors.Is(err, pgx.ErrNoRows) {
		return domain.Checkpoint{Stream: stream}, nil
	}
	return toCheckpoint(stream, row), err
}

// Hold implements [domain.EventStore]. It may be called while Commit runs. Then it waits until Commit releases the checkpoint's
// row, but not longer than the lock timeout.
func (s *Store) Hold(ctx context.Context, checkpoint domain.Checkpoint, until time.Time) error {
	const op = "store rate limit"
	err := conn.Transact(ctx, s.pool, op, func(ctx context.Context, tx pgx.Tx) error {
		q := dbsqlc.New(tx)
		updated, err := q.CheckpointHold(ctx, dbsqlc.CheckpointHoldParams{
			Stream: checkpoint.Stream.String(), Token: checkpoint.Token, Epoch: checkpoint.Epoch,
			WaitMs: time.Until(until).Milliseconds(),
		})
		if err != nil {
			return err
		}
		if updated == 0 { // the checkpoint has another claim
			return moveError(ctx, q, op, checkpoint)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("stream %s: %w", checkpoint.Stream, conn.RetryUncertain(err))
	}
	return nil
}

// StepBack implements [domain.EventStore].
func (s *Store) StepBack(ctx context.Context, stream domain.StreamID, pass int64, pages int) (start domain.PageStart, ok bool, err error) {
	err = conn.Transact(ctx, s.pool, "step back", func(ctx context.Context, tx pgx.Tx) error {
		row, err := dbsqlc.New(tx).PageStepBack(ctx, dbsqlc.PageStepBackParams{Stream: stream.String(), Pass: pass, Pages: int64(pages)})
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		start = domain.PageStart{ParentSeq: row.ParentSeq, Offset: row.StartPosition, Cursor: domain.Cursor(row.CursorIn)}
		ok = err == nil
		return err
	})
	if err != nil {
		return domain.PageStart{}, false, fmt.Errorf("stream %s: %w", stream, conn.RetryUncertain(err))
	}
	return start, ok, nil
}

// moveError returns the error of operation op, which did not find the checkpoint that the runner expected (I3). moveError reads the
// durable checkpoint again and returns the error of [domain.Checkpoint.CheckMove]. If it now finds the expected checkpoint, another
// transaction has changed the row in between, and the error is Transient.
func moveError(ctx context.Context, q *dbsqlc.Queries, op string, expected domain.Checkpoint) error {
	durable, err := lockCheckpoint(ctx, q, expected.Stream)
	if err != nil {
		return err
	}
	if err := expected.CheckMove(durable); err != nil {
		return err
	}
	return &domain.Error{
		Kind: domain.Transient, Code: domain.CodeDatabaseBusy, Op: op,
		Err: fmt.Errorf("the checkpoint of stream %s changed while pawl read it", expected.Stream),
	}
}

func toCheckpoint(stream domain.StreamID, row dbsqlc.Checkpoint) domain.Checkpoint {
	return domain.Checkpoint{
		Stream:    stream,
		SourceURL: row.SourceUrl,
		Token:     row.Token,
		Epoch:     row.Epoch,
		Seq:       row.Seq,
		Position: domain.Position{
			Pass:            row.Pass,
			Offset:          row.Position,
			MaxOffset:       row.Furthest,
			Cursor:          domain.Cursor(row.Cursor),
			CursorExpiresAt: valueOrZero(row.CursorExpiresAt),
			Done:            row.Done,
			AnnouncedFirst:  toTotal(row.AnnouncedFirst),
			AnnouncedLast:   toTotal(row.AnnouncedLast),
		},
		Counts: domain.Counts{
			Received: row.Received, Inserted: row.Inserted, Duplicate: row.Duplicate, Parked: row.Parked,
		},
		LastEventAt: valueOrZero(row.LastEventAt),
		UpdatedAt:   row.UpdatedAt,
	}
}

// valueOrZero returns the value of a column, or the zero value if the column is NULL.
func valueOrZero[T any](column *T) T {
	if column == nil {
		var zero T
		return zero
	}
	return *column
}

// timeOrNull returns NULL for the zero time.
func timeOrNull(value time.Time) *time.Time {
	if value.IsZero() {
		return nil
	}
	return &value
}

// toTotal returns an unknown total if the column is NULL.
func toTotal(column *int64) domain.Total {
	if column == nil {
		return domain.Total{}
	}
	return domain.Total{N: *column, Known: true}
}

// totalOrNull returns NULL for an unknown total.
func totalOrNull(total domain.Total) *int64 {
	if !total.Known {
		return nil
	}
	return &total.N
}
