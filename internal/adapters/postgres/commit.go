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
// Commit tries the fastest way first: it copies all events of a page with one COPY. If that fails because of the events, it
// rolls back and stores the batch again in a slower way:
//   - If an id is stored already, Commit looks up the stored ids first and copies the other events. The next batches are
//     stored in this way at once, see expectDuplicates.
//   - If another stream stores an id between look-up and COPY, Commit uses INSERT, which skips stored ids. It also does so if
//     PostgreSQL does not support COPY into the table, for example because of row-level security.
//   - If PostgreSQL refuses a value, Commit uses bisection, which finds the refused events and parks them.
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

// commit stores b, and moves the checkpoint as move says. PostgreSQL can set a sequence back (see pageIDsAfter), so that a new dead letter would get an id that
// another one has. Then commit skips the ids that are taken and stores b once more.
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
	err := conn.TransactLong(ctx, s.pool, "store page", func(ctx context.Context, tx pgx.Tx, progress func()) error {
		q := dbsqlc.New(tx)
		moved, err := moveCheckpoint(ctx, q, b.Start, move)
		if err != nil {
			return err
		}
		if err := checkRepeats(move, moved.Repeated); err != nil {
			return err
		}
		pageIDs, err := pageIDsAfter(ctx, q, moved.LastPageID, moved.PageIds)
		if err != nil {
			return err
		}
		for i, page := range b.Pages {
			w := writer{writeOptions: opts, tx: tx, q: q, progress: progress, stream: b.Start.Stream.String(), pageID: pageIDs[i]}
			mayHaveOpenLetters := moved.HasOpenLetters || res.Counts.Parked > 0
			counts, err := w.writePage(ctx, page, mayHaveOpenLetters)
			if err != nil {
				return err
			}
			res.Counts = res.Counts.Add(counts)
			if err := q.PageInsert(ctx, pageRow(b, i, w.pageID, move.IdsHashes[i], counts)); err != nil {
				return err
			}
			newDrift, err := registerDrift(ctx, q, w.stream, w.pageID, page.Drift)
			if err != nil {
				return err
			}
			res.NewDrift = append(res.NewDrift, newDrift...)
		}
		if res.Checkpoint, err = addCounts(ctx, q, b.Start.Stream, res.Counts); err != nil {
			return err
		}
		return checkEnd(ctx, q, b, res.Checkpoint)
	})
	return res, err
}

// moveCheckpoint locks the checkpoint and moves it from start to the end of the batch. It returns Fenced or SetBack if the
// checkpoint belongs to another claim or is at another position than start (I3).
func moveCheckpoint(
	ctx context.Context, q *dbsqlc.Queries, start domain.Checkpoint, move dbsqlc.CheckpointAdvanceParams,
) (dbsqlc.CheckpointAdvanceRow, error) {
	moved, err := q.CheckpointAdvance(ctx, move)
	if errors.Is(err, pgx.ErrNoRows) {
		err = moveError(ctx, q, "advance checkpoint", start)
	}
	return moved, err
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

// pageIDsAfter returns ids for new ledger rows that are greater than last, the greatest id in the ledger. These are the
// reserved ids, or, if they are too small, new ones. A program that reads new rows by page_id would miss smaller ids.
//
// The reserved ids are too small if PostgreSQL has set the sequence back. For example, a crash soon after CREATE DATABASE …
// TEMPLATE, which is one way to restore a backup, sets it back by up to 32.
func pageIDsAfter(ctx context.Context, q *dbsqlc.Queries, last int64, reserved []int64) ([]int64, error) {
	if reserved[0] > last {
		return reserved, nil
	}
	count := len(reserved)
	ids, err := q.PageReserveMany(ctx, last-reserved[0]+int64(count)) // the greatest count of these are greater than last
	if err != nil {
		return nil, err
	}
	slices.Sort(ids)
	return ids[len(ids)-count:], nil
}

// These are the kinds of ledger rows: a page that was read from the API, or a replay of dead letters.
const (
	kindPage   = "page"
	kindReplay = "replay"
)

// pageRow returns the ledger row of the page at index in the batch.
func pageRow(b domain.Batch, index int, pageID int64, idsHash []byte, counts domain.Counts) dbsqlc.PageInsertParams {
	page := b.Pages[index]
	seq := b.Start.Seq + int64(index) + 1
	parentSeq := seq - 1
	if page.From.Cursor == "" { // the first page of a pass has no parent
		parentSeq = 0
	}
	return dbsqlc.PageInsertParams{
		ID:          pageID,
		Kind:        kindPage,
		Stream:      b.Start.Stream.String(),
		Pass:        page.To.Pass,
		Seq:         seq,
		ParentSeq:   parentSeq,
		CursorIn:    string(page.From.Cursor),
		CursorOut:   string(page.To.Cursor),
		Position:    page.To.Offset,
		Received:    counts.Received,
		Inserted:    counts.Inserted,
		Duplicate:   counts.Duplicate,
		Parked:      counts.Parked,
		BodyBytes:   page.Receipt.Bytes,
		RequestID:   page.Receipt.RequestID,
		Requests:    int64(page.Receipt.Requests),
		Retries:     int64(page.Receipt.Retries),
		RateLimited: int64(page.Receipt.RateLimited),
		WaitedMs:    page.Receipt.Waited.Milliseconds(),
		FetchedAt:   page.Receipt.FetchedAt,
		TraceID:     page.Receipt.TraceID,
		IdsHash:     idsHash,
		EndAccepted: page.End.AcceptedShort(page.To),
	}
}

// addCounts adds the batch's counts to the checkpoint and returns the checkpoint as it will be after the commit.
func addCounts(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, batch domain.Counts) (domain.Checkpoint, error) {
	row, err := q.CheckpointCount(ctx, dbsqlc.CheckpointCountParams{
		Stream: stream.String(), Received: batch.Received, Inserted: batch.Inserted, Duplicate: batch.Duplicate, Parked: batch.Parked,
	})
	return toCheckpoint(stream, row), err
}

// checkEnd returns the error of [domain.EndEvidence.Check] if the batch ends its pass. moved is the checkpoint after the batch. The
// number of stored records includes this batch.
func checkEnd(ctx context.Context, q *dbsqlc.Queries, b domain.Batch, moved domain.Checkpoint) error {
	if !moved.Done {
		return nil
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
