package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// Open returns a pool for one runner of the stream. It connects when the pool is first used. databaseURL has a form that pgx
// accepts: a URL or key=value pairs. A malformed one is Invalid, and the error does not show it, because it may contain a
// password. The caller must close the pool.
func Open(ctx context.Context, databaseURL string, stream domain.StreamID) (*pgxpool.Pool, error) {
	return conn.NewPool(ctx, databaseURL, "pawl/"+stream.String())
}

// A Store is the [domain.EventStore] of one runner.
type Store struct {
	pool *pgxpool.Pool
	lock *streamLock // nil until Claim has taken it

	claimed bool // Claim has succeeded, so the stream's tables exist

	heartbeat   time.Duration // see heartbeatInterval
	silentAfter time.Duration // see silentAfter

	expectDuplicates bool // the last batch had events that were stored already, so the next one is likely to
}

// NewStore returns a store on the pool. The caller must call Close before it closes the pool.
func NewStore(pool *pgxpool.Pool) *Store {
	return &Store{pool: pool, heartbeat: heartbeatInterval, silentAfter: silentAfter}
}

// Close releases the stream's session lock. A second call does nothing.
func (s *Store) Close() { s.unlock(context.Background()) }

// Checkpoint implements [domain.EventStore].
func (s *Store) Checkpoint(ctx context.Context, stream domain.StreamID) (domain.Checkpoint, error) {
	var durable domain.Checkpoint
	err := conn.Transact(ctx, s.pool, "read checkpoint", func(ctx context.Context, tx pgx.Tx) (err error) {
		durable, err = lockCheckpoint(ctx, dbsqlc.New(tx), stream)
		return err
	})
	if err != nil {
		return domain.Checkpoint{}, fmt.Errorf("stream %s: %w", stream, s.whileRestored(conn.RetryUncertain(err)))
	}
	return durable, nil
}

// whileRestored returns Transient in place of err if the stream was claimed and its database or tables are gone: then a backup
// is being restored. It returns any other error as it is.
func (s *Store) whileRestored(err error) error {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || !s.claimed {
		return err
	}
	switch answer.Code {
	case "3D000", "3F000", "42P01", "42703": // no such database, schema, table, column
		return &domain.Error{
			Kind: domain.Transient, Op: "find the stream's tables", Err: err,
			Hint: "if a backup is being restored, run it again when that is done",
		}
	}
	return err
}

// lockCheckpoint reads the stream's checkpoint and locks its row until the transaction ends. It waits for a transaction that
// holds the row. For a stream that does not exist it returns a checkpoint with epoch 0.
func lockCheckpoint(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID) (domain.Checkpoint, error) {
	row, err := q.CheckpointGetForUpdate(ctx, stream.String())
	if errors.Is(err, pgx.ErrNoRows) {
		return domain.Checkpoint{Stream: stream}, nil
	}
	return toCheckpoint(stream, row), err
}

// Hold implements [domain.EventStore].
func (s *Store) Hold(ctx context.Context, at domain.Checkpoint, until time.Time) error {
	const op = "note rate limit"
	err := conn.Transact(ctx, s.pool, op, func(ctx context.Context, tx pgx.Tx) error {
		q := dbsqlc.New(tx)
		rows, err := q.CheckpointHold(ctx, dbsqlc.CheckpointHoldParams{
			Stream: at.Stream.String(), Token: at.Token, Epoch: at.Epoch, WaitMs: time.Until(until).Milliseconds(),
		})
		if err != nil || rows == 1 {
			return err
		}
		return moveError(ctx, q, op, at)
	})
	if err != nil {
		return fmt.Errorf("stream %s: %w", at.Stream, conn.RetryUncertain(err))
	}
	return nil
}

// moveError returns why the checkpoint could not be changed: it belongs to another claim, or it differs from at (I3).
func moveError(ctx context.Context, q *dbsqlc.Queries, op string, at domain.Checkpoint) error {
	durable, err := lockCheckpoint(ctx, q, at.Stream)
	if err != nil {
		return err
	}
	if err := at.CheckMove(durable); err != nil {
		return err
	}
	return &domain.Error{
		Kind: domain.Transient, Op: op,
		Err: fmt.Errorf("the checkpoint of stream %s changed while it was read", at.Stream),
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

// valueOrZero returns the value of a column, or the zero value for NULL.
func valueOrZero[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func toTotal(n *int64) domain.Total {
	if n == nil {
		return domain.Total{}
	}
	return domain.Total{N: *n, Known: true}
}

func nullTotal(t domain.Total) *int64 {
	if !t.Known {
		return nil
	}
	return &t.N
}
