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

// Commit implements [domain.EventStore]. It locks the checkpoint's row first. The row is the fence: the transaction that
// holds it is the stream's only writer, so two runners of one stream cannot deadlock over other rows.
//
// It inserts the events of each page with few statements. If PostgreSQL refuses a value, it rolls back and stores the batch
// again with bisection, which isolates the refused events. A batch without such events does not pay for the savepoints.
func (s *Store) Commit(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
	opts := writeOptions{expectDuplicates: s.expectDuplicates}
	res, err := s.commit(ctx, b, opts)
	if domain.KindOf(err) == domain.Unstorable {
		opts.bisect = true
		res, err = s.commit(ctx, b, opts)
	}
	if err != nil {
		return domain.CommitResult{}, fmt.Errorf("stream %s, seq %d: %w", b.At.Stream, b.TargetSeq(), s.whileRestored(err))
	}
	s.expectDuplicates = res.Counts.Duplicate > 0
	return res, nil
}

// commit stores b. If dead letters would get ids that are taken, it skips these ids and stores b once more: PostgreSQL can
// set a sequence back, see pageIDsAfter.
func (s *Store) commit(ctx context.Context, b domain.Batch, opts writeOptions) (domain.CommitResult, error) {
	res, err := s.commitOnce(ctx, b, opts)
	if !isDeadLetterIDTaken(err) {
		return res, err
	}
	if err := dbsqlc.New(s.pool).DeadLetterSkipTakenIDs(ctx); err != nil {
		return domain.CommitResult{}, conn.Classify("skip ids of dead letters", err)
	}
	return s.commitOnce(ctx, b, opts)
}

// isDeadLetterIDTaken reports whether PostgreSQL refused a dead letter because another one has its id.
func isDeadLetterIDTaken(err error) bool {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	return ok && answer.Code == "23505" && answer.ConstraintName == "dead_letters_pkey"
}

// commitOnce stores b in one transaction.
func (s *Store) commitOnce(ctx context.Context, b domain.Batch, opts writeOptions) (domain.CommitResult, error) {
	var res domain.CommitResult
	err := conn.TransactLong(ctx, s.pool, "store page", func(ctx context.Context, tx pgx.Tx, progress func()) error {
		q := dbsqlc.New(tx)
		move := moveParams(b)
		moved, err := moveCheckpoint(ctx, q, b.At, move)
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
			w := writer{writeOptions: opts, tx: tx, q: q, progress: progress, stream: b.At.Stream.String(), pageID: pageIDs[i]}
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
		if res.Checkpoint, err = addCounts(ctx, q, b.At.Stream, res.Counts); err != nil {
			return err
		}
		return checkEnd(ctx, q, b, res.Checkpoint)
	})
	return res, err
}

// moveCheckpoint locks the checkpoint and moves it past the batch. It returns Fenced or SetBack if the checkpoint is not at
// the batch's start any more (I3).
func moveCheckpoint(
	ctx context.Context, q *dbsqlc.Queries, at domain.Checkpoint, move dbsqlc.CheckpointAdvanceParams,
) (dbsqlc.CheckpointAdvanceRow, error) {
	moved, err := q.CheckpointAdvance(ctx, move)
	if errors.Is(err, pgx.ErrNoRows) {
		err = moveError(ctx, q, "advance checkpoint", at)
	}
	return moved, err
}

// moveParams returns the checkpoint's move for the whole batch: from where it was read to the end of the last page.
func moveParams(b domain.Batch) dbsqlc.CheckpointAdvanceParams {
	to := b.LastPage().To
	passes, hashes := make([]int64, len(b.Pages)), make([][]byte, len(b.Pages))
	for i, page := range b.Pages {
		passes[i], hashes[i] = page.To.Pass, page.IDsHash()
	}
	return dbsqlc.CheckpointAdvanceParams{
		Stream:          b.At.Stream.String(),
		Token:           b.At.Token,
		Epoch:           b.At.Epoch,
		FromSeq:         b.At.Seq,
		FromPass:        b.At.Pass,
		FromPosition:    b.At.Offset,
		FromCursor:      string(b.At.Cursor),
		Passes:          passes,
		IdsHashes:       hashes,
		ToSeq:           b.TargetSeq(),
		Pass:            to.Pass,
		Position:        to.Offset,
		Furthest:        to.MaxOffset,
		Cursor:          string(to.Cursor),
		CursorExpiresAt: nullTime(to.CursorExpiresAt),
		Done:            to.Done,
		AnnouncedFirst:  nullTotal(to.AnnouncedFirst),
		AnnouncedLast:   nullTotal(to.AnnouncedLast),
		LastEventAt:     nullTime(lastEventAt(b)),
	}
}

// lastEventAt returns the time of the last event in the last page that has one, zero if none has.
func lastEventAt(b domain.Batch) time.Time {
	for _, page := range slices.Backward(b.Pages) {
		if events := page.Events; len(events) > 0 {
			return events[len(events)-1].OccurredAt
		}
	}
	return time.Time{}
}

// checkRepeats returns BadPage if a page of the batch has the same records as an earlier page of its pass. The earlier page
// is in the batch, or it is stored: then repeated is the number of the first such page, counted from 1, else 0. A repeated
// page comes from a cache, and its records would count twice towards the end of the pass.
func checkRepeats(move dbsqlc.CheckpointAdvanceParams, repeated int64) error {
	type content struct {
		pass int64
		hash string
	}
	seen := map[content]bool{}
	for i, hash := range move.IdsHashes {
		page := content{move.Passes[i], string(hash)}
		if hash != nil && seen[page] {
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

// pageIDsAfter returns the reserved ids of ledger rows if they are greater than last, the greatest id in the ledger. Otherwise
// it reserves as many others that are. Readers that follow page_id would miss rows with smaller ids.
//
// PostgreSQL can set a sequence back by 32: a crash does so soon after CREATE DATABASE … TEMPLATE, which is one way to restore
// a backup.
func pageIDsAfter(ctx context.Context, q *dbsqlc.Queries, last int64, reserved []int64) ([]int64, error) {
	if reserved[0] > last {
		return reserved, nil
	}
	ids, err := q.PageReserveMany(ctx, last-reserved[0]+int64(len(reserved)))
	if err != nil {
		return nil, err
	}
	slices.Sort(ids)
	return ids[len(ids)-len(reserved):], nil
}

// The kinds of ledger rows.
const (
	kindPage   = "page"
	kindReplay = "replay"
)

// pageRow returns the ledger row of a page.
func pageRow(b domain.Batch, index int, pageID int64, idsHash []byte, counts domain.Counts) dbsqlc.PageInsertParams {
	page, seq := b.Pages[index], b.At.Seq+int64(index)+1
	parent := seq - 1
	if page.From.Cursor == "" { // the first page of its pass
		parent = 0
	}
	return dbsqlc.PageInsertParams{
		ID:          pageID,
		Kind:        kindPage,
		Stream:      b.At.Stream.String(),
		Pass:        page.To.Pass,
		Seq:         seq,
		ParentSeq:   parent,
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
		EndAccepted: page.End.Accepted(page.To),
	}
}

// addCounts adds the batch's counts to the checkpoint, and returns the checkpoint as it will be after the commit.
func addCounts(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, c domain.Counts) (domain.Checkpoint, error) {
	row, err := q.CheckpointCount(ctx, dbsqlc.CheckpointCountParams{
		Stream: stream.String(), Received: c.Received, Inserted: c.Inserted, Duplicate: c.Duplicate, Parked: c.Parked,
	})
	return toCheckpoint(stream, row), err
}

// checkEnd returns an error if the batch ends its pass and the end may not be believed, see [domain.End.Check]. It counts
// what the stream has stored, this batch included.
func checkEnd(ctx context.Context, q *dbsqlc.Queries, b domain.Batch, durable domain.Checkpoint) error {
	if !durable.Done {
		return nil
	}
	stored, err := q.CheckpointStored(ctx, b.At.Stream.String())
	if err != nil {
		return err
	}
	if stored.Shared {
		stored.Records = -1
	}
	return b.LastPage().End.Check(b.LastPage().To, stored.Records)
}
