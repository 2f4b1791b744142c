package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
)

const (
	// heartbeatInterval is the time between two reports of a runner whose state does not change. A report is a statement on the connection
	// that holds the stream's lock, or moves the end of the stream's lease. So other runners see that the holder is alive.
	heartbeatInterval = 5 * time.Second
	// minReportInterval is the shortest time between two reports, however often the state changes.
	minReportInterval = time.Second
	// leaseReportTimeout bounds a report that extends a lease. After it, the next report uses another connection, while the lease still lasts.
	leaseReportTimeout = 2 * heartbeatInterval
	// silentAfter is the time without a statement after which a holder counts as frozen or gone.
	silentAfter = 2 * heartbeatInterval
)

// A heartbeat reports the state of a runner from a goroutine of its own, when the state changes and at each interval. No page waits for
// it. It uses the connection of the stream's lock. If there is none, or if this connection is lost, it opens one of its own outside of
// the pool, so that it takes no connection away from the pages.
type heartbeat struct {
	lock *sessionLock // nil behind a connection pooler
	row  *runnerRow
	pool *pgxpool.Pool // says how to connect
	own  *pgx.Conn     // nil until it is needed

	quit chan struct{}      // closed to end the goroutine after its report
	stop context.CancelFunc // ends the goroutine at once
	done chan struct{}      // closed when the goroutine has ended
}

// startHeartbeat starts the heartbeat. It goes on after ctx has ended. A second call does nothing.
func (s *Store) startHeartbeat(ctx context.Context) {
	if s.beats != nil {
		return
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	lock, _ := s.guard.(*sessionLock)
	s.beats = &heartbeat{lock: lock, row: s.row, pool: s.pool, quit: make(chan struct{}), stop: stop, done: make(chan struct{})}
	go s.beats.run(ctx, s.heartbeat)
}

// endHeartbeat stops the heartbeat. It waits for a report that is being sent, for at most [conn.CloseTimeout]. If the store has claimed
// the stream, it then sends a last report and forgets the stream if the run has left it empty, for at most the same time again. Without a
// heartbeat it does nothing.
func (s *Store) endHeartbeat(ctx context.Context) {
	if s.beats == nil {
		return
	}
	close(s.beats.quit)
	limit := time.AfterFunc(conn.CloseTimeout, s.beats.stop) // ends a statement that the server does not answer
	<-s.beats.done
	limit.Stop()
	s.beats.stop()
	if s.claimed {
		ctx, cancel := context.WithTimeout(ctx, conn.CloseTimeout)
		defer cancel()
		s.row.write(ctx, s.beats.report)
		s.row.finish(ctx, s.beats.report)
	}
	if s.beats.own != nil {
		conn.Close(ctx, s.beats.own)
	}
	s.beats = nil
}

// run sends reports until quit is closed. If ctx ends, it ends the report that is being sent.
func (h *heartbeat) run(ctx context.Context, interval time.Duration) {
	defer close(h.done)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-h.quit:
			return
		case <-pause.C: // the time between two reports has passed
		}
		select {
		case <-h.quit:
			return
		case <-tick.C:
		case <-h.row.changed:
		}
		h.row.write(ctx, h.report)
		pause.Reset(min(minReportInterval, interval))
	}
}

// report runs a query on a connection of the heartbeat, with the limits of a report. It returns PostgreSQL's error.
func (h *heartbeat) report(ctx context.Context, query conn.Query) error {
	timeout := conn.CallTimeout // if it is over, pgx closes the connection, and the server releases the lock
	if h.lock == nil {
		timeout = leaseReportTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if h.lock != nil {
		isUsable := false
		err := h.lock.use(ctx, func(pooled *pgxpool.Conn) (err error) {
			if !pooled.Conn().IsClosed() {
				err = runAsReport(ctx, pooled, query)
				isUsable = !pooled.Conn().IsClosed()
			}
			return err
		})
		if isUsable || ctx.Err() != nil {
			return err
		}
	}
	if h.own == nil || h.own.IsClosed() {
		h.own = nil
		if err := h.connect(ctx); err != nil {
			return err
		}
	}
	return runAsReport(ctx, h.own, query)
}

// runAsReport runs a query with the limits of a report. They hold only for the query, because PostgreSQL runs statements that arrive together
// in one transaction. Behind a pooler other clients use the session, too.
func runAsReport(ctx context.Context, sender conn.BatchSender, query conn.Query) error {
	const isLocal = true
	return conn.RunTogether(ctx, sender, []conn.Query{func(q *dbsqlc.Queries) error { return q.SessionReport(ctx, isLocal) }, query})
}

// connect opens the heartbeat's own connection.
func (h *heartbeat) connect(ctx context.Context) error {
	cfg := h.pool.Config()
	if err := cfg.BeforeConnect(ctx, cfg.ConnConfig); err != nil {
		return err
	}
	own, err := pgx.ConnectConfig(ctx, cfg.ConnConfig)
	if err != nil {
		return err
	}
	if err := cfg.AfterConnect(ctx, own); err != nil {
		conn.Close(ctx, own)
		return err
	}
	h.own = own
	return nil
}
