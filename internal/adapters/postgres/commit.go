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

// Commit implements [domain.EventStore]. It locks the checkpoint's row first. The transaction that has locked the row is the
// stream's only writer, so two runners of one stream cannot deadlock over other rows.
//
// Commit tries the fastest way first. It takes three round trips: BEGIN with the fence, one COPY of the events of all pages, and the
// ledger with COMMIT. Dead letters, drift and the end of a pass need further ones. If the COPY fails because of the events, Commit
// rolls back and stores the batch again in a slower way:
//   - If an id is stored already, Commit fetches the stored rows first, compares them, and copies the other events. The next batches
//     are stored in this way at once, see expectDuplicates.
//   - If another stream stores an id between look-up and COPY, Commit uses INSERT, which skips stored ids, page by page. It also
//     does so if PostgreSQL does not support COPY into the table, for example because of row-level security.
//   - If PostgreSQL refuses a value, Commit uses bisection, page by page, which finds the refused events and parks them.
//
// All ways have the same result as storing each page in a transaction of its own.
func (s *Store) Commit(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
	move := moveParams(b)
	opts := writeOptions{copy: !s.copyUnsupported, expectDuplicates: s.expectDuplicates > 0}
	res, err := s.commit(ctx, b, move, opts)
	if errors.Is(err, errIDStored) && !opts.expectDuplicates {
		opts.expectDuplicates = true
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
	if err != nil {
		return domain.CommitResult{}, fmt.Errorf("stream %s, seq %d: %w", b.Start.Stream, b.TargetSeq(), s.retryDuringRestore(err))
	}
	if s.expectDuplicates = max(s.expectDuplicates-1, 0); res.Counts.Duplicate > 0 {
		s.expectDuplicates = lookUpBatches
	}
	return res, nil
}

// lookUpBatches is the number of batches for which Commit looks up stored ids first after a batch with duplicates. A look-up
// takes less time than a COPY that fails.
const lookUpBatches = 8

// commit stores b, and moves the checkpoint as move says. PostgreSQL can set a sequence back (see pageIDsAfter), so that a new dead
// letter would get an id that another one has. Then commit skips the ids that are taken and stores b once more.
func (s *Store) commit(
	ctx context.Context, b domain.Batch, move dbsqlc.CheckpointAdvanceParams, opts writeOptions,
) (domain.CommitResult, error) {
	res, err := s.commitOnce(ctx, b, move, opts)
	if !isDeadLetterIDTaken(err) {
		return res, err
	}
	if err := dbsqlc.New(s.pool).DeadLetterSkipTakenIDs(ctx); err != nil {
		return domain.CommitResult{}, conn.Classify("skip ids of dead letters", err)
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

// commitOnce stores b in one transaction. If PostgreSQL refuses a value of an event and opts.bisect is false, it returns Unstorable.
func (s *Store) commitOnce(
	ctx context.Context, b domain.Batch, move dbsqlc.CheckpointAdvanceParams, opts writeOptions,
) (domain.CommitResult, error) {
	var res domain.CommitResult
	var moved dbsqlc.CheckpointAdvanceRow
	var found bool
	var storeEnded time.Time
	lock := func(q *dbsqlc.Queries) (err error) {
		moved, found, err = moveCheckpoint(ctx, q, move)
		return err
	}
	store := func(ctx context.Context, tx pgx.Tx, progress func()) ([]conn.Query, error) {
		defer func() { storeEnded = time.Now() }()
		q := dbsqlc.New(tx)
		if !found {
			return nil, moveError(ctx, q, "advance checkpoint", b.Start)
		}
		if err := checkRepeats(move, moved.Repeated); err != nil {
			return nil, err
		}
		pageIDs, err := pageIDsAfter(ctx, q, moved.LastPageID, moved.PageIds)
		if err != nil {
			return nil, err
		}
		w := batchWriter{writer: writer{
			writeOptions: opts, tx: tx, q: q, progress: progress, stream: b.Start.Stream.String(),
		}, pages: b.Pages, pageIDs: pageIDs, buffers: &s.buffers}
		counts, newDrift, err := w.writePages(ctx, moved.HasOpenLetters)
		if err != nil {
			return nil, err
		}
		for _, c := range counts {
			res.Counts = res.Counts.Add(c)
		}
		res.NewDrift = newDrift
		last := ledgerQueries(ctx, b, pageIDs, move.IdsHashes, counts)
		last = append(last, func(q *dbsqlc.Queries) (err error) {
			res.Checkpoint, err = addCounts(ctx, q, b.Start.Stream, res.Counts)
			return err
		})
		if !b.LastPage().To.Done {
			return last, nil // COMMIT needs no answer to them
		}
		return nil, endPass(ctx, q, b, last)
	}
	err := conn.TransactPipelined(ctx, s.pool, "store page", []conn.Query{lock}, store)
	res.Committing = time.Since(storeEnded)
	return res, err
}

// moveCheckpoint locks the checkpoint and moves it from the start to the end of the batch (I3). found is false if the checkpoint
// belongs to another claim or is at another position than the start of the batch.
func moveCheckpoint(
	ctx context.Context, q *dbsqlc.Queries, move dbsqlc.CheckpointAdvanceParams,
) (moved dbsqlc.CheckpointAdvanceRow, found bool, err error) {
	moved, err = q.CheckpointAdvance(ctx, move)
	if errors.Is(err, pgx.ErrNoRows) {
		return moved, false, nil
	}
	return moved, err == nil, err
}

// moveParams returns the parameters that move the checkpoint from the start of the batch to the end of its last page.
func moveParams(b domain.Batch) dbsqlc.CheckpointAdvanceParams {
	end := b.LastPage().To
	passes, hashes := make([]int64, len(b.Pages)), make([][]byte, len(b.Pages))
	for i, page := range b.Pages {
		passes[i], hashes[i] = page.To.Pass, page.IDsHash()
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
		IdsHashes:       hashes,
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
// The earlier page may be in the batch or in the ledger. repeated is the number, counted from 1, of the first page in the batch
// that repeats one in the ledger. It is 0 if no page does.
func checkRepeats(move dbsqlc.CheckpointAdvanceParams, repeated int64) error {
	type content struct {
		pass int64
		hash string
	}
	seen := map[content]bool{}
	for i, hash := range move.IdsHashes {
		if hash == nil {
			continue
		}
		page := content{move.Passes[i], string(hash)}
		if seen[page] {
			repeated = int64(i) + 1
		}
		seen[page] = true
	}
	if repeated == 0 {
		return nil
	}
	return &domain.Error{
		Kind: domain.BadPage, Op: "store page",
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

// endPass runs the last queries of a batch that ends its pass. It returns the error of [domain.EndEvidence.Check]. The number of
// stored records includes this batch.
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
	if stored.Shared {
		records = -1 // unknown, because another stream may have stored records of this one
	}
	return b.LastPage().End.Check(b.LastPage().To, records)
}
