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

// writeOptions choose how events are written. They change the speed, and what happens to an event that PostgreSQL refuses.
type writeOptions struct {
	// If expectDuplicates is true, the writer looks up which ids are stored before it inserts the other events. If it is false, the
	// writer inserts all events first: INSERT then skips the stored ids, and the writer compares their events afterwards; COPY fails.
	expectDuplicates bool

	// If copy is true, a batchWriter inserts the events of all pages with one COPY, which fails with errIDStored if an id is
	// stored already. If copy is false, the events are inserted page by page with INSERT, which skips stored ids.
	copy bool

	// If bisect is true, the writer finds the events that PostgreSQL refuses, and stores the others. If bisect is false, a
	// refused event ends the transaction with Unstorable.
	bisect bool
}

// A writer writes the records of one page or one replay. Its transaction has locked the stream's checkpoint.
type writer struct {
	writeOptions

	tx       pgx.Tx
	q        *dbsqlc.Queries
	progress func() // restarts the transaction's time limit
	stream   string
	pageID   int64 // id of the ledger row
}

// writePage completes a page whose events have been stored, with the result stored. It parks the other records. If mayHaveOpenLetters
// is true or a record was parked, writePage also resolves the open dead letters of the stored events.
//
// It returns the page's counts. The number of received records comes from the page, and the other three numbers are counted while the
// records are stored and compared, and confirmed by PostgreSQL's answers. So checkBalance can find an error (I5).
func (w *writer) writePage(
	ctx context.Context, page domain.DecodedPage, stored storedEvents, mayHaveOpenLetters bool,
) (domain.Counts, error) {
	rejects := slices.Concat(page.Rejects, stored.unstorable, stored.conflicts)
	sortByIndex(rejects)
	parkRes, err := w.park(ctx, page, rejects)
	if err != nil {
		return domain.Counts{}, err
	}
	if err := page.CheckRejectRatio(slices.Concat(parkRes.parked, parkRes.surplus)); err != nil {
		return domain.Counts{}, err
	}
	if mayHaveOpenLetters || len(parkRes.parked) > 0 {
		withStoredIDs := excludeRejected(page.Events, stored.unstorable) // a conflict's id is stored, too
		if err := w.supersede(ctx, withStoredIDs); err != nil {
			return domain.Counts{}, err
		}
	}
	counts := domain.Counts{
		Received:  int64(page.Received),
		Inserted:  stored.inserted,
		Duplicate: stored.duplicate + parkRes.seenBefore,
		Parked:    int64(len(parkRes.parked)),
	}
	return counts, checkBalance(counts)
}

// A storedEvents says what happened to the events of a page.
type storedEvents struct {
	inserted   int64           // number of new events
	duplicate  int64           // number of events that were stored already, with the same values
	unstorable []domain.Reject // events with a value that PostgreSQL refuses
	conflicts  []domain.Reject // events that were stored already, with other values
}

// checkBalance returns an error if the counts do not add up (I5). Then pawl has a bug that lost a record or counted one twice,
// and the transaction must not be committed.
func checkBalance(counts domain.Counts) error {
	if counts.Balanced() {
		return nil
	}
	return balanceError("%+v", counts)
}

// balanceError returns the error for counts that do not add up. format and args describe them.
func balanceError(format string, args ...any) error {
	return &domain.Error{
		Kind: domain.Unknown, Code: domain.CodeBug, Op: "count records", Err: fmt.Errorf("the counts do not add up (I5): "+format, args...),
	}
}

// An insertResult says what happened to events. Each event is in one of its fields.
type insertResult struct {
	inserted   int64                 // number of new events
	duplicates []domain.DecodedEvent // events that were stored already, with the same values
	unstorable []domain.Reject       // events with a value that PostgreSQL refuses
	conflicts  []domain.Reject       // events that were stored already, with other values
}

// count returns the result as storedEvents, which have the number of duplicates instead of the duplicates.
func (r insertResult) count() storedEvents {
	return storedEvents{
		inserted: r.inserted, duplicate: int64(len(r.duplicates)), unstorable: r.unstorable, conflicts: r.conflicts,
	}
}

// storeEvents inserts the new events, and compares the others with their rows. If limit is not nil, storeEvents may end early
// with TooManyRejects.
func (w *writer) storeEvents(ctx context.Context, events []domain.DecodedEvent, limit *rejectLimit) (insertResult, error) {
	var stored []domain.DecodedEvent
	var err error
	toInsert := events
	if w.expectDuplicates {
		if stored, toInsert, err = w.splitStored(ctx, events); err != nil {
			return insertResult{}, err
		}
	}
	inserted, unstorable, err := w.insertEvents(ctx, toInsert, limit)
	if err != nil {
		return insertResult{}, err
	}
	if inserted+int64(len(unstorable)) < int64(len(toInsert)) { // some were stored already
		notInserted, _, err := w.splitStored(ctx, excludeRejected(toInsert, unstorable))
		if err != nil {
			return insertResult{}, err
		}
		stored = append(stored, notInserted...)
	}
	res, err := w.compareEvents(ctx, stored, unstorable, limit)
	res.inserted = inserted
	return res, err
}

// splitStored splits the events into two groups, both in input order:
//   - stored: another page has stored the event's id, or an earlier one of the events has the same id and is stored
//   - others: the id is not stored, or this page has inserted the event
func (w *writer) splitStored(ctx context.Context, events []domain.DecodedEvent) (stored, others []domain.DecodedEvent, err error) {
	places, err := w.q.EventFindStored(ctx, dbsqlc.EventFindStoredParams{PageID: w.pageID, Ids: eventIDs(events)})
	if err != nil {
		return nil, nil, err
	}
	isStored := make([]bool, len(events))
	for _, place := range places { // places count from 1
		isStored[place-1] = true
	}
	for i, e := range events {
		if isStored[i] {
			stored = append(stored, e)
		} else {
			others = append(others, e)
		}
	}
	return stored, others, nil
}

// insertEvents inserts the events that are not stored yet, with as few statements as their size allows. It returns the number of
// inserted events. If PostgreSQL refuses a value, the error is Unstorable. With bisect there is no error, and insertEvents returns
// the refused events as unstorable.
func (w *writer) insertEvents(
	ctx context.Context, events []domain.DecodedEvent, limit *rejectLimit,
) (inserted int64, unstorable []domain.Reject, err error) {
	if w.bisect {
		b := bisection{conn: w.tx.Conn(), makeStatement: insertStatement(w.pageID), progress: w.progress, limit: limit}
		inserted, err = b.insert(ctx, events)
		return inserted, b.refused, err
	}
	for chunk := range chunkBySize(events, eventSize) {
		added, err := w.q.EventInsertMany(ctx, toColumns(w.pageID, chunk))
		if err != nil {
			return 0, nil, conn.ClassifyRow(err)
		}
		w.progress()
		inserted += added
	}
	return inserted, nil, nil
}

// compareEvents compares stored events with their rows. An event with the same values is a duplicate, and an event with other
// values is a conflict.
//
// PostgreSQL may refuse a value of an event even if the event's id is stored. With bisect, compareEvents finds these events. The
// result has them and the given unstorable events, which were refused before.
func (w *writer) compareEvents(
	ctx context.Context, events []domain.DecodedEvent, unstorable []domain.Reject, limit *rejectLimit,
) (insertResult, error) {
	if w.bisect {
		b := bisection{conn: w.tx.Conn(), makeStatement: compareStatement, progress: w.progress, limit: limit, refused: unstorable}
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

// excludeRejected returns the events that are not among the rejects.
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

// excludeIndexes returns the events whose records' indexes are not in indexes.
func excludeIndexes(events []domain.DecodedEvent, indexes map[int]bool) []domain.DecodedEvent {
	return slices.DeleteFunc(slices.Clone(events), func(e domain.DecodedEvent) bool { return indexes[e.Record.Index] })
}
