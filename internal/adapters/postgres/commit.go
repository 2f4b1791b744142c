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
func (s *Store) Commit(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
	var res domain.CommitResult
	err := s.transact(ctx, "store page", func(ctx context.Context, q *dbsqlc.Queries) error {
		pageIDs, err := advance(ctx, q, b)
		if err != nil {
			return err
		}
		for i, page := range b.Pages {
			tally, err := writePage(ctx, q, b, i, pageIDs[i], page)
			if err != nil {
				return err
			}
			res.Tally = res.Tally.Add(tally)
		}
		res.Checkpoint, err = count(ctx, q, b.Stream, res.Tally)
		return err
	})
	if err != nil {
		return domain.CommitResult{}, fmt.Errorf("stream %s, seq %d: %w", b.Stream, b.Target(), err)
	}
	return res, nil
}

// advance moves the checkpoint if it is still where b was read from (I3), and reserves the pages' ids.
func advance(ctx context.Context, q *dbsqlc.Queries, b domain.Batch) ([]int64, error) {
	ids, err := q.CheckpointAdvance(ctx, advanceTo(b))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, &domain.Error{
			Kind: domain.Fenced, Op: "advance checkpoint",
			Err: fmt.Errorf("the checkpoint of stream %s is not where it was read: another runner has taken over, or the database was set back", b.Stream),
		}
	}
	return ids, err
}

// writePage stores one page's events and its ledger row, and counts each term of I5 by itself.
func writePage(
	ctx context.Context, q *dbsqlc.Queries, b domain.Batch, index int, pageID int64, page domain.ReadPage,
) (domain.Tally, error) {
	tally, err := insertEvents(ctx, q, pageID, page.Events)
	if err != nil {
		return domain.Tally{}, err
	}
	tally.Received = int64(page.Received)
	if !tally.Balanced() {
		return domain.Tally{}, &domain.Error{
			Kind: domain.Unknown, Op: "count page",
			Err: fmt.Errorf("the page does not add up (I5): %+v", tally),
		}
	}
	return tally, q.PageInsert(ctx, dbsqlc.PageInsertParams{
		ID:          pageID,
		Stream:      b.Stream.String(),
		Pass:        page.To.Pass,
		Seq:         b.Seq + int64(index) + 1,
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
	})
}

// count adds what the rows came to, and reads the checkpoint as it will be once committed.
func count(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, t domain.Tally) (domain.Checkpoint, error) {
	row, err := q.CheckpointCount(ctx, dbsqlc.CheckpointCountParams{
		Stream: stream.String(), Received: t.Received, Inserted: t.Inserted, Duplicate: t.Duplicate, Parked: t.Parked,
	})
	return toCheckpoint(stream, row), err
}
