package domaintest

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/pawldata/pawl/internal/domain"
)

// changeName returns the event with another name.
func changeName(e domain.Event, name string) domain.Event {
	e.Name = name
	return e
}

// addRenamed returns the page with one more event at its end: event n of the series, with another name.
func addRenamed(p domain.DecodedPage, n byte, name string) domain.DecodedPage {
	p.Events = append(p.Events, newDecodedEvent(p.Received, changeName(event(n), name)))
	p.Received++
	return p
}

// checkConflicts commits two pages with different versions of the events 1 and 2. The first version of each event is stored.
// Each other version is parked once, however often it is received.
func checkConflicts(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	firstPage := page(checkpoint.Position, 1)           // record 0 is inserted
	firstPage = addRenamed(firstPage, 1, "second")      // record 1 is parked
	firstPage = addRenamed(firstPage, 1, "second")      // record 2 is a duplicate of record 1
	firstPage = addRenamed(firstPage, 1, event(1).Name) // record 3 has the name of record 0 and is its duplicate
	first, err := store.Commit(ctx, batch(checkpoint, firstPage))
	if err != nil {
		return err
	}
	if err := wantCounts(first.Counts, domain.Counts{Received: 4, Inserted: 1, Duplicate: 2, Parked: 1}); err != nil {
		return fmt.Errorf("first page: %w", err)
	}
	secondPage := page(first.Checkpoint.Position, 1, 2) // record 0 is a duplicate, and record 1 is inserted
	secondPage = addRenamed(secondPage, 1, "second")    // record 2 is a duplicate of record 1 of the first page
	secondPage = addRenamed(secondPage, 1, "third")     // record 3 is parked
	secondPage = addRenamed(secondPage, 2, "second")    // record 4 is parked
	second, err := store.Commit(ctx, batch(first.Checkpoint, secondPage))
	if err != nil {
		return err
	}
	if err := wantCounts(second.Counts, domain.Counts{Received: 5, Inserted: 1, Duplicate: 2, Parked: 2}); err != nil {
		return fmt.Errorf("second page: %w", err)
	}
	letters, err := db.Letters(ctx)
	if err != nil {
		return err
	}
	var got []string
	for _, l := range letters {
		if l.Why.Reason != domain.ReasonConflict || l.Resolved != nil {
			return fmt.Errorf("got dead letter %+v, want an open conflict", l)
		}
		if id := l.Why.ID.String(); !strings.HasPrefix(string(l.Key), id+" ") {
			return fmt.Errorf("got key %q, want a key that begins with the event id %s", l.Key, id)
		}
		got = append(got, fmt.Sprintf("%s: %s, seen %d", l.Why.ID, l.Payload, l.Seen))
	}
	id1, id2 := event(1).ID.String(), event(2).ID.String()
	want := []string{ // newDecodedEvent (checks.go) makes payloads such as "record 1: second"
		id1 + ": record 1: second, seen 3",
		id1 + ": record 3: third, seen 1",
		id2 + ": record 4: second, seen 1",
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("got dead letters %q, want %q", got, want)
	}
	return wantStored(ctx, db, 1, 2)
}

// checkUnstorableEvent commits a page with two events that the database refuses and with an event that occurs twice. One of the
// refused texts has other text around refusedText. After that the store must still be able to commit.
func checkUnstorableEvent(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	p := page(checkpoint.Position, 1, 2, 3, 4, 5)
	p.Events[2].Name = "before" + refusedText + "after"
	p.Events[3] = newDecodedEvent(3, event(1)) // event 1 again
	p.Events[4].Name = refusedText
	res, err := store.Commit(ctx, batch(checkpoint, p))
	if err != nil {
		return err
	}
	if err := wantCounts(res.Counts, domain.Counts{Received: 5, Inserted: 2, Duplicate: 1, Parked: 2}); err != nil {
		return err
	}
	if err := wantParked(ctx, db,
		expectedLetter{reject: unstorableReject(p.Events[2]), seen: 1},
		expectedLetter{reject: unstorableReject(p.Events[4]), seen: 1},
	); err != nil {
		return err
	}
	if _, err := store.Commit(ctx, batch(res.Checkpoint, page(res.Checkpoint.Position, 4))); err != nil {
		return fmt.Errorf("commit after the page with refused events: %w", err)
	}
	return wantStored(ctx, db, 1, 2, 4)
}

// checkUnstorableDuplicate commits the events 1 and 2 twice, so that the store may expect only duplicates from then on. The third
// page has an event that the database refuses and whose id is stored. The store must park it and not count it as a duplicate.
func checkUnstorableDuplicate(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	third := page(checkpoint.Position, 1, 2, 3)
	third.Events[1].Name = refusedText
	last, err := commitEach(ctx, store, checkpoint, page(checkpoint.Position, 1, 2), page(checkpoint.Position, 1, 2), third)
	if err != nil {
		return err
	}
	if err := wantCounts(last.Counts, domain.Counts{Received: 3, Inserted: 1, Duplicate: 1, Parked: 1}); err != nil {
		return err
	}
	if err := wantParked(ctx, db, expectedLetter{reject: unstorableReject(third.Events[1]), seen: 1}); err != nil {
		return err
	}
	return wantStored(ctx, db, 1, 2, 3)
}

// checkAllUnstorable commits a page in which the database refuses every event.
func checkAllUnstorable(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	p := page(checkpoint.Position, 1, 2, 3)
	for i := range p.Events {
		p.Events[i].Type = refusedText
	}
	res, err := store.Commit(ctx, batch(checkpoint, p))
	if err != nil {
		return err
	}
	if err := wantCounts(res.Counts, domain.Counts{Received: 3, Parked: 3}); err != nil {
		return err
	}
	return wantNoneStored(ctx, db)
}

// checkSuperseded checks that an event supersedes its open dead letters when it is received without a fault, even if the event was
// stored before. A conflict stays open, because its values are still not stored. The payload of each reject says what happens
// to its event.
func checkSuperseded(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	firstPage := addRenamed(page(checkpoint.Position, 2), 2, "other")
	firstPage = addRejects(firstPage, reject(1, "in a later page"), reject(3, "never received"))
	_, err = commitEach(ctx, store, checkpoint,
		firstPage,
		addRejects(page(checkpoint.Position, 1), reject(2, "stored before")),
		addRejects(page(checkpoint.Position, 4, 2), reject(4, "in the same page")),
	)
	if err != nil {
		return err
	}
	letters, err := db.Letters(ctx)
	if err != nil {
		return err
	}
	got := map[string]string{} // by payload: "open", or how the dead letter was resolved
	for _, l := range letters {
		state := "open"
		if l.Resolved != nil {
			state = l.Resolved.How
		}
		got[string(l.Payload)] = state
	}
	want := map[string]string{
		"record 1: other":  "open", // the conflict of event 2
		"in a later page":  domain.ResolvedAsSuperseded,
		"stored before":    domain.ResolvedAsSuperseded,
		"never received":   "open",
		"in the same page": domain.ResolvedAsSuperseded,
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("got dead letters %v, want %v", got, want)
	}
	return wantStored(ctx, db, 1, 2, 4)
}

// checkSupersededInBatch commits a batch of two pages of two passes. In the first pass the API sends event 1 with a fault, and in
// the next pass without it. So the second page supersedes the dead letter of the first page.
func checkSupersededInBatch(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	r := reject(1, "rejected at first")
	rejected, repaired := addRejects(page(checkpoint.Position), r), page(checkpoint.NextPass(), 1)
	if _, err := store.Commit(ctx, batch(checkpoint, rejected, repaired)); err != nil {
		return err
	}
	return wantParked(ctx, db, expectedLetter{reject: r, seen: 1, resolved: domain.ResolvedAsSuperseded})
}

// checkSupersededByLaterRunner checks that a store also knows the open dead letters that an earlier runner has parked. The API sends
// event 1 with a fault in the pass of the first runner, and without it in the next pass.
func checkSupersededByLaterRunner(ctx context.Context, db StoreUnderTest) error {
	first, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	r := reject(1, "rejected at first")
	if _, err := first.Commit(ctx, batch(checkpoint, addRejects(page(checkpoint.Position), r))); err != nil {
		return err
	}
	if err := db.CutConnections(ctx, first); err != nil {
		return err
	}
	second, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	if _, err := second.Commit(ctx, batch(checkpoint, page(checkpoint.NextPass(), 1))); err != nil {
		return err
	}
	return wantParked(ctx, db, expectedLetter{reject: r, seen: 1, resolved: domain.ResolvedAsSuperseded})
}
