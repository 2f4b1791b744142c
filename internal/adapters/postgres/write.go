package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A writer writes what one ledger row tells of, in a transaction that holds the stream's checkpoint.
type writer struct {
	tx           pgx.Tx
	q            *dbsqlc.Queries
	stream       string
	pageID       int64
	bisecting    bool         // finds the events that the database refuses; else one of them is an Unstorable error
	progress     func()       // renews the transaction's time limit
	likelyStored bool         // the events are likely to be stored already
	mayHaveOpen  bool         // there may be an open letter that an event supersedes
	limit        *rejectLimit // of the page that is written; nil for none
}

// writePage stores a page's events and parks the rest of its records, and counts each term of I5 by itself: received
// from the page, the others from the database's answers.
func (w *writer) writePage(ctx context.Context, page domain.DecodedPage) (domain.Counts, error) {
	w.limit = newRejectLimit(w, page)
	stored, err := w.store(ctx, page.Events)
	if err != nil {
		return domain.Counts{}, err
	}
	letters := slices.Concat(page.Rejects, stored.refused, stored.conflicts)
	slices.SortFunc(letters, func(a, b domain.Reject) int { return a.Record.Index - b.Record.Index })
	parked, err := w.park(ctx, page, letters)
	if err != nil {
		return domain.Counts{}, err
	}
	if err := page.CheckRejectRatio(parked.now); err != nil {
		return domain.Counts{}, err
	}
	if w.mayHaveOpen || len(parked.now) > 0 {
		if err := w.supersede(ctx, page.Events, stored.refused); err != nil {
			return domain.Counts{}, err
		}
	}
	tally := domain.Counts{
		Received: int64(page.Received), Inserted: stored.inserted, Duplicate: int64(len(stored.same)) + parked.before,
		Parked: int64(len(parked.now)),
	}
	return tally, balanced(tally)
}

// balanced refuses to commit what does not add up: a record was lost on the way, and that is a bug.
func balanced(t domain.Counts) error {
	if t.Balanced() {
		return nil
	}
	return unbalanced("%+v", t)
}

func unbalanced(format string, args ...any) error {
	return &domain.Error{
		Kind: domain.Unknown, Op: "count page", Err: fmt.Errorf("the page does not add up (I5): "+format, args...),
	}
}

// A storing is what became of events. Those that are none of these are lost, which shows when the page is counted.
type storing struct {
	inserted  int64                 // how many were not stored yet
	same      []domain.DecodedEvent // stored already, with the same values
	refused   []domain.Reject       // the database refuses a value of theirs
	conflicts []domain.Reject       // stored already, with other values
}

// store inserts what is not stored yet and compares what is. A page that is likely to hold stored events is looked
// through for them first, so that each event is sent to the server once; whatever the guess, the result is the same.
func (w *writer) store(ctx context.Context, events []domain.DecodedEvent) (s storing, err error) {
	var met []domain.DecodedEvent
	fresh := events
	if w.likelyStored {
		if met, fresh, err = w.apart(ctx, events); err != nil {
			return s, err
		}
	}
	if err := w.insertEvents(ctx, fresh, &s); err != nil {
		return s, err
	}
	if s.inserted+int64(len(s.refused)) < int64(len(fresh)) {
		late, _, err := w.apart(ctx, without(fresh, s.refused))
		if err != nil {
			return s, err
		}
		met = append(met, late...)
	}
	err = w.compareEvents(ctx, met, &s)
	return s, err
}

// insertEvents inserts events, as many with one statement as fit. With bisecting it isolates the events that PostgreSQL
// refuses.
func (w *writer) insertEvents(ctx context.Context, events []domain.DecodedEvent, s *storing) (err error) {
	if !w.bisecting {
		for run := range chunked(events, sizeOf) {
			inserted, err := w.q.EventInsertMany(ctx, toColumns(w.pageID, run))
			if err != nil {
				return classifyRow(err)
			}
			w.progress()
			s.inserted += inserted
		}
		return nil
	}
	b := bisection{conn: w.tx.Conn(), statement: insertStatement(w.pageID), progress: w.progress, limit: w.limit}
	s.inserted, err = b.insert(ctx, events)
	s.refused = b.refused
	return err
}

// compareEvents tells stored events that have the same values from those that have others. One that the database
// refuses may have a stored id all the same.
func (w *writer) compareEvents(ctx context.Context, events []domain.DecodedEvent, s *storing) (err error) {
	b := bisection{conn: w.tx.Conn(), statement: compareStatement, progress: w.progress, limit: w.limit, refused: s.refused}
	if w.bisecting {
		if events, err = b.accepted(ctx, events); err != nil {
			return err
		}
		s.refused = b.refused
	}
	others, err := compare(ctx, w.q, events)
	if err != nil {
		return err
	}
	for _, u := range others {
		s.conflicts = append(s.conflicts, u.conflict())
	}
	s.same = without(events, s.conflicts)
	return nil
}

// without returns the events that were not rejected.
func without(events []domain.DecodedEvent, rejects []domain.Reject) []domain.DecodedEvent {
	if len(rejects) == 0 {
		return events
	}
	rejected := make(map[int]bool, len(rejects)) // by place in the page
	for _, r := range rejects {
		rejected[r.Record.Index] = true
	}
	return slices.DeleteFunc(slices.Clone(events), func(e domain.DecodedEvent) bool { return rejected[e.Record.Index] })
}

// apart tells the events that are stored, and not by this page, from the others.
func (w *writer) apart(ctx context.Context, events []domain.DecodedEvent) (met, others []domain.DecodedEvent, err error) {
	places, err := w.q.EventFindStored(ctx, dbsqlc.EventFindStoredParams{PageID: w.pageID, Ids: idsOf(events)})
	if err != nil {
		return nil, nil, err
	}
	for i, e := range events {
		if len(places) > 0 && places[0] == int64(i+1) {
			places = places[1:]
			met = append(met, e)
		} else {
			others = append(others, e)
		}
	}
	return met, others, nil
}
