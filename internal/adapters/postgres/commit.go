package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// Commit implements [domain.EventStore]. It first tries to store b together with the beginning of b.Next, see batchTransaction. If that is not
// possible, or fails, it stores b alone: it locks the checkpoint's row first, so that it is the stream's only writer.
//
// Commit tries the fastest way first, which takes three round trips: BEGIN with the fence (see moveCheckpoint), one COPY of the events
// of all pages, and the ledger with COMMIT. Dead letters, drift and the end of a pass need further round trips. If the COPY fails,
// Commit rolls back and stores the batch again in a slower way:
//   - If an id is stored already, Commit first fetches the stored rows and compares them. Then it copies the other events.
//     The next batches are stored in this way at once, see batchesToLookUp.
//   - If another stream stores an id between the look-up and the COPY, Commit inserts the events page by page with INSERT, which skips
//     stored ids. It does the same if PostgreSQL does not support COPY into the table, for example because of row-level security.
//   - If PostgreSQL refuses a value, Commit finds the refused events by bisection, page by page, and parks them.
//
// All ways have the same result as storing each page in a transaction of its own.
func (s *Store) Commit(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
	move := moveParams(b)
	res, isSettled, err := s.commitAhead(ctx, b, move)
	if !isSettled {
		s.takeAhead(nil) // its ids of ledger rows would be smaller than those of b
		res, err = s.commitAlone(ctx, b, move)
	}
	if err != nil {
		return domain.CommitResult{}, fmt.Errorf("stream %s, seq %d: %w", b.Start.Stream, b.TargetSeq(), s.retryDuringRestore(err))
	}
	return res, nil
}

// commitAlone stores b while no other transaction of the store stores events of the stream.
func (s *Store) commitAlone(
	ctx context.Context, b domain.Batch, move dbsqlc.CheckpointAdvanceParams,
) (domain.CommitResult, error) {
	opts := s.writeOptions()
	res, err := s.commit(ctx, b, move, opts)
	s.batchesToLookUp = max(s.batchesToLookUp-1, 0)
	if errors.Is(err, errIDStored) && !opts.expectDuplicates {
		opts.expectDuplicates = true
		s.batchesToLookUp = lookUpsAfterDuplicate
		res, err = s.commit(ctx, b, move, opts)
	}
	if errors.Is(err, errCopyUnsupported) {
		s.copyUnsupported = true
	}
	if errors.Is(err, errIDStored) || errors.Is(err, errCopyUnsupported) {
		opts.copy = false
		res, err = s.commit(ctx, b, move, opts)
	}
	if domain.KindOf(err) == domain.Unstorable {
		opts.copy, opts.bisect = false, true
		res, err = s.commit(ctx, b, move, opts)
	}
	return res, err
}

// After a batch with an id that is stored already, Commit looks up the stored ids of this many batches before it copies their events. A look-up takes
// less time than a COPY that fails.
const lookUpsAfterDuplicate = 8

// commit stores b, and moves the checkpoint as move says. PostgreSQL may have set the sequence of the dead letters' ids back (see
// pageIDsAfter). Then a new dead letter gets an id that is taken, and commitOnce fails. In this case commit moves the sequence past
// the taken ids and stores b once more.
func (s *Store) commit(
	ctx context.Context, b domain.Batch, move dbsqlc.CheckpointAdvanceParams, opts writeOptions,
) (domain.CommitResult, error) {
	res, err := s.commitOnce(ctx, b, move, opts)
	if !isDeadLetterIDTaken(err) {
		return res, err
	}
	err = conn.Transact(ctx, s.pool, "skip ids of dead letters", func(ctx context.Context, tx pgx.Tx) error {
		return dbsqlc.New(tx).DeadLetterSkipTakenIDs(ctx)
	})
	if err != nil {
		return domain.CommitResult{}, conn.RetryUncertain(err)
	}
	return s.commitOnce(ctx, b, move, opts)
}

// uniqueViolation is the SQLSTATE for a key that exists already.
const uniqueViolation = "23505"

// isDeadLetterIDTaken reports whether PostgreSQL refused to insert a dead letter because another one has the same id.
func isDeadLetterIDTaken(err error) bool {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	return ok && answer.Code == uniqueViolation && answer.ConstraintName == "dead_letters_pkey"
}

// commitOnce stores b in one transaction. It returns Unstorable if opts.bisect is false and PostgreSQL refuses a value of an event.
func (s *Store) commitOnce(
	ctx context.Context, b domain.Batch, move dbsqlc.CheckpointAdvanceParams, opts writeOptions,
) (domain.CommitResult, error) {
	var moved moveAnswer
	moveFirst := func(q *dbsqlc.Queries) (err error) {
		moved, err = moveCheckpoint(ctx, q, move)
		return err
	}
	w := s.newBatchWriter(b.Start.Stream, b.Pages, opts)
	defer s.endBatchWriter(w)
	err := conn.TransactPipelined(ctx, s.pool, "store page", []conn.Query{moveFirst},
		func(ctx context.Context, tx pgx.Tx, progress func()) ([]conn.Query, error) {
			w.use(tx, progress)
			if err := moved.check(ctx, w.q, b, move); err != nil {
				return nil, err
			}
			var err error
			if w.pageIDs, err = pageIDsAfter(ctx, w.q, moved.LastPageID, moved.PageIds); err != nil {
				return nil, err
			}
			if w.copy {
				if err := w.copyPages(ctx, w.sortRows()); err != nil {
					return nil, err
				}
			}
			return w.complete(ctx, b, move, moved)
		})
	if w.foundStored {
		s.batchesToLookUp = lookUpsAfterDuplicate
	}
	return w.result(), err
}

// complete stores what belongs to the events of a batch: dead letters, drift and the ledger. It returns the queries that are to be sent
// together with COMMIT. The checkpoint has moved.
func (w *batchWriter) complete(
	ctx context.Context, b domain.Batch, move dbsqlc.CheckpointAdvanceParams, moved moveAnswer,
) (last []conn.Query, err error) {
	defer func() { w.completed = time.Now() }()
	pageCounts, newDrift, err := w.writePages(ctx, moved.HasOpenLetters)
	if err != nil {
		return nil, err
	}
	for _, counts := range pageCounts {
		w.res.Counts = w.res.Counts.Add(counts)
	}
	w.res.NewDrift = newDrift
	last = ledgerQueries(ctx, b, w.pageIDs, move.IdsHashes, pageCounts)
	last = append(last, func(q *dbsqlc.Queries) (err error) {
		w.res.Checkpoint, err = addCounts(ctx, q, b.Start.Stream, w.res.Counts)
		return err
	})
	if !b.LastPage().To.Done {
		return last, nil // TransactPipelined sends these queries together with COMMIT
	}
	return nil, endPass(ctx, w.q, b, last) // it checks the end, so it must run before COMMIT
}

// result returns the result after the transaction has ended.
func (w *batchWriter) result() domain.CommitResult {
	w.res.Committing = time.Since(w.completed)
	return w.res
}

// A moveAnswer is the answer of moveCheckpoint.
type moveAnswer struct {
	dbsqlc.CheckpointAdvanceRow

	found bool // false if the checkpoint belongs to another claim or is not at the start of the batch
}

// check returns an error if the batch must not be stored.
func (m moveAnswer) check(ctx context.Context, q *dbsqlc.Queries, b domain.Batch, move dbsqlc.CheckpointAdvanceParams) error {
	if !m.found {
		return moveError(ctx, q, "advance checkpoint", b.Start)
	}
	return checkRepeats(move, m.Repeated)
}

// moveCheckpoint passes the fence (I3): it locks the checkpoint and moves it from the start to the end of the batch.
func moveCheckpoint(ctx context.Context, q *dbsqlc.Queries, move dbsqlc.CheckpointAdvanceParams) (moveAnswer, error) {
	row, err := q.CheckpointAdvance(ctx, move)
	if errors.Is(err, pgx.ErrNoRows) {
		return moveAnswer{}, nil
	}
	return moveAnswer{CheckpointAdvanceRow: row, found: err == nil}, err
}

// moveParams returns the parameters that move the checkpoint from the start of the batch to the end of its last page.
func moveParams(b domain.Batch) dbsqlc.CheckpointAdvanceParams {
	end := b.LastPage().To
	passes, starts, hashes := make([]int64, len(b.Pages)), make([]int64, len(b.Pages)), make([][]byte, len(b.Pages))
	for i, page := range b.Pages {
		passes[i], starts[i], hashes[i] = page.To.Pass, page.From.Offset, page.IDsHash()
	}
	return dbsqlc.CheckpointAdvanceParams{
		Stream:          b.Start.Stream.String(),
		Token:           b.Start.Token,
		Epoch:           b.Start.Epoch,
		FromSeq:         b.Start.Seq,
		FromPass:        b.Start.Pass,
		FromPosition:    b.Start.Offset,
		FromCursor:      string(b.Start.Cursor),
		Passes:          passes,
		Starts:          starts,
		IdsHashes:       hashes,
		NewIds:          int64(len(b.Pages)),
		ToSeq:           b.TargetSeq(),
		Pass:            end.Pass,
		Position:        end.Offset,
		Furthest:        end.MaxOffset,
		Cursor:          string(end.Cursor),
		CursorExpiresAt: timeOrNull(end.CursorExpiresAt),
		Done:            end.Done,
		AnnouncedFirst:  totalOrNull(end.AnnouncedFirst),
		AnnouncedLast:   totalOrNull(end.AnnouncedLast),
		LastEventAt:     timeOrNull(lastEventAt(b)),
	}
}

// lastEventAt returns the time of the last event in the batch. It returns the zero time if no page has an event.
func lastEventAt(b domain.Batch) time.Time {
	for _, page := range slices.Backward(b.Pages) {
		if events := page.Events; len(events) > 0 {
			return events[len(events)-1].OccurredAt
		}
	}
	return time.Time{}
}

// checkRepeats returns BadPage if a page of the batch has the same records as an earlier page of its pass. Such a page probably
// comes from a cache, and its records would count twice towards the announced total.
//
// The earlier page may be in the batch or in the ledger. A page at the same or a later place does not count: the pass has left it by stepping
// back. CheckpointAdvance has looked in the ledger: inLedger is the number, counted
// from 1, of the first page in the batch that repeats a page in the ledger. It is 0 if no page does.
func checkRepeats(move dbsqlc.CheckpointAdvanceParams, inLedger int64) error {
	type content struct {
		pass int64
		hash string
	}
	repeated := inLedger
	starts := map[content]int64{} // the least offset at which a page with this content begins
	for i, hash := range move.IdsHashes {
		if hash == nil { // the page has no records
			continue
		}
		page := content{move.Passes[i], string(hash)}
		if start, isSeen := starts[page]; isSeen && start < move.Starts[i] {
			repeated = int64(i) + 1
		} else {
			starts[page] = move.Starts[i]
		}
	}
	if repeated == 0 {
		return nil
	}
	return &domain.Error{
		Kind: domain.BadPage, Code: domain.CodeAPIPageRepeated, Op: "store page", Repeats: true,
		Err:  fmt.Errorf("the API sent the records of an earlier page of this pass again (seq %d)", move.FromSeq+repeated),
		Hint: "run it again later, since a cache may have answered", Remedy: domain.OtherPageSize,
	}
}

// addCounts adds the batch's counts to the checkpoint and returns the checkpoint as it will be after the commit.
func addCounts(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, batch domain.Counts) (domain.Checkpoint, error) {
	row, err := q.CheckpointCount(ctx, dbsqlc.CheckpointCountParams{
		Stream: stream.String(), Received: batch.Received, Inserted: batch.Inserted, Duplicate: batch.Duplicate, Parked: batch.Parked,
	})
	return toCheckpoint(stream, row), err
}

// endPass runs the last queries of a batch that ends its pass. Then it checks the end: it returns the error of
// [domain.EndEvidence.Check], which it gives the number of the stream's stored and parked records, with those of this batch.
func endPass(ctx context.Context, q *dbsqlc.Queries, b domain.Batch, last []conn.Query) error {
	for _, query := range last {
		if err := query(q); err != nil {
			return err
		}
	}
	stored, err := q.CheckpointStored(ctx, b.Start.Stream.String())
	if err != nil {
		return err
	}
	records := stored.Records
	if stored.Shared { // another stream may have stored records of this one
		const unknown = -1
		records = unknown
	}
	return b.LastPage().End.Check(b.LastPage().To, records)
}
