package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// Commit implements domain.EventStore. The checkpoint's row comes first: it is the fence, and whoever holds it is the
// stream's only writer, so that two runners of one stream cannot deadlock over rows.
//
// Events are inserted a page at a time. If the database refuses a value of one, all is rolled back and done once more
// with a search for the records to blame, whose savepoints a page without such a record need not pay for.
func (s *Store) Commit(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
	res, err := s.commit(ctx, b, writer{likelyStored: s.replaying})
	if domain.KindOf(err) == domain.Unstorable {
		res, err = s.commit(ctx, b, writer{likelyStored: s.replaying, bisecting: true})
	}
	if err != nil {
		return domain.CommitResult{}, fmt.Errorf("stream %s, seq %d: %w", b.Stream, b.Target(), err)
	}
	s.replaying = res.Tally.Duplicate > 0
	return res, nil
}

// commit writes each page with such a writer.
func (s *Store) commit(ctx context.Context, b domain.Batch, w writer) (domain.CommitResult, error) {
	var res domain.CommitResult
	err := transactLong(ctx, s.pool, "store page", func(ctx context.Context, tx pgx.Tx, progress func()) error {
		q := dbsqlc.New(tx)
		w.tx, w.q, w.progress, w.stream = tx, q, progress, b.Stream.String()
		reserved, err := advance(ctx, q, b)
		if err != nil {
			return err
		}
		for i, page := range b.Pages {
			w.pageID, w.mayHaveOpen = reserved.PageIds[i], reserved.HasOpenLetters || res.Tally.Parked > 0
			tally, err := w.writePage(ctx, page)
			if err != nil {
				return err
			}
			res.Tally = res.Tally.Add(tally)
			if err := q.PageInsert(ctx, ledgerRow(b, i, w.pageID, tally)); err != nil {
				return err
			}
			fresh, err := registerDrift(ctx, q, w.stream, w.pageID, page.Drift)
			if err != nil {
				return err
			}
			res.NewDrift = append(res.NewDrift, fresh...)
		}
		res.Checkpoint, err = count(ctx, q, b.Stream, res.Tally)
		return err
	})
	return res, err
}

// advance moves the checkpoint if it is still where b was read from (I3), and reserves the pages' ids.
func advance(ctx context.Context, q *dbsqlc.Queries, b domain.Batch) (dbsqlc.CheckpointAdvanceRow, error) {
	reserved, err := q.CheckpointAdvance(ctx, advanceTo(b))
	if errors.Is(err, pgx.ErrNoRows) {
		return reserved, &domain.Error{
			Kind: domain.Fenced, Op: "advance checkpoint",
			Err: fmt.Errorf("the checkpoint of stream %s is not where it was read: another runner has taken over, or the database was set back", b.Stream),
		}
	}
	return reserved, err
}

func ledgerRow(b domain.Batch, index int, pageID int64, tally domain.Tally) dbsqlc.PageInsertParams {
	page, seq := b.Pages[index], b.Seq+int64(index)+1
	parent := seq - 1
	if page.From.Cursor == "" {
		parent = 0
	}
	return dbsqlc.PageInsertParams{
		ID:          pageID,
		Kind:        kindPage,
		Stream:      b.Stream.String(),
		Pass:        page.To.Pass,
		Seq:         seq,
		ParentSeq:   parent,
		CursorIn:    string(page.From.Cursor),
		CursorOut:   string(page.To.Cursor),
		Position:    page.To.Position,
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
	}
}

// The kinds of ledger rows.
const (
	kindPage   = "page"
	kindReplay = "replay"
)

// count adds what the rows came to, and reads the checkpoint as it will be once committed.
func count(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, t domain.Tally) (domain.Checkpoint, error) {
	row, err := q.CheckpointCount(ctx, dbsqlc.CheckpointCountParams{
		Stream: stream.String(), Received: t.Received, Inserted: t.Inserted, Duplicate: t.Duplicate, Parked: t.Parked,
	})
	return toCheckpoint(stream, row), err
}
