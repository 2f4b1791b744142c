package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// Commit implements domain.EventStore. The checkpoint's row comes first: it is the fence, and whoever holds it is the
// stream's only writer, so that two runners of one stream cannot deadlock over rows.
//
// Events are inserted a page at a time. If the database refuses a value of one, all is rolled back and done once more
// with a search for the records to blame, whose savepoints a page without such a record need not pay for.
func (s *Store) Commit(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
	res, err := s.commit(ctx, b, writer{likelyStored: s.expectDuplicates})
	if domain.KindOf(err) == domain.Unstorable {
		res, err = s.commit(ctx, b, writer{likelyStored: s.expectDuplicates, bisecting: true})
	}
	if err != nil {
		return domain.CommitResult{}, fmt.Errorf("stream %s, seq %d: %w", b.At.Stream, b.TargetSeq(), err)
	}
	s.expectDuplicates = res.Counts.Duplicate > 0
	return res, nil
}

// commit stores the batch with w. If dead letters would get ids that are taken, it skips these and stores the batch once
// more: PostgreSQL can set a sequence back, see beyond.
func (s *Store) commit(ctx context.Context, b domain.Batch, w writer) (domain.CommitResult, error) {
	res, err := s.commitOnce(ctx, b, w)
	if !isDeadLetterIDTaken(err) {
		return res, err
	}
	if err := dbsqlc.New(s.pool).DeadLetterSkipTakenIDs(ctx); err != nil {
		return domain.CommitResult{}, classify("skip ids of dead letters", err)
	}
	return s.commitOnce(ctx, b, w)
}

// isDeadLetterIDTaken reports whether PostgreSQL refused a dead letter because another one has its id.
func isDeadLetterIDTaken(err error) bool {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	return ok && answer.Code == "23505" && answer.ConstraintName == "dead_letters_pkey"
}

// commitOnce stores the batch with w in one transaction.
func (s *Store) commitOnce(ctx context.Context, b domain.Batch, w writer) (domain.CommitResult, error) {
	var res domain.CommitResult
	err := transactLong(ctx, s.pool, "store page", func(ctx context.Context, tx pgx.Tx, progress func()) error {
		q := dbsqlc.New(tx)
		w.tx, w.q, w.progress, w.stream = tx, q, progress, b.At.Stream.String()
		advance := advanceTo(b)
		reserved, err := q.CheckpointAdvance(ctx, advance)
		if errors.Is(err, pgx.ErrNoRows) {
			return refuseMove(ctx, q, "advance checkpoint", b.At)
		}
		if err != nil {
			return err
		}
		if err := checkRepeats(advance, reserved.Repeated); err != nil {
			return err
		}
		pageIDs, err := beyond(ctx, q, reserved.PageIds, reserved.LastPageID)
		if err != nil {
			return err
		}
		for i, page := range b.Pages {
			w.pageID, w.mayHaveOpen = pageIDs[i], reserved.HasOpenLetters || res.Counts.Parked > 0
			tally, err := w.writePage(ctx, page)
			if err != nil {
				return err
			}
			res.Counts = res.Counts.Add(tally)
			if err := q.PageInsert(ctx, ledgerRow(b, i, w.pageID, advance.IdsHashes[i], tally)); err != nil {
				return err
			}
			fresh, err := registerDrift(ctx, q, w.stream, w.pageID, page.Drift)
			if err != nil {
				return err
			}
			res.NewDrift = append(res.NewDrift, fresh...)
		}
		if res.Checkpoint, err = count(ctx, q, b.At.Stream, res.Counts); err != nil {
			return err
		}
		return checkEnd(ctx, q, b, res.Checkpoint)
	})
	return res, err
}

// refuseMove returns why the checkpoint could not be moved from at, where it was read (I3).
func refuseMove(ctx context.Context, q *dbsqlc.Queries, op string, at domain.Checkpoint) error {
	durable, err := lockCheckpoint(ctx, q, at.Stream)
	if err != nil {
		return err
	}
	if err := at.CheckMove(durable); err != nil {
		return err
	}
	return &domain.Error{
		Kind: domain.Transient, Op: op,
		Err: fmt.Errorf("the checkpoint of stream %s changed while it was read", at.Stream),
	}
}

// beyond returns the reserved ids of ledger rows, or others in their place if they do not lie behind the last one there is.
// PostgreSQL can set a sequence back by 32: a crash does, soon after CREATE DATABASE … TEMPLATE, which is one way to restore
// a backup. Readers that follow page_id would miss rows with such an id.
func beyond(ctx context.Context, q *dbsqlc.Queries, ids []int64, last int64) ([]int64, error) {
	if ids[0] > last {
		return ids, nil
	}
	others, err := q.PageReserveMany(ctx, last-ids[0]+int64(len(ids)))
	if err != nil {
		return nil, err
	}
	slices.Sort(others)
	return others[len(others)-len(ids):], nil
}

// checkRepeats returns BadPage if a page of the batch has the records of an earlier page of its pass: one of the batch, or
// one that is stored, of which repeated is the number from 1. Such a page comes from a cache, and its records would count
// twice towards the end of the pass.
func checkRepeats(advance dbsqlc.CheckpointAdvanceParams, repeated int64) error {
	type content struct {
		pass int64
		hash string
	}
	seen := map[content]bool{}
	for i, hash := range advance.IdsHashes {
		page := content{advance.Passes[i], string(hash)}
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
		Err:  fmt.Errorf("the API sent the records of an earlier page of this pass again (seq %d)", advance.FromSeq+repeated),
		Hint: "run it again later, since a cache may have answered", Remedy: domain.OtherPageSize,
	}
}

// checkEnd returns nil if the batch does not end its pass, or if the end may be believed now that durable tells what the
// stream has stored.
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
	return b.LastPage().End.Check(durable.Position, stored.Records)
}

func ledgerRow(b domain.Batch, index int, pageID int64, idsHash []byte, tally domain.Counts) dbsqlc.PageInsertParams {
	page, seq := b.Pages[index], b.At.Seq+int64(index)+1
	parent := seq - 1
	if page.From.Cursor == "" {
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
		Received:    tally.Received,
		Inserted:    tally.Inserted,
		Duplicate:   tally.Duplicate,
		Parked:      tally.Parked,
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

// The kinds of ledger rows.
const (
	kindPage   = "page"
	kindReplay = "replay"
)

// count adds what the rows came to, and reads the checkpoint as it will be once committed.
func count(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, t domain.Counts) (domain.Checkpoint, error) {
	row, err := q.CheckpointCount(ctx, dbsqlc.CheckpointCountParams{
		Stream: stream.String(), Received: t.Received, Inserted: t.Inserted, Duplicate: t.Duplicate, Parked: t.Parked,
	})
	return toCheckpoint(stream, row), err
}
