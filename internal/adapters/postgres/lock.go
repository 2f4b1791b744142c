package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

const (
	// heartbeatInterval is how often the connection that holds a stream's lock runs a statement, so that another runner can
	// see that its holder is alive.
	heartbeatInterval = 5 * time.Second
	// silentAfter is how long a holder must have sent nothing to be taken for frozen or gone: two heartbeats.
	silentAfter = 2 * heartbeatInterval
)

// A streamLock is a session lock on its own connection, which runs a statement every few seconds. The server releases the
// lock when the connection ends.
type streamLock struct {
	conn *pgxpool.Conn
	turn chan struct{} // holds one token while somebody uses conn

	stop context.CancelFunc // ends the heartbeat, nil if it has not started
	done chan struct{}      // closed when the heartbeat has ended
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
		s.lock = &streamLock{conn: conn, turn: make(chan struct{}, 1), done: make(chan struct{})}
	}
	held := error(nil)
	err := s.lock.use(ctx, func(conn *pgxpool.Conn) error {
		locked, err := dbsqlc.New(conn).CheckpointLock(ctx, stream.String())
		if err == nil && !locked {
			held = s.heldByAnother(ctx, conn, stream)
		}
		return err
	})
	if err == nil && held == nil {
		s.lock.keepAlive(ctx, s.heartbeat)
		return nil
	}
	s.unlock(ctx)
	if err != nil {
		return classify(lockStream, err)
	}
	return held
}

// use gives work the connection for itself.
func (l *streamLock) use(ctx context.Context, work func(*pgxpool.Conn) error) error {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
		return work(l.conn)
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
	go l.beat(ctx, every)
}

// beat runs a statement at each interval, until ctx or the connection ends. Losing the connection stops nothing: the lock only
// tells others early, and the next claim notices.
func (l *streamLock) beat(ctx context.Context, every time.Duration) {
	defer close(l.done)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := l.use(ctx, func(conn *pgxpool.Conn) error {
			_, err := conn.Exec(ctx, "SELECT 1")
			return err
		})
		if err != nil {
			return
		}
	}
}

// unlock ends the lock's connection: that gives up the lock even if the server would not answer a request to.
func (s *Store) unlock(ctx context.Context) {
	if s.lock == nil {
		return
	}
	if s.lock.stop != nil {
		s.lock.stop() // this also ends a statement of the heartbeat that is not answered
		<-s.lock.done
	}
	conn := s.lock.conn.Hijack()
	s.lock = nil
	closeConn(ctx, conn)
}

// heldByAnother returns the Fenced error of a stream whose lock another runner has, with what can be seen of that runner.
func (s *Store) heldByAnother(ctx context.Context, conn *pgxpool.Conn, stream domain.StreamID) error {
	fenced := &domain.Error{
		Kind: domain.Fenced, Op: lockStream, Err: fmt.Errorf("another runner holds stream %s", stream),
		Remedy: domain.OtherStream,
	}
	holder, err := dbsqlc.New(conn).SessionLockHolder(ctx, stream.String())
	if err != nil || holder.IdleSeconds < 0 { // the lock may be free by now
		return fenced
	}
	fenced.Holder = domain.HolderAlive
	if silence := time.Duration(holder.IdleSeconds * float64(time.Second)); silence >= s.silentAfter {
		fenced.Holder = domain.HolderSilent
		fenced.Err = fmt.Errorf("%w, but has sent nothing to the database for %s", fenced.Err, silence.Round(time.Second))
		fenced.Remedy = 0
		fenced.Hint = fmt.Sprintf("if that runner is frozen or its machine is gone, end its session with SELECT pg_terminate_backend(%d)", holder.Pid)
	}
	return fenced
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
