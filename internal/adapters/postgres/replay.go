package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

const (
	// maxReplayRows and maxReplayBytes bound the memory of a replay, and how long its transaction locks the checkpoint, for
	// which a run waits.
	maxReplayRows  = 500
	maxReplayBytes = 16 << 20
)

// A ReplayStore implements replay.Store: it reads open dead letters and stores what a replay makes of them.
type ReplayStore struct{ pool *pgxpool.Pool }

// NewReplayStore returns a store on the pool.
func NewReplayStore(pool *pgxpool.Pool) *ReplayStore { return &ReplayStore{pool} }

// Survey implements replay.Store.
func (s *ReplayStore) Survey(
	ctx context.Context, stream domain.StreamID, selection domain.DeadLetterSelection,
) (domain.SelectionCount, error) {
	const op = "look for dead letters"
	ctx, cancel := context.WithTimeout(ctx, conn.CallTimeout)
	defer cancel()
	q := dbsqlc.New(s.pool)
	if err := requireStream(ctx, q, op, stream); err != nil {
		return domain.SelectionCount{}, err
	}
	row, err := q.DeadLetterSurvey(ctx, dbsqlc.DeadLetterSurveyParams{
		Stream: stream.String(), ByID: len(selection.IDs) > 0, Ids: selection.IDs, Reason: selection.Reason,
	})
	return domain.SelectionCount{
		Open: row.Open, Last: row.Last, Resolved: row.Resolved, Missing: row.Missing,
	}, conn.Classify(op, err)
}

// Open implements replay.Store.
func (s *ReplayStore) Open(
	ctx context.Context, stream domain.StreamID, selection domain.DeadLetterSelection, after, last int64,
) ([]domain.DeadLetter, error) {
	ctx, cancel := context.WithTimeout(ctx, conn.CallTimeout)
	defer cancel()
	rows, err := dbsqlc.New(s.pool).DeadLetterOpen(ctx, dbsqlc.DeadLetterOpenParams{
		Stream: stream.String(), After: after, Last: last,
		ByID: len(selection.IDs) > 0, Ids: selection.IDs, Reason: selection.Reason,
		MaxRows: maxReplayRows, MaxBytes: maxReplayBytes,
	})
	letters := make([]domain.DeadLetter, len(rows))
	for i, row := range rows {
		letters[i] = toDeadLetter(row)
	}
	return letters, conn.Classify("read dead letters", err)
}

// Replay implements replay.Store. Like Commit, it locks the checkpoint's row first: the transaction that holds it is the
// stream's only writer, be it a run or another replay. So they cannot deadlock, and page_id grows in the order of commits.
// The row does not change, so a run that waited for it is not fenced.
func (s *ReplayStore) Replay(ctx context.Context, replay domain.Replay) (domain.ReplayResult, error) {
	res, err := s.replay(ctx, replay, writeOptions{})
	if domain.KindOf(err) == domain.Unstorable {
		res, err = s.replay(ctx, replay, writeOptions{bisect: true})
	}
	if err != nil {
		return domain.ReplayResult{}, fmt.Errorf("stream %s: %w", replay.Stream, err)
	}
	return res, nil
}

// replay stores the replay in one transaction.
func (s *ReplayStore) replay(ctx context.Context, replay domain.Replay, opts writeOptions) (domain.ReplayResult, error) {
	const op = "replay dead letters"
	var res domain.ReplayResult
	err := conn.TransactLong(ctx, s.pool, op, func(ctx context.Context, tx pgx.Tx, progress func()) error {
		q := dbsqlc.New(tx)
		at, err := q.CheckpointGetForUpdate(ctx, replay.Stream.String())
		if errors.Is(err, pgx.ErrNoRows) {
			return noSuchStream(ctx, q, op, replay.Stream)
		}
		if err != nil {
			return err
		}
		if err := checkPreviousReplay(ctx, q, replay); err != nil {
			return err
		}
		open, err := lockOpenLetters(ctx, q, replay)
		if err != nil || len(open.Letters) == 0 {
			return err
		}
		reserved, err := q.PageReserve(ctx)
		if err != nil {
			return err
		}
		ids, err := pageIDsAfter(ctx, q, reserved.LastPageID, []int64{reserved.PageID})
		if err != nil {
			return err
		}
		res.PageID = ids[0]
		w := writer{writeOptions: opts, tx: tx, q: q, progress: progress, stream: at.Stream, pageID: res.PageID}
		if res.Counts, res.Again, err = w.writeReplay(ctx, open); err != nil {
			return err
		}
		return q.PageInsert(ctx, replayRow(at, open, res))
	})
	return res, err
}

// checkPreviousReplay returns SetBack if the ledger row of the replay's previous batch is gone.
func checkPreviousReplay(ctx context.Context, q *dbsqlc.Queries, r domain.Replay) error {
	if r.Previous == 0 {
		return nil
	}
	exists, err := q.PageExists(ctx, dbsqlc.PageExistsParams{ID: r.Previous, Stream: r.Stream.String(), Kind: kindReplay, FetchedAt: r.PreviousReadAt})
	if err != nil || exists {
		return err
	}
	return &domain.Error{
		Kind: domain.SetBack, Op: "replay dead letters",
		Err:  fmt.Errorf("the database was set back to an earlier state of stream %s: the batch before is gone", r.Stream),
		Hint: "run it again: it replays what is open in the database now",
	}
}

// lockOpenLetters locks the replay's dead letters that are still open, and returns the replay without the others.
func lockOpenLetters(ctx context.Context, q *dbsqlc.Queries, r domain.Replay) (domain.Replay, error) {
	ids, hashes := make([]int64, len(r.Letters)), make([][]byte, len(r.Letters))
	for i, l := range r.Letters {
		hash := sha256.Sum256(l.Payload)
		ids[i], hashes[i] = l.ID, hash[:]
	}
	locked, err := q.DeadLetterLock(ctx, dbsqlc.DeadLetterLockParams{Stream: r.Stream.String(), Ids: ids, Hashes: hashes})
	if err != nil {
		return r, err
	}
	return r.Only(locked), nil
}

// replayRow returns the ledger row of a replay. It has the position of the checkpoint, and no requests.
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

// writeReplay stores a replay's events and records in each dead letter what happened to it. It also returns how many of those
// that stay open have which reason. It counts each term of I5 by itself: received from the locked letters, inserted from the
// table of events, the others from the table of dead letters.
func (w *writer) writeReplay(ctx context.Context, r domain.Replay) (domain.Counts, map[string]int64, error) {
	counts := domain.Counts{Received: int64(len(r.Letters))}
	stored, err := w.storeEvents(ctx, r.Events, nil)
	if err != nil {
		return counts, nil, err
	}
	counts.Inserted = stored.inserted
	inserted := insertedEvents(r.Events, stored)
	resolved, err := w.resolve(ctx, r, inserted, domain.ResolvedByReplay, "a replay stored its event")
	if err != nil {
		return counts, nil, err
	}
	const sameValues = "a replay found its event stored, with the same values"
	if counts.Duplicate, err = w.resolve(ctx, r, stored.duplicates, domain.ResolvedAsDuplicate, sameValues); err != nil {
		return counts, nil, err
	}
	rejects := slices.Concat(r.Rejects, stored.unstorable, stored.conflicts)
	if counts.Parked, err = w.parkAgain(ctx, r, rejects); err != nil {
		return counts, nil, err
	}
	if resolved != stored.inserted {
		return counts, nil, balanceError("%d letters are resolved for %d events stored", resolved, stored.inserted)
	}
	return counts, countReasons(rejects), checkBalance(counts)
}

// insertedEvents returns the events that are neither rejected nor duplicates.
func insertedEvents(events []domain.DecodedEvent, stored insertResult) []domain.DecodedEvent {
	duplicates := make(map[int]bool, len(stored.duplicates))
	for _, e := range stored.duplicates {
		duplicates[e.Record.Index] = true
	}
	return excludeIndexes(excludeRejected(events, slices.Concat(stored.unstorable, stored.conflicts)), duplicates)
}

// resolve closes the dead letters of the events, and returns their number.
func (w *writer) resolve(ctx context.Context, r domain.Replay, events []domain.DecodedEvent, how, why string) (int64, error) {
	if len(events) == 0 {
		return 0, nil
	}
	params := dbsqlc.DeadLetterResolveParams{PageID: w.pageID, Resolution: how, Why: why, EventIds: eventIDs(events)}
	for _, e := range events {
		params.Ids = append(params.Ids, r.Letters[e.Record.Index].ID)
	}
	return w.q.DeadLetterResolve(ctx, params)
}

// parkAgain leaves the dead letters of the rejects open, stores why they are rejected now, and returns their number.
func (w *writer) parkAgain(ctx context.Context, r domain.Replay, rejects []domain.Reject) (int64, error) {
	if len(rejects) == 0 {
		return 0, nil
	}
	var params dbsqlc.DeadLetterParkAgainParams
	for _, reject := range rejects {
		params.Ids = append(params.Ids, r.Letters[reject.Record.Index].ID)
		params.Reasons = append(params.Reasons, reject.Why.Reason)
		params.Fields = append(params.Fields, storableText(reject.Why.Field))
		params.Details = append(params.Details, storableText(reject.Why.Detail))
		params.EventIds = append(params.EventIds, reject.Why.ID)
	}
	return w.q.DeadLetterParkAgain(ctx, params)
}

func countReasons(rejects []domain.Reject) map[string]int64 {
	counts := map[string]int64{}
	for _, r := range rejects {
		counts[r.Why.Reason]++
	}
	return counts
}
