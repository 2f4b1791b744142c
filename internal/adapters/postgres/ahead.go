package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A batchTransaction stores the events of a batch in a transaction of its own, before the batch in front of it is committed. So two sessions
// of PostgreSQL copy events at the same time. A transaction ahead locks the checkpoint only after it has copied the events, and after
// the batch in front is committed. Then it passes the same fence as any other commit (I3). So the batches of a stream are committed one
// after the other, in the order of their pages (I6).
//
// A batchTransaction is only an attempt. After any failure except an unanswered COMMIT nothing is stored, and Commit stores the batch alone.
type batchTransaction struct {
	writer  *batchWriter
	cancel  context.CancelFunc
	timeout *time.Timer      // cancels the transaction after maxAheadTime
	end     chan aheadCommit // tells the transaction to commit

	compared chan struct{} // closed when the pages of the batch in front are not needed any more
	reserved chan struct{} // closed when the ids of the ledger rows are reserved, or never will be
	done     chan struct{} // closed when the transaction has ended, with err
	err      error
}

// An aheadCommit is the batch whose pages a transaction ahead has copied. It also has the start of the batch.
type aheadCommit struct {
	batch domain.Batch
	move  dbsqlc.CheckpointAdvanceParams
}

const (
	// maxAheadTime is the longest time between the start of a transaction ahead and the Commit of its batch. The transaction locks the
	// ids of its events. If another stream waits for these ids, and the batch in front waits for that stream, both wait for this time.
	maxAheadTime = 5 * time.Second

	// aloneAfterFailure is the number of batches that Commit stores alone after a transaction ahead has failed.
	aloneAfterFailure = 8
)

// The reasons why a transaction ahead cannot be committed.
var (
	errSharedID   = errors.New("the batch in front has an id of this batch")
	errGreaterIDs = errors.New("the ledger has rows with greater ids already")
)

// commitAhead stores b together with the start of b.Next, if a transaction ahead has begun to store b or if b.Next can be stored at the
// same time. Otherwise, and after a failure, isSettled is false and Commit must store b alone.
func (s *Store) commitAhead(
	ctx context.Context, b domain.Batch, move dbsqlc.CheckpointAdvanceParams,
) (res domain.CommitResult, isSettled bool, err error) {
	current := s.takeAhead(b.Pages)
	startsNext := haveEvents(b.Next) && s.batchesAlone == 0 && !s.copyUnsupported
	s.batchesAlone = max(s.batchesAlone-1, 0)
	if current == nil && !startsNext {
		return res, false, nil
	}
	if current == nil {
		current = s.startAhead(ctx, b.Start.Stream, b.Pages, nil)
	}
	if startsNext {
		s.ahead = s.startAhead(ctx, b.Start.Stream, b.Next, current)
		defer func(next *batchTransaction) { <-next.compared }(s.ahead)
	}
	err = current.commit(ctx, b, move)
	s.batchesToLookUp = max(s.batchesToLookUp-1, 0)
	if current.writer.foundStored || errors.Is(err, errIDStored) {
		s.batchesToLookUp = lookUpsAfterDuplicate
	}
	if err != nil && !errors.Is(err, errIDStored) && !errors.Is(err, errSharedID) {
		s.batchesAlone = aloneAfterFailure
	}
	isSettled = err == nil || domain.KindOf(err) == domain.Uncertain
	return current.writer.result(), isSettled, err
}

// startAhead starts a transaction that copies the events of the pages. front is the batch in front of them, or nil if that batch is
// committed.
func (s *Store) startAhead(ctx context.Context, stream domain.StreamID, pages []domain.DecodedPage, front *batchTransaction) *batchTransaction {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a := &batchTransaction{
		writer: s.newBatchWriter(stream, pages, s.writeOptions()),
		cancel: cancel, timeout: time.AfterFunc(s.maxAheadTime, cancel), end: make(chan aheadCommit, 1),
		compared: make(chan struct{}), reserved: make(chan struct{}), done: make(chan struct{}),
	}
	go func() {
		defer close(a.done)
		defer s.endBatchWriter(a.writer)
		a.err = a.run(ctx, s.pool, front)
	}()
	return a
}

// run copies the events and waits for commit. Then it passes the fence, stores the rest of the batch and commits.
func (a *batchTransaction) run(ctx context.Context, pool *pgxpool.Pool, front *batchTransaction) error {
	w := a.writer
	closeReserved := sync.OnceFunc(func() { close(a.reserved) })
	defer closeReserved()
	rows := w.sortRows()
	sharesID := front != nil && w.sharesID(rows, front.writer.pages)
	close(a.compared)
	if sharesID { // this transaction and the one in front would wait for each other
		return errSharedID
	}
	if front != nil {
		<-front.reserved // the ids of the ledger grow in the order of the pages
	}
	limitIdle := func(q *dbsqlc.Queries) error { return q.SessionLimitIdle(ctx) }
	reserve := func(q *dbsqlc.Queries) (err error) {
		w.pageIDs, err = q.PageReserveMany(ctx, int64(len(w.pages)))
		return err
	}
	return conn.TransactPipelined(ctx, pool, "store page", []conn.Query{limitIdle, reserve},
		func(ctx context.Context, tx pgx.Tx, progress func()) ([]conn.Query, error) {
			closeReserved()
			w.use(tx, progress)
			if err := w.copyPages(ctx, rows); err != nil {
				return nil, err
			}
			select {
			case end := <-a.end:
				return w.moveAndComplete(ctx, end)
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
}

// moveAndComplete passes the fence and stores the rest of the batch. Each statement sees what was committed before it began, so the
// statements after the lock see all rows of the ledger.
func (w *batchWriter) moveAndComplete(ctx context.Context, end aheadCommit) ([]conn.Query, error) {
	stream := end.batch.Start.Stream.String()
	var moved moveAnswer
	var isPassed bool
	fence := []conn.Query{
		func(q *dbsqlc.Queries) error { return q.CheckpointLockRow(ctx, stream) },
		func(q *dbsqlc.Queries) (err error) {
			isPassed, err = q.PageHasGreater(ctx, dbsqlc.PageHasGreaterParams{Stream: stream, FirstID: w.pageIDs[0], Ids: w.pageIDs})
			return err
		},
		func(q *dbsqlc.Queries) (err error) {
			moved, err = moveCheckpoint(ctx, q, end.move)
			return err
		},
	}
	if err := conn.RunTogether(ctx, w.tx, fence); err != nil {
		return nil, err
	}
	if isPassed { // a replay has stored a row meanwhile, or the sequence was set back
		return nil, errGreaterIDs
	}
	if err := moved.check(ctx, w.q, end.batch, end.move); err != nil {
		return nil, err
	}
	return w.complete(ctx, end.batch, end.move, moved)
}

// commit makes the transaction move the checkpoint as move says, and commit. It returns when the transaction has ended.
func (a *batchTransaction) commit(ctx context.Context, b domain.Batch, move dbsqlc.CheckpointAdvanceParams) error {
	a.timeout.Stop()
	defer a.cancel()
	defer context.AfterFunc(ctx, a.cancel)()
	move.NewIds = 0 // they are reserved
	a.end <- aheadCommit{b, move}
	<-a.done
	return a.err
}

// takeAhead returns the transaction that has begun to store the pages, or nil. If there is a transaction for other pages, takeAhead ends
// it.
func (s *Store) takeAhead(pages []domain.DecodedPage) *batchTransaction {
	a := s.ahead
	s.ahead = nil
	if a == nil || isSame(a.writer.pages, pages) {
		return a
	}
	a.timeout.Stop()
	a.cancel()
	<-a.done
	return nil
}

// haveEvents reports whether there are pages, and each of them has an event. By its events, isSame recognises a page.
func haveEvents(pages []domain.DecodedPage) bool {
	for _, page := range pages {
		if len(page.Events) == 0 {
			return false
		}
	}
	return len(pages) > 0
}

// isSame reports whether a and b are the same pages in the same memory. Pages without events are never the same.
func isSame(a, b []domain.DecodedPage) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].From != b[i].From || a[i].To != b[i].To || len(a[i].Events) != len(b[i].Events) {
			return false
		}
		if len(a[i].Events) == 0 || &a[i].Events[0] != &b[i].Events[0] {
			return false
		}
	}
	return true
}

// sharesID reports whether an event of the pages has the same id as an event of the batch. rows is the result of sortRows.
func (w *batchWriter) sharesID(rows []row, pages []domain.DecodedPage) bool {
	other := &batchWriter{pages: pages, buffers: &rowBuffers{}}
	a, b := rows, other.sortRows()
	for len(a) > 0 && len(b) > 0 {
		order := cmp.Compare(a[0].prefix, b[0].prefix)
		if order == 0 {
			idA, idB := w.event(a[0]).ID, other.event(b[0]).ID
			order = bytes.Compare(idA[:], idB[:])
		}
		switch {
		case order == 0:
			return true
		case order < 0:
			a = a[1:]
		default:
			b = b[1:]
		}
	}
	return false
}
