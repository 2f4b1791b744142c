package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A guard keeps other runners away from a stream while a runner reads it. There are two: the [sessionLock] for a direct connection to the
// server, and the [lease] for connections through a pooler. A runner with one of them also respects the other one.
type guard interface {
	// take is called before each claim. It returns Fenced if it sees that another runner has the stream. It does not wait for that runner.
	take(ctx context.Context, stream domain.StreamID) error
	// confirm is called in the transaction of each claim, when that transaction has locked the checkpoint. So of several runners that claim
	// at the same time, only the first one gets the stream. The others get Fenced.
	confirm(ctx context.Context, q *dbsqlc.Queries, claimed domain.Checkpoint) error
	// release lets other runners claim the stream.
	release(ctx context.Context)
}

const opClaim = "claim stream" // the operation of an error of Claim

// guardStream takes the stream with the guard that fits the connections of the pool, and starts the heartbeat. If it returns an error, there
// is neither a guard nor a heartbeat. A second call takes the stream once more with the same guard.
func (s *Store) guardStream(ctx context.Context, stream domain.StreamID) error {
	ctx, cancel := context.WithTimeout(ctx, conn.CallTimeout)
	defer cancel()
	if s.guard == nil {
		direct, err := acquireDirect(ctx, s.pool)
		if err != nil {
			return conn.Classify(opClaim, err)
		}
		if direct != nil {
			s.guard = &sessionLock{pooled: direct, inUse: make(chan struct{}, 1), silentAfter: s.silentAfter}
		} else {
			s.guard = &lease{pool: s.pool, row: s.row, silentAfter: s.silentAfter}
			s.row.leaseFor = domain.LeaseDuration
		}
	}
	if err := s.guard.take(ctx, stream); err != nil {
		s.releaseGuard(ctx)
		return conn.Classify(opClaim, err)
	}
	s.startHeartbeat(ctx)
	return nil
}

// releaseGuard stops the heartbeat and releases the stream. Without a guard it does nothing.
func (s *Store) releaseGuard(ctx context.Context) {
	s.endHeartbeat(ctx)
	if s.guard == nil {
		return
	}
	s.guard.release(ctx)
	s.guard = nil
}

// acquireDirect returns a connection that no other client shares. Behind a pooler it returns nil without an error, because a session lock
// would stay with a server connection that other clients use, too.
func acquireDirect(ctx context.Context, pool *pgxpool.Pool) (*pgxpool.Conn, error) {
	pooled, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	isDirect, err := conn.IsDirect(ctx, pooled.Conn())
	if err == nil && isDirect {
		err = keepForReports(ctx, pooled)
	}
	if err != nil || !isDirect {
		pooled.Release()
		return nil, err
	}
	return pooled, nil
}

// keepForReports prepares the session of a direct connection for a lock and for reports.
func keepForReports(ctx context.Context, pooled *pgxpool.Conn) error {
	q := dbsqlc.New(pooled)
	if err := q.SessionKeepIdle(ctx); err != nil {
		return err
	}
	const isLocal = false // pgx prepares a statement before its transaction, and that waits for a lock, too
	return q.SessionReport(ctx, isLocal)
}

// A sessionLock guards a stream with a lock of a session. It has its own connection, because the server releases the lock when the connection
// ends. Once the lock is taken, a heartbeat runs a statement on the connection every few seconds.
type sessionLock struct {
	pooled      *pgxpool.Conn
	inUse       chan struct{} // a mutex for pooled: it holds one element while a goroutine uses pooled
	silentAfter time.Duration // see Store
}

// take implements guard. A second call takes the lock once more on the same connection. It does not release the lock first, because then
// another runner could take it. It does not use a new connection either, because the server may still hold the lock for the old one.
func (l *sessionLock) take(ctx context.Context, stream domain.StreamID) error {
	return l.use(ctx, func(pooled *pgxpool.Conn) error {
		// The lease is checked before the lock is taken, so that the runner that has the lease does not see a lock for a moment, and after it,
		// because a runner that takes a lease checks the lock.
		if err := checkVisibleLease(ctx, pooled, stream); err != nil {
			return err
		}
		q := dbsqlc.New(pooled)
		isLocked, err := q.CheckpointLock(ctx, stream.String())
		if err != nil {
			return err
		}
		if !isLocked {
			return lockHolderError(ctx, q, stream, l.silentAfter)
		}
		return checkVisibleLease(ctx, pooled, stream)
	})
}

// checkVisibleLease returns Fenced if a process has a lease on the stream. It returns no other error, because a runner with a session lock
// needs no privilege to read the table of runners, and does not wait for that table.
func checkVisibleLease(ctx context.Context, pooled *pgxpool.Conn, stream domain.StreamID) error {
	err := runAsReport(ctx, pooled, func(q *dbsqlc.Queries) error { return checkLease(ctx, q, stream, domain.UUID{}) })
	if domain.KindOf(err) == domain.Fenced {
		return err
	}
	return nil
}

// confirm implements guard. It does nothing, because the lock is taken already, and a runner with a lease confirms that nobody has the lock.
func (l *sessionLock) confirm(context.Context, *dbsqlc.Queries, domain.Checkpoint) error { return nil }

// release implements guard. It closes the lock's connection, so that the server releases the lock. It does not wait for an answer of the
// server longer than [conn.CloseTimeout].
func (l *sessionLock) release(ctx context.Context) {
	conn.Close(ctx, l.pooled.Hijack()) // the pool must not use the connection again
}

// use calls work with the connection while no other goroutine uses it. It waits until the connection is free or ctx ends.
func (l *sessionLock) use(ctx context.Context, work func(*pgxpool.Conn) error) error {
	select {
	case l.inUse <- struct{}{}:
		defer func() { <-l.inUse }()
		return work(l.pooled)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A lease guards a stream with a time in the table of runners, before which no other runner claims the stream. Each report of the heartbeat
// moves this time forward. If the runner is killed, the stream is free when the lease has ended.
type lease struct {
	pool        *pgxpool.Pool
	row         *runnerRow
	silentAfter time.Duration // see Store
}

// take implements guard.
func (l *lease) take(ctx context.Context, stream domain.StreamID) error {
	return l.check(ctx, dbsqlc.New(l.pool), stream)
}

// confirm implements guard. It also writes the lease, which the commit of the claim makes valid.
func (l *lease) confirm(ctx context.Context, q *dbsqlc.Queries, claimed domain.Checkpoint) error {
	if err := l.check(ctx, q, claimed.Stream); err != nil {
		return err
	}
	return q.RunnerReport(ctx, l.row.paramsOf(claimed))
}

// release implements guard. The last report of the heartbeat has ended the lease already.
func (l *lease) release(context.Context) {}

// check returns Fenced if another runner has the stream's lease or session lock.
func (l *lease) check(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID) error {
	if err := checkLease(ctx, q, stream, l.row.holder); err != nil {
		return err
	}
	isLocked, err := q.SessionLockIsHeld(ctx, stream.String())
	if err != nil || !isLocked {
		return err
	}
	return lockHolderError(ctx, q, stream, l.silentAfter)
}

// checkLease returns Fenced if another process than holder has a lease on the stream.
func checkLease(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, holder domain.UUID) error {
	other, err := q.RunnerLease(ctx, dbsqlc.RunnerLeaseParams{Stream: stream.String(), Holder: holder, MaxMs: domain.LeaseDuration.Milliseconds()})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	rest := time.Duration(other.RestMs) * time.Millisecond
	return &domain.Error{
		Kind: domain.Fenced, Code: domain.CodeStreamHeld, Op: opClaim, Holder: domain.HolderLeased, Until: time.Now().Add(rest),
		Err:    fmt.Errorf("%w: %s", heldError(stream), describeRunner(other.Pid, other.Host, other.Since)),
		Remedy: domain.WaitForRunner,
	}
}

// heldError returns the beginning of an error about a stream that another runner holds.
func heldError(stream domain.StreamID) error {
	return fmt.Errorf("another runner holds stream %s", stream)
}

// describeRunner returns which process a runner is, and since when it has its stream.
func describeRunner(pid int64, host string, since time.Time) string {
	return fmt.Sprintf("pid %d on %s, since %s", pid, host, since.Local().Format(time.DateTime+" MST"))
}

// lockHolderError returns the Fenced error for a stream whose lock another runner holds. The error says which process this is and since when,
// if that runner has reported it. It also says whether the runner seems to be alive, if PostgreSQL shows it.
func lockHolderError(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, silentAfter time.Duration) error {
	fenced := &domain.Error{
		Kind: domain.Fenced, Code: domain.CodeStreamHeld, Op: opClaim, Err: heldError(stream),
		Remedy: domain.WaitForRunner,
	}
	if runner, err := q.RunnerHolder(ctx, stream.String()); err == nil { // otherwise the error only says less
		fenced.Err = fmt.Errorf("%w: %s", fenced.Err, describeRunner(runner.Pid, runner.Host, runner.Since))
	}
	holder, err := q.SessionLockHolder(ctx, stream.String())
	if err != nil || holder.IdleSeconds < 0 { // the lock may be free by now, or the role may not see the holder
		return fenced
	}
	fenced.Holder = domain.HolderAlive
	silence := time.Duration(holder.IdleSeconds * float64(time.Second))
	if silence >= silentAfter {
		fenced.Holder = domain.HolderSilent
		fenced.Err = fmt.Errorf("%w; it has sent nothing to the database for %s", fenced.Err, silence.Round(time.Second))
		fenced.Remedy = 0
		fenced.Hint = fmt.Sprintf(
			"if that runner is frozen or its machine is gone, end its session with SELECT pg_terminate_backend(%d)", holder.Pid,
		)
	}
	return fenced
}

// newHolder returns a random name for the process that holds a lease.
func newHolder() (holder domain.UUID) {
	_, _ = rand.Read(holder[:]) // it never fails
	return holder
}
