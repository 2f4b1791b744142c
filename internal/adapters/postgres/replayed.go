package postgres

import (
	"context"
	"slices"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// writeReplay stores a replay's events and says of each letter what became of it. It counts each term of I5 by itself:
// received from the letters that are locked, inserted from the events' table, the others from the letters' own.
func (w *writer) writeReplay(ctx context.Context, r domain.Replay) (domain.Counts, map[string]int64, error) {
	tally := domain.Counts{Received: int64(len(r.Letters))}
	stored, err := w.store(ctx, r.Events)
	if err != nil {
		return tally, nil, err
	}
	tally.Inserted = stored.inserted
	fresh := without(r.Events, slices.Concat(stored.refused, stored.conflicts, rejectsOf(stored.same)))
	resolved, err := w.resolve(ctx, r, fresh, domain.ResolvedByReplay, "a replay stored its event")
	if err != nil {
		return tally, nil, err
	}
	if tally.Duplicate, err = w.resolve(ctx, r, stored.same, domain.ResolvedAsDuplicate, "a replay found its event stored, with the same values"); err != nil {
		return tally, nil, err
	}
	again := slices.Concat(r.Rejects, stored.refused, stored.conflicts)
	if tally.Parked, err = w.parkAgain(ctx, r, again); err != nil {
		return tally, nil, err
	}
	if resolved != stored.inserted {
		return tally, nil, unbalanced("%d letters are resolved for %d events stored", resolved, stored.inserted)
	}
	return tally, byReason(again), balanced(tally)
}

// rejectsOf is events as without takes them.
func rejectsOf(events []domain.DecodedEvent) []domain.Reject {
	rejects := make([]domain.Reject, len(events))
	for i, e := range events {
		rejects[i].Record = e.Record
	}
	return rejects
}

// resolve closes the letters of these events, and says how many these were.
func (w *writer) resolve(ctx context.Context, r domain.Replay, events []domain.DecodedEvent, how, why string) (int64, error) {
	if len(events) == 0 {
		return 0, nil
	}
	rows := dbsqlc.DeadLetterResolveParams{PageID: w.pageID, Resolution: how, Why: why, EventIds: idsOf(events)}
	for _, e := range events {
		rows.Ids = append(rows.Ids, r.Letters[e.Record.Index].ID)
	}
	return w.q.DeadLetterResolve(ctx, rows)
}

// parkAgain leaves letters open and notes what is wrong with them now, and says how many these were.
func (w *writer) parkAgain(ctx context.Context, r domain.Replay, rejects []domain.Reject) (int64, error) {
	if len(rejects) == 0 {
		return 0, nil
	}
	rows := dbsqlc.DeadLetterParkAgainParams{}
	for _, reject := range rejects {
		rows.Ids = append(rows.Ids, r.Letters[reject.Record.Index].ID)
		rows.Reasons = append(rows.Reasons, reject.Why.Reason)
		rows.Fields = append(rows.Fields, storable(reject.Why.Field))
		rows.Details = append(rows.Details, storable(reject.Why.Detail))
		rows.EventIds = append(rows.EventIds, reject.Why.ID)
	}
	return w.q.DeadLetterParkAgain(ctx, rows)
}

func byReason(rejects []domain.Reject) map[string]int64 {
	counts := map[string]int64{}
	for _, r := range rejects {
		counts[r.Why.Reason]++
	}
	return counts
}
