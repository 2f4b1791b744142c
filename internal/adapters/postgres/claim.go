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

// Claim implements [domain.EventStore]. Two things prevent that two runners write one stream. The session lock stops the second
// runner early, before it does any work. If both run because one of them has no lock, the checkpoint's token and epoch fence the
// runner whose claim is older (I3, see package domain). Behind a connection pooler Claim takes no session lock, so a second
// runner fences the first.
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
		if err := checkUniqueID(ctx, q); err != nil {
			return err
		}
		heldMs, err := q.CheckpointHeld(ctx, stream.String()) // the rest of the hold by the rate limit
		if err != nil {
			return err
		}
		if heldMs > 0 {
			claimed.HeldUntil = time.Now().Add(time.Duration(heldMs) * time.Millisecond)
		}
		return nil
	})
	if err != nil { // an uncertain claim may be repeated, because a second claim only takes the next epoch
		return domain.Checkpoint{}, fmt.Errorf("stream %s: %w", stream, conn.RetryUncertain(err))
	}
	s.claimed = true
	s.row.setClaim(claimed)
	return claimed, nil
}

// checkUniqueID returns Invalid if the table of events has no unique key on id. Without it, PostgreSQL would store an event twice. For
// example, a restore that failed before its end leaves a table without keys.
func checkUniqueID(ctx context.Context, q *dbsqlc.Queries) error {
	hasUniqueID, err := q.EventHasUniqueID(ctx)
	if err != nil || hasUniqueID {
		return err
	}
	return &domain.Error{
		Kind: domain.Invalid, Code: domain.CodeEventsWithoutKey, Op: "claim stream",
		Err:  errors.New("the table events has no unique key on id, so an event could be stored twice"),
		Hint: "if a restore did not end, restore the database again; otherwise run: ALTER TABLE events ADD PRIMARY KEY (id)",
	}
}

// sourceURLError returns the Invalid error for a stream that has pages from another URL than sourceURL.
func sourceURLError(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, sourceURL string) error {
	stored, err := q.CheckpointSource(ctx, stream.String())
	if err != nil {
		return err
	}
	return &domain.Error{
		Kind: domain.Invalid, Code: domain.CodeStreamOtherAddress, Op: "claim stream",
		Err:    fmt.Errorf("the stream reads from %s, not from %s", stored, sourceURL),
		Remedy: domain.MoveStream,
	}
}

// A streamLock is the session lock of a stream. It has its own connection, because the server releases the lock when the
// connection ends. Once the lock is taken, a heartbeat runs a statement on the connection every few seconds.
type streamLock struct {
	pooled *pgxpool.Conn
	inUse  chan struct{} // a mutex for pooled: it holds one element while a goroutine uses pooled
}

const opLockStream = "lock stream"

// lockStream takes the stream's session lock without waiting for it. The lock is held until unlock, or until its connection or
// this process ends. If another runner holds the lock, lockStream returns Fenced. Behind a pooler it takes no lock and returns
// nil.
//
// A second call takes the lock once more on the same connection. It does not release the lock first, because then another
// runner could take it. It does not use a new connection either, because the server may still hold the lock for the old one.
func (s *Store) lockStream(ctx context.Context, stream domain.StreamID) error {
	ctx, cancel := context.WithTimeout(ctx, conn.CallTimeout)
	defer cancel()
	if s.lock == nil {
		pooled, err := acquireDirect(ctx, s.pool)
		if err != nil {
			return conn.Classify(opLockStream, err)
		}
		if pooled == nil {
			s.startHeartbeat(ctx)
			return nil
		}
		s.lock = &streamLock{pooled: pooled, inUse: make(chan struct{}, 1)}
	}
	var heldByOther error
	err := s.lock.use(ctx, func(pooled *pgxpool.Conn) error {
		locked, err := dbsqlc.New(pooled).CheckpointLock(ctx, stream.String())
		if err == nil && !locked {
			heldByOther = s.holderError(ctx, pooled, stream)
		}
		return err
	})
	isLocked := err == nil && heldByOther == nil
	if isLocked {
		s.startHeartbeat(ctx)
		return nil
	}
	s.unlock(ctx)
	if err != nil {
		return conn.Classify(opLockStream, err)
	}
	return heldByOther
}

// use calls work with the connection while no other goroutine uses it. It waits until the connection is free or ctx ends.
func (l *streamLock) use(ctx context.Context, work func(*pgxpool.Conn) error) error {
	select {
	case l.inUse <- struct{}{}:
		defer func() { <-l.inUse }()
		return work(l.pooled)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unlock stops the heartbeat and closes the lock's connection, so that the server releases the lock. It does not wait for an
// answer of the server longer than twice [conn.CloseTimeout]. Without a lock it only stops the heartbeat.
func (s *Store) unlock(ctx context.Context) {
	s.endHeartbeat(ctx)
	if s.lock == nil {
		return
	}
	connection := s.lock.pooled.Hijack() // the pool must not use it again
	s.lock = nil
	conn.Close(ctx, connection)
}

// holderError returns the Fenced error for a stream whose lock another runner holds. The error says which process this is and since when,
// if that runner has reported it. It also says whether the runner seems to be alive, if PostgreSQL shows it.
func (s *Store) holderError(ctx context.Context, pooled *pgxpool.Conn, stream domain.StreamID) error {
	fenced := &domain.Error{
		Kind: domain.Fenced, Code: domain.CodeStreamHeld, Op: opLockStream, Err: fmt.Errorf("another runner holds stream %s", stream),
		Remedy: domain.WaitForRunner,
	}
	q := dbsqlc.New(pooled)
	if runner, err := q.RunnerHolder(ctx, stream.String()); err == nil { // otherwise the error only says less
		fenced.Err = fmt.Errorf("%w: pid %d on %s, since %s", fenced.Err, runner.Pid, runner.Host, runner.Since.Local().Format(time.DateTime+" MST"))
	}
	holder, err := q.SessionLockHolder(ctx, stream.String())
	if err != nil || holder.IdleSeconds < 0 { // the lock may be free by now, or the role may not see the holder
		return fenced
	}
	fenced.Holder = domain.HolderAlive
	silence := time.Duration(holder.IdleSeconds * float64(time.Second))
	if silence >= s.silentAfter {
		fenced.Holder = domain.HolderSilent
		fenced.Err = fmt.Errorf("%w; it has sent nothing to the database for %s", fenced.Err, silence.Round(time.Second))
		fenced.Remedy = 0
		fenced.Hint = fmt.Sprintf(
			"if that runner is frozen or its machine is gone, end its session with SELECT pg_terminate_backend(%d)", holder.Pid,
		)
	}
	return fenced
}

// acquireDirect returns a connection that no other client shares. It recognises a connection pooler because the pooler reports
// another process id than the server. Behind a pooler it returns nil without an error, because a session lock would stay with
// a server connection that other clients use, too.
func acquireDirect(ctx context.Context, pool *pgxpool.Pool) (*pgxpool.Conn, error) {
	pooled, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	q := dbsqlc.New(pooled)
	backend, err := q.SessionBackend(ctx)
	isDirect := uint32(backend) == pooled.Conn().PgConn().PID() //nolint:gosec // the protocol sends the same 32 bits unsigned
	if err != nil || !isDirect {                                // behind a pooler err is nil
		pooled.Release()
		return nil, err
	}
	if err := q.SessionKeepIdle(ctx); err != nil {
		pooled.Release()
		return nil, err
	}
	if err := q.SessionReport(ctx); err != nil {
		pooled.Release()
		return nil, err
	}
	return pooled, nil
}
