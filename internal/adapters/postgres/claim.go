package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// Claim implements [domain.EventStore]. Two things stop a second runner. The session lock stops it early, before it does any
// work. The claim's token and epoch fence it (I3). Behind a connection pooler there is no session lock, and the newest
// claim wins.
func (s *Store) Claim(ctx context.Context, stream domain.StreamID, sourceURL string) (domain.Checkpoint, error) {
	if err := s.lockStream(ctx, stream); err != nil {
		return domain.Checkpoint{}, err
	}
	var claimed domain.Checkpoint
	err := conn.Transact(ctx, s.pool, "claim stream", func(ctx context.Context, tx pgx.Tx) error {
		q := dbsqlc.New(tx)
		row, err := q.CheckpointClaim(ctx, dbsqlc.CheckpointClaimParams{Stream: stream.String(), SourceUrl: sourceURL})
		if errors.Is(err, pgx.ErrNoRows) {
			return sourceURLError(ctx, q, stream, sourceURL)
		}
		if err != nil {
			return err
		}
		claimed = toCheckpoint(stream, row)
		heldMs, err := q.CheckpointHeld(ctx, stream.String())
		if heldMs > 0 {
			claimed.HeldUntil = time.Now().Add(time.Duration(heldMs) * time.Millisecond)
		}
		return err
	})
	if err != nil { // an uncertain claim may be repeated: the second one takes the next epoch
		return domain.Checkpoint{}, fmt.Errorf("stream %s: %w", stream, conn.RetryUncertain(err))
	}
	s.claimed = true
	return claimed, nil
}

// sourceURLError returns the Invalid error of a stream that has pages from another source URL.
func sourceURLError(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, sourceURL string) error {
	stored, err := q.CheckpointSource(ctx, stream.String())
	if err != nil {
		return err
	}
	return &domain.Error{
		Kind: domain.Invalid, Op: "claim stream",
		Err:    fmt.Errorf("it reads from %s, not from %s", stored, sourceURL),
		Remedy: domain.MoveStream,
	}
}

const (
	// heartbeatInterval is how often the connection that holds a stream's lock runs a statement. It shows other runners that
	// the holder is alive.
	heartbeatInterval = 5 * time.Second
	// silentAfter is how long a holder must have run no statement to count as frozen or gone: two heartbeats.
	silentAfter = 2 * heartbeatInterval
)

// A streamLock is a session lock on a connection of its own, which runs a statement every few seconds. The server releases
// the lock when the connection ends.
type streamLock struct {
	pooled *pgxpool.Conn
	turn   chan struct{} // holds one token while pooled is in use

	stop context.CancelFunc // ends the heartbeat, nil if it has not started
	done chan struct{}      // closed when the heartbeat has ended
}

const opLockStream = "lock stream"

// lockStream takes the stream's session lock, without waiting, and holds it until unlock, or until the connection or this
// process ends. It returns Fenced if another runner holds the lock. Behind a pooler it takes no lock and returns nil.
//
// A second call takes the lock once more on the same connection. To release it in between would let another runner in, and
// the server needs a moment to notice that a connection is gone.
func (s *Store) lockStream(ctx context.Context, stream domain.StreamID) error {
	ctx, cancel := context.WithTimeout(ctx, conn.CallTimeout)
	defer cancel()
	if s.lock == nil {
		pooled, err := acquireDirect(ctx, s.pool)
		if err != nil || pooled == nil {
			return conn.Classify(opLockStream, err)
		}
		s.lock = &streamLock{pooled: pooled, turn: make(chan struct{}, 1), done: make(chan struct{})}
	}
	var heldByOther error
	err := s.lock.use(ctx, func(pooled *pgxpool.Conn) error {
		locked, err := dbsqlc.New(pooled).CheckpointLock(ctx, stream.String())
		if err == nil && !locked {
			heldByOther = s.holderError(ctx, pooled, stream)
		}
		return err
	})
	if err == nil && heldByOther == nil {
		s.lock.keepAlive(ctx, s.heartbeat)
		return nil
	}
	s.unlock(ctx)
	if err != nil {
		return conn.Classify(opLockStream, err)
	}
	return heldByOther
}

// use calls work with the connection, which nothing else uses meanwhile. It waits for its turn until ctx ends.
func (l *streamLock) use(ctx context.Context, work func(*pgxpool.Conn) error) error {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
		return work(l.pooled)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// keepAlive starts the heartbeat, which outlives ctx. A second call does nothing.
func (l *streamLock) keepAlive(ctx context.Context, every time.Duration) {
	if l.stop != nil {
		return
	}
	ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	go l.sendHeartbeats(ctx, every)
}

// sendHeartbeats runs a statement at each interval until ctx or the connection ends. The runner goes on without the
// connection: the lock only tells others early, and the next claim takes it again.
func (l *streamLock) sendHeartbeats(ctx context.Context, every time.Duration) {
	defer close(l.done)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := l.use(ctx, func(pooled *pgxpool.Conn) error {
			_, err := pooled.Exec(ctx, "SELECT 1")
			return err
		})
		if err != nil {
			return
		}
	}
}

// unlock stops the heartbeat and closes the lock's connection, which releases the lock even if the server does not answer.
func (s *Store) unlock(ctx context.Context) {
	if s.lock == nil {
		return
	}
	if s.lock.stop != nil {
		s.lock.stop() // it also ends a heartbeat that the server does not answer
		<-s.lock.done
	}
	hijacked := s.lock.pooled.Hijack()
	s.lock = nil
	conn.Close(ctx, hijacked)
}

// holderError returns the Fenced error of a stream whose lock another runner holds. It says whether that runner seems alive.
func (s *Store) holderError(ctx context.Context, pooled *pgxpool.Conn, stream domain.StreamID) error {
	fenced := &domain.Error{
		Kind: domain.Fenced, Op: opLockStream, Err: fmt.Errorf("another runner holds stream %s", stream),
		Remedy: domain.OtherStream,
	}
	holder, err := dbsqlc.New(pooled).SessionLockHolder(ctx, stream.String())
	if err != nil || holder.IdleSeconds < 0 { // the lock may be free by now, or the role may not see the holder
		return fenced
	}
	fenced.Holder = domain.HolderAlive
	if silence := time.Duration(holder.IdleSeconds * float64(time.Second)); silence >= s.silentAfter {
		fenced.Holder = domain.HolderSilent
		fenced.Err = fmt.Errorf("%w, but has sent nothing to the database for %s", fenced.Err, silence.Round(time.Second))
		fenced.Remedy = 0
		fenced.Hint = fmt.Sprintf(
			"if that runner is frozen or its machine is gone, end its session with SELECT pg_terminate_backend(%d)", holder.Pid,
		)
	}
	return fenced
}

// acquireDirect returns a connection to a server process of its own. Behind a pooler it returns nil without an error: there a
// session lock would stay with a connection that others use.
func acquireDirect(ctx context.Context, pool *pgxpool.Pool) (*pgxpool.Conn, error) {
	pooled, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	q := dbsqlc.New(pooled)
	backend, err := q.SessionBackend(ctx)
	if err == nil && uint32(backend) == pooled.Conn().PgConn().PID() { //nolint:gosec // the protocol sends the same 32 bits unsigned
		if err = q.SessionKeepIdle(ctx); err == nil {
			return pooled, nil
		}
	}
	pooled.Release()
	return nil, err
}
