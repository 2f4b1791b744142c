package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

const (
	// mostReplayed and mostReplayedBytes bound what a replay has in memory, and for how long its transaction holds the
	// checkpoint's row against a run.
	mostReplayed      = 500
	mostReplayedBytes = 16 << 20
)

// Replays is the replay.Store: open letters, and what becomes of them.
type Replays struct{ pool *pgxpool.Pool }

// NewReplays returns it on the pool.
func NewReplays(pool *pgxpool.Pool) *Replays { return &Replays{pool} }

// Survey implements replay.Store.
func (r *Replays) Survey(
	ctx context.Context, stream domain.StreamID, chosen domain.DeadLetterSelection,
) (domain.SelectionCount, error) {
	const op = "look for dead letters"
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	q := dbsqlc.New(r.pool)
	if err := known(ctx, q, op, stream); err != nil {
		return domain.SelectionCount{}, err
	}
	row, err := q.DeadLetterSurvey(ctx, dbsqlc.DeadLetterSurveyParams{
		Stream: stream.String(), ByID: len(chosen.IDs) > 0, Ids: chosen.IDs, Reason: chosen.Reason,
	})
	return domain.SelectionCount{Open: row.Open, Last: row.Last, Resolved: row.Resolved, Missing: row.Missing}, classify(op, err)
}

// Open implements replay.Store.
func (r *Replays) Open(
	ctx context.Context, stream domain.StreamID, chosen domain.DeadLetterSelection, after, last int64,
) ([]domain.DeadLetter, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	rows, err := dbsqlc.New(r.pool).DeadLetterOpen(ctx, dbsqlc.DeadLetterOpenParams{
		Stream: stream.String(), After: after, Last: last,
		ByID: len(chosen.IDs) > 0, Ids: chosen.IDs, Reason: chosen.Reason,
		MostLetters: mostReplayed, MostBytes: mostReplayedBytes,
	})
	letters := make([]domain.DeadLetter, len(rows))
	for i, row := range rows {
		letters[i] = toLetter(row)
	}
	return letters, classify("read dead letters", err)
}

// Replay implements replay.Store. The checkpoint's row comes first, as in Commit: whoever holds it is the stream's only
// writer, be it a run or another replay, so that nothing in here can deadlock with them, and page_id grows in the order
// of commits. The row itself stays as it is, and so a run that waited for it is not fenced.
func (r *Replays) Replay(ctx context.Context, replay domain.Replay) (domain.ReplayResult, error) {
	res, err := r.replay(ctx, replay, writer{})
	if domain.KindOf(err) == domain.Unstorable {
		res, err = r.replay(ctx, replay, writer{bisecting: true})
	}
	if err != nil {
		return domain.ReplayResult{}, fmt.Errorf("stream %s: %w", replay.Stream, err)
	}
	return res, nil
}

// replay writes with such a writer.
func (r *Replays) replay(ctx context.Context, replay domain.Replay, w writer) (domain.ReplayResult, error) {
	const op = "replay dead letters"
	var res domain.ReplayResult
	err := transactLong(ctx, r.pool, op, func(ctx context.Context, tx pgx.Tx, progress func()) error {
		q := dbsqlc.New(tx)
		at, err := q.CheckpointGetForUpdate(ctx, replay.Stream.String())
		if errors.Is(err, pgx.ErrNoRows) {
			return noSuchStream(ctx, q, op, replay.Stream)
		}
		if err != nil {
			return err
		}
		open, err := stillOpen(ctx, q, replay)
		if err != nil || len(open.Letters) == 0 {
			return err
		}
		reserved, err := q.PageReserve(ctx)
		if err != nil {
			return err
		}
		ids, err := beyond(ctx, q, []int64{reserved.PageID}, reserved.LastPageID)
		if err != nil {
			return err
		}
		res.PageID = ids[0]
		w.tx, w.q, w.progress = tx, q, progress
		w.stream, w.pageID = at.Stream, res.PageID
		if res.Counts, res.Again, err = w.writeReplay(ctx, open); err != nil {
			return err
		}
		return q.PageInsert(ctx, replayRow(at, open, res))
	})
	return res, err
}

// stillOpen is the replay without the letters that were resolved since they were read. The others are locked.
func stillOpen(ctx context.Context, q *dbsqlc.Queries, r domain.Replay) (domain.Replay, error) {
	ids := make([]int64, len(r.Letters))
	for i, l := range r.Letters {
		ids[i] = l.ID
	}
	locked, err := q.DeadLetterLock(ctx, dbsqlc.DeadLetterLockParams{Stream: r.Stream.String(), Ids: ids})
	if err != nil {
		return r, err
	}
	return r.Only(locked), nil
}

// replayRow is the ledger's line: it stands where the checkpoint stands, and asked the API for nothing.
func replayRow(at dbsqlc.Checkpoint, r domain.Replay, res domain.ReplayResult) dbsqlc.PageInsertParams {
	row := dbsqlc.PageInsertParams{
		ID: res.PageID, Kind: kindReplay, Stream: at.Stream, Pass: at.Pass, Seq: at.Seq, Position: at.Position,
		Received: res.Received, Inserted: res.Inserted, Duplicate: res.Duplicate, Parked: res.Parked,
		FetchedAt: r.ReadAt,
	}
	for _, l := range r.Letters {
		row.BodyBytes += int64(len(l.Payload))
	}
	return row
}
