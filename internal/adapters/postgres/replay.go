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
	// maxReplayRows and maxReplayBytes bound the number of dead letters and their bytes in one batch of a replay. They bound the
	// memory, and the time for which a run waits, because the batch's transaction locks the checkpoint.
	maxReplayRows  = 500
	maxReplayBytes = 16 << 20 // 16 MiB
)

// A ReplayStore implements replay.Store. It reads open dead letters and stores the events that a replay decodes from them.
type ReplayStore struct{ pool *pgxpool.Pool }

// NewReplayStore returns a replay store that uses the pool.
func NewReplayStore(pool *pgxpool.Pool) *ReplayStore { return &ReplayStore{pool} }

// Survey implements replay.Store. It makes one attempt.
func (s *ReplayStore) Survey(
	ctx context.Context, stream domain.StreamID, selection domain.DeadLetterSelection,
) (domain.SelectionCount, error) {
	const op = "count dead letters"
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

// Open implements replay.Store. It returns at most maxReplayRows dead letters and maxReplayBytes of payloads. A single letter may
// be larger.
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
	if err != nil {
		return nil, conn.Classify("read dead letters", err)
	}
	letters := make([]domain.DeadLetter, len(rows))
	for i, row := range rows {
		letters[i] = toDeadLetter(row)
	}
	return letters, nil
}

// Replay implements replay.Store. Like [Store.Commit], it locks the checkpoint's row first, so only one run or replay of the
// stream writes at a time. They cannot deadlock, and page ids grow in the order of commits. Replay does not change the
// checkpoint, so a run that has waited for the row is not fenced.
func (s *ReplayStore) Replay(ctx context.Context, replay domain.ReplayBatch) (domain.ReplayResult, error) {
	res, err := s.replay(ctx, replay, writeOptions{})
	if domain.KindOf(err) == domain.Unstorable {
		res, err = s.replay(ctx, replay, writeOptions{bisect: true})
	}
	if err != nil {
		return domain.ReplayResult{}, fmt.Errorf("stream %s: %w", replay.Stream, err)
	}
	return res, nil
}

// replay stores the batch in one transaction. If none of its dead letters is open any more, it writes nothing.
func (s *ReplayStore) replay(ctx context.Context, replay domain.ReplayBatch, opts writeOptions) (domain.ReplayResult, error) {
	const op = "replay dead letters"
	var res domain.ReplayResult
	err := conn.TransactLong(ctx, s.pool, op, func(ctx context.Context, tx pgx.Tx, progress func()) error {
		q := dbsqlc.New(tx)
		checkpoint, err := q.CheckpointGetForUpdate(ctx, replay.Stream.String())
		if errors.Is(err, pgx.ErrNoRows) {
			return noSuchStreamError(ctx, q, op, replay.Stream)
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
		w := writer{writeOptions: opts, tx: tx, q: q, progress: progress, stream: checkpoint.Stream, pageID: res.PageID}
		if res.Counts, res.ParkedAgain, err = w.writeReplay(ctx, open); err != nil {
			return err
		}
		return q.PageInsert(ctx, replayRow(checkpoint, open, res))
	})
	return res, err
}

// checkPreviousReplay returns SetBack if the replay has committed a batch before and the ledger row of that batch is gone.
func checkPreviousReplay(ctx context.Context, q *dbsqlc.Queries, r domain.ReplayBatch) error {
	if r.Previous == 0 {
		return nil
	}
	exists, err := q.PageExists(ctx, dbsqlc.PageExistsParams{
		ID: r.Previous, Stream: r.Stream.String(), Kind: kindReplay, FetchedAt: r.PreviousReadAt,
	})
	if err != nil || exists {
		return err
	}
	return &domain.Error{
		Kind: domain.SetBack, Code: domain.CodeDatabaseSetBack, Op: "replay dead letters",
		Err:  fmt.Errorf("the database was set back to an earlier state of stream %s: the previous batch is gone", r.Stream),
		Hint: "run it again: it replays the dead letters that are open in the database now",
	}
}

// lockOpenLetters locks those of the replay's dead letters that are still open. It returns the replay with these letters only.
func lockOpenLetters(ctx context.Context, q *dbsqlc.Queries, r domain.ReplayBatch) (domain.ReplayBatch, error) {
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

// replayRow returns the ledger row of a replay. The row has the checkpoint's pass, seq and position. A replay sends no requests
// to the API, so their numbers are 0.
func replayRow(checkpoint dbsqlc.Checkpoint, r domain.ReplayBatch, res domain.ReplayResult) dbsqlc.PageInsertParams {
	row := dbsqlc.PageInsertParams{
		ID: res.PageID, Kind: kindReplay, Stream: checkpoint.Stream,
		Pass: checkpoint.Pass, Seq: checkpoint.Seq, Position: checkpoint.Position,
		Received: res.Received, Inserted: res.Inserted, Duplicate: res.Duplicate, Parked: res.Parked,
		FetchedAt: r.ReadAt,
	}
	for _, l := range r.Letters {
		row.BodyBytes += int64(len(l.Payload))
	}
	return row
}

// writeReplay stores a replay's events, resolves the dead letters of stored events, and stores in the other dead letters why
// their records are rejected now. again has, by reason, the number of dead letters that stay open.
//
// It counts the letters as received, the inserted rows of events as inserted, and the changed rows of dead letters as duplicate
// and parked. No number is derived from the others, so that checkBalance can find an error (I5).
func (w *writer) writeReplay(ctx context.Context, r domain.ReplayBatch) (counts domain.Counts, again map[string]int64, err error) {
	counts.Received = int64(len(r.Letters))
	insertRes, err := w.storeEvents(ctx, r.Events, nil) // nil: a replay may reject any number of records again
	if err != nil {
		return counts, nil, err
	}
	counts.Inserted = insertRes.inserted
	inserted := insertedEvents(r.Events, insertRes)
	resolved, err := w.resolve(ctx, r, inserted, domain.ResolvedByReplay, "a replay stored its event")
	if err != nil {
		return counts, nil, err
	}
	const sameValues = "a replay found its event stored, with the same values"
	if counts.Duplicate, err = w.resolve(ctx, r, insertRes.duplicates, domain.ResolvedAsDuplicate, sameValues); err != nil {
		return counts, nil, err
	}
	rejects := slices.Concat(r.Rejects, insertRes.unstorable, insertRes.conflicts)
	if counts.Parked, err = w.parkAgain(ctx, r, rejects); err != nil {
		return counts, nil, err
	}
	if resolved != insertRes.inserted {
		return counts, nil, balanceError("%d dead letters were resolved, but %d events were inserted", resolved, insertRes.inserted)
	}
	return counts, countReasons(rejects), checkBalance(counts)
}

// insertedEvents returns the events that the result does not list as duplicates, unstorable or conflicts.
func insertedEvents(events []domain.DecodedEvent, res insertResult) []domain.DecodedEvent {
	duplicates := make(map[int]bool, len(res.duplicates)) // by index of the record
	for _, e := range res.duplicates {
		duplicates[e.Record.Index] = true
	}
	accepted := excludeRejected(events, slices.Concat(res.unstorable, res.conflicts))
	return excludeIndexes(accepted, duplicates)
}

// resolve resolves the dead letters of the events and returns the number of these letters. how is the kind of the resolution, and
// why explains it to the user.
func (w *writer) resolve(ctx context.Context, r domain.ReplayBatch, events []domain.DecodedEvent, how, why string) (int64, error) {
	if len(events) == 0 {
		return 0, nil
	}
	params := dbsqlc.DeadLetterResolveParams{PageID: w.pageID, Resolution: how, Why: why, EventIds: eventIDs(events)}
	for _, e := range events {
		params.Ids = append(params.Ids, r.Letters[e.Record.Index].ID)
	}
	return w.q.DeadLetterResolve(ctx, params)
}

// parkAgain stores in the dead letters of the rejects why the records are rejected this time. The letters stay open. It returns
// the number of these letters.
func (w *writer) parkAgain(ctx context.Context, r domain.ReplayBatch, rejects []domain.Reject) (int64, error) {
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
