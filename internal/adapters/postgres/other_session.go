package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
)

// An otherSession reads rows in a second session of PostgreSQL, at the same time as the session of a transaction. The server can use
// a second processor then.
//
// It reads with the snapshot of the transaction. So both sessions see the same rows. If the pool connects to another server, or to a
// database that was restored in the meantime, the snapshot does not exist there, and reading fails.
type otherSession struct {
	pool    *pgxpool.Pool
	minRows int // with fewer rows, a second session would take longer than it saves

	failed bool // a read has failed; probably the server allows no further connection
}

// otherSessionTimeout bounds the time of a read. It is shorter than the time after which the server ends the idle transaction of tx, so that
// tx can do the work of a session that does not answer.
const otherSessionTimeout = 30 * time.Second

// minRowsForOtherSession is normally the minRows of an otherSession.
const minRowsForOtherSession = 4000

// isUsable reports whether the second session should look up a part of this many rows.
func (o *otherSession) isUsable(rows int) bool { return o != nil && !o.failed && rows >= o.minRows }

// start calls read in a new goroutine, with a second session that has the snapshot of tx. The caller may use tx at once. It must call
// wait before tx ends. wait returns the error of read or of the session. After such an error the second session is not usable any more.
//
// If start itself returns an error, tx is broken.
func (o *otherSession) start(
	ctx context.Context, tx pgx.Tx, read func(context.Context, rowQuerier) error,
) (wait func() error, err error) {
	snapshot, err := dbsqlc.New(tx).SnapshotExport(ctx)
	if err != nil {
		return nil, err
	}
	var readErr error
	var reading sync.WaitGroup
	reading.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, otherSessionTimeout)
		defer cancel()
		readErr = conn.ReadSnapshot(ctx, o.pool, snapshot, func(ctx context.Context, session *pgx.Conn) error {
			return read(ctx, session)
		})
	})
	return func() error {
		reading.Wait()
		o.failed = o.failed || readErr != nil
		return readErr
	}, nil
}
