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

// Claim implements domain.EventStore. Two things keep a second runner out: a session lock, which tells it before it has
// done any harm, and the claim's token with its epoch, which is the truth (I3). Behind a connection pooler there is only
// the latter, and the newest claimant wins.
func (s *Store) Claim(ctx context.Context, stream domain.StreamID, origin string) (domain.Checkpoint, error) {
	if err := s.lockEarly(ctx, stream); err != nil {
		return domain.Checkpoint{}, err
	}
	var at domain.Checkpoint
	err := transact(ctx, s.pool, "claim stream", func(ctx context.Context, tx pgx.Tx) error {
		q := dbsqlc.New(tx)
		row, err := q.CheckpointClaim(ctx, dbsqlc.CheckpointClaimParams{Stream: stream.String(), SourceUrl: origin})
		if errors.Is(err, pgx.ErrNoRows) {
			return refuseOrigin(ctx, q, stream, origin)
		}
		if err != nil {
			return err
		}
		at = toCheckpoint(stream, row)
		heldMs, err := q.CheckpointHeld(ctx, stream.String())
		if heldMs > 0 {
			at.HeldUntil = time.Now().Add(time.Duration(heldMs) * time.Millisecond)
		}
		return err
	})
	if err != nil { // in doubt nothing but an epoch is at stake, and a second claim takes the next one
		return domain.Checkpoint{}, fmt.Errorf("stream %s: %w", stream, repeatable(err))
	}
	return at, nil
}

func refuseOrigin(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, origin string) error {
	known, err := q.CheckpointSource(ctx, stream.String())
	if err != nil {
		return err
	}
	return &domain.Error{
		Kind: domain.Invalid, Op: "claim stream",
		Err:  fmt.Errorf("it reads from %s, not from %s", known, origin),
		Hint: "correct API_BASE_URL, use another database, or give this API a stream of its own in this one with --stream",
	}
}

const lockStream = "lock stream"

// lockEarly takes the stream's session lock on a connection of its own and keeps it until unlock, or until the
// connection or this process ends. A second call takes the lock once more on the same connection: giving it up in
// between would let another runner in, and the server needs a moment to notice that a connection is gone.
func (s *Store) lockEarly(ctx context.Context, stream domain.StreamID) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if s.lock == nil {
		conn, err := acquireDirect(ctx, s.pool)
		if err != nil || conn == nil {
			return classify(lockStream, err)
		}
		s.lock = conn
	}
	locked, err := dbsqlc.New(s.lock).CheckpointLock(ctx, stream.String())
	if err == nil && locked {
		return nil
	}
	s.unlock(ctx)
	if err != nil {
		return classify(lockStream, err)
	}
	return &domain.Error{
		Kind: domain.Fenced, Op: lockStream, Err: fmt.Errorf("another runner holds stream %s", stream),
		Hint: "wait for it to end, or give this run a stream of its own with --stream",
	}
}

// acquireDirect returns a connection whose server process is the one that was dialled. Behind a pooler it is not, a
// session lock would stay with a connection that is not ours, and there is none: nil without an error.
func acquireDirect(ctx context.Context, pool *pgxpool.Pool) (*pgxpool.Conn, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	q := dbsqlc.New(conn)
	backend, err := q.SessionBackend(ctx)
	if err == nil && uint32(backend) == conn.Conn().PgConn().PID() { //nolint:gosec // the protocol sends the same 32 bits unsigned
		if err = q.SessionKeepIdle(ctx); err == nil {
			return conn, nil
		}
	}
	conn.Release()
	return nil, err
}

// unlock ends the lock's connection: that gives up the lock even if the server would not answer a request to.
func (s *Store) unlock(ctx context.Context) {
	if s.lock == nil {
		return
	}
	conn := s.lock.Hijack()
	s.lock = nil
	closeConn(ctx, conn)
}
