package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// writeOptions choose how events are written. They do not change what is stored.
type writeOptions struct {
	// expectDuplicates looks up the stored events before the insert, so that each event is sent to the server once. Without
	// it, all events are inserted first, and those that were not inserted are sent again.
	expectDuplicates bool

	// bisect isolates the events that PostgreSQL refuses. Without it, one such event ends the transaction with Unstorable.
	bisect bool
}

// A writer writes the records of one ledger row, in a transaction that holds the stream's checkpoint.
type writer struct {
	writeOptions

	tx       pgx.Tx
	q        *dbsqlc.Queries
	progress func() // renews the transaction's time limit
	stream   string
	pageID   int64
}

// writePage stores a page's events and parks its other records. With mayHaveOpenLetters, or if it parks a record, it resolves
// the open dead letters of stored events. It counts each term of I5 by itself: received from the page, the others from what
// the database answers.
func (w *writer) writePage(ctx context.Context, page domain.DecodedPage, mayHaveOpenLetters bool) (domain.Counts, error) {
	stored, err := w.storeEvents(ctx, page.Events, &rejectLimit{writer: w, page: page})
	if err != nil {
		return domain.Counts{}, err
	}
	rejects := slices.Concat(page.Rejects, stored.unstorable, stored.conflicts)
	sortByIndex(rejects)
	parked, err := w.park(ctx, page, rejects)
	if err != nil {
		return domain.Counts{}, err
	}
	if err := page.CheckRejectRatio(slices.Concat(parked.parked, parked.surplus)); err != nil {
		return domain.Counts{}, err
	}
	if mayHaveOpenLetters || len(parked.parked) > 0 {
		if err := w.supersede(ctx, excludeRejected(page.Events, stored.unstorable)); err != nil {
			return domain.Counts{}, err
		}
	}
	counts := domain.Counts{
		Received: int64(page.Received), Inserted: stored.inserted,
		Duplicate: int64(len(stored.duplicates)) + parked.seenBefore, Parked: int64(len(parked.parked)),
	}
	return counts, checkBalance(counts)
}

// checkBalance returns an error if the counts do not add up. Then a record was lost, which is a bug, and must not be
// committed.
func checkBalance(c domain.Counts) error {
	if c.Balanced() {
		return nil
	}
	return balanceError("%+v", c)
}

func balanceError(format string, args ...any) error {
	return &domain.Error{
		Kind: domain.Unknown, Op: "count page", Err: fmt.Errorf("the page does not add up (I5): "+format, args...),
	}
}

// An insertResult says what happened to events. An event that is in none of its parts is lost, which checkBalance finds.
type insertResult struct {
	inserted   int64                 // number of events that were not stored yet
	duplicates []domain.DecodedEvent // stored already, with the same values
	unstorable []domain.Reject       // PostgreSQL refuses one of their values
	conflicts  []domain.Reject       // stored already, with other values
}

// storeEvents inserts the events that are not stored yet, and compares the others with their rows. limit may end it early
// with TooManyRejects; nil sets no limit.
func (w *writer) storeEvents(ctx context.Context, events []domain.DecodedEvent, limit *rejectLimit) (insertResult, error) {
	var stored []domain.DecodedEvent
	var err error
	fresh := events
	if w.expectDuplicates {
		if stored, fresh, err = w.splitStored(ctx, events); err != nil {
			return insertResult{}, err
		}
	}
	inserted, unstorable, err := w.insertEvents(ctx, fresh, limit)
	if err != nil {
		return insertResult{}, err
	}
	if inserted+int64(len(unstorable)) < int64(len(fresh)) {
		notInserted, _, err := w.splitStored(ctx, excludeRejected(fresh, unstorable))
		if err != nil {
			return insertResult{}, err
		}
		stored = append(stored, notInserted...)
	}
	res, err := w.compareEvents(ctx, stored, unstorable, limit)
	res.inserted = inserted
	return res, err
}

// splitStored splits the events into those that are stored, by another page or by an earlier event of this one, and the
// others. Both are in order.
func (w *writer) splitStored(ctx context.Context, events []domain.DecodedEvent) (stored, others []domain.DecodedEvent, err error) {
	places, err := w.q.EventFindStored(ctx, dbsqlc.EventFindStoredParams{PageID: w.pageID, Ids: eventIDs(events)})
	if err != nil {
		return nil, nil, err
	}
	for i, e := range events {
		if len(places) > 0 && places[0] == int64(i+1) {
			places = places[1:]
			stored = append(stored, e)
		} else {
			others = append(others, e)
		}
	}
	return stored, others, nil
}

// insertEvents inserts the events that are not stored yet, with as few statements as their size allows, and returns their
// number. With bisect it also returns the events that PostgreSQL refuses.
func (w *writer) insertEvents(
	ctx context.Context, events []domain.DecodedEvent, limit *rejectLimit,
) (inserted int64, unstorable []domain.Reject, err error) {
	if w.bisect {
		b := bisection{conn: w.tx.Conn(), statement: insertStatement(w.pageID), progress: w.progress, limit: limit}
		inserted, err = b.insert(ctx, events)
		return inserted, b.refused, err
	}
	for chunk := range chunkBySize(events, eventSize) {
		n, err := w.q.EventInsertMany(ctx, toColumns(w.pageID, chunk))
		if err != nil {
			return 0, nil, conn.ClassifyRow(err)
		}
		w.progress()
		inserted += n
	}
	return inserted, nil, nil
}

// compareEvents compares stored events with their rows: one with the same values is a duplicate, another one a conflict. With
// bisect it adds the events that PostgreSQL refuses to unstorable, because such an event may have a stored id too.
func (w *writer) compareEvents(
	ctx context.Context, events []domain.DecodedEvent, unstorable []domain.Reject, limit *rejectLimit,
) (insertResult, error) {
	if w.bisect {
		b := bisection{conn: w.tx.Conn(), statement: compareStatement, progress: w.progress, limit: limit, refused: unstorable}
		var err error
		if events, err = b.findAccepted(ctx, events); err != nil {
			return insertResult{}, err
		}
		unstorable = b.refused
	}
	mismatches, err := findMismatches(ctx, w.q, events)
	if err != nil {
		return insertResult{}, err
	}
	var conflicts []domain.Reject
	for _, m := range mismatches {
		conflicts = append(conflicts, m.conflict())
	}
	return insertResult{duplicates: excludeRejected(events, conflicts), unstorable: unstorable, conflicts: conflicts}, nil
}

// excludeRejected returns the events whose records are not among the rejects.
func excludeRejected(events []domain.DecodedEvent, rejects []domain.Reject) []domain.DecodedEvent {
	if len(rejects) == 0 {
		return events
	}
	rejected := make(map[int]bool, len(rejects))
	for _, r := range rejects {
		rejected[r.Record.Index] = true
	}
	return excludeIndexes(events, rejected)
}

// excludeIndexes returns the events whose records have none of the indexes in the page.
func excludeIndexes(events []domain.DecodedEvent, indexes map[int]bool) []domain.DecodedEvent {
	return slices.DeleteFunc(slices.Clone(events), func(e domain.DecodedEvent) bool { return indexes[e.Record.Index] })
}
