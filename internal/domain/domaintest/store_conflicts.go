package domaintest

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/pawldata/pawl/internal/domain"
)

// renamedEvent returns the n-th event of the series with another name.
func renamedEvent(index int, n byte, name string) domain.DecodedEvent {
	e := event(n)
	e.Name = name
	return newDecodedEvent(index, e)
}

func checkConflicts(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	within := page(at.Position, 1)
	within.Events = append(within.Events, renamedEvent(1, 1, "second"), renamedEvent(2, 1, "second"), newDecodedEvent(3, event(1)))
	within.Received = 4
	later := page(at.Position, 1, 2)
	later.Events = append(later.Events, renamedEvent(2, 1, "second"), renamedEvent(3, 1, "third"), renamedEvent(4, 2, "second"))
	later.Received = 5
	first, err := s.Commit(ctx, batch(at, within))
	if err != nil {
		return err
	}
	if err := wantCounts(first.Counts, domain.Counts{Received: 4, Inserted: 1, Duplicate: 2, Parked: 1}); err != nil {
		return err
	}
	second, err := s.Commit(ctx, batch(first.Checkpoint, later))
	if err != nil {
		return err
	}
	if err := wantCounts(second.Counts, domain.Counts{Received: 5, Inserted: 1, Duplicate: 2, Parked: 2}); err != nil {
		return err
	}
	letters, err := under.Letters(ctx)
	if err != nil {
		return err
	}
	var got []string
	for _, l := range letters {
		if l.Why.Reason != domain.ReasonConflict || !strings.HasPrefix(string(l.Key), l.Why.ID.String()+" ") || l.Resolved != nil {
			return fmt.Errorf("got %+v, want an open conflict", l)
		}
		got = append(got, fmt.Sprintf("%s: %s, seen %d", l.Why.ID, l.Payload, l.Seen))
	}
	one, two := event(1).ID.String(), event(2).ID.String()
	wanted := []string{one + ": record 1: second, seen 3", one + ": record 3: third, seen 1", two + ": record 4: second, seen 1"}
	if !reflect.DeepEqual(got, wanted) {
		return fmt.Errorf("got dead letters %q, want %q", got, wanted)
	}
	return wantStored(ctx, under, 1, 2)
}

func checkUnstorableEvent(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	p := page(at.Position, 1, 2, 3, 4, 5)
	p.Events[2].Name, p.Events[4].Name = "a NUL \x00 no text column takes", "\x00"
	p.Events[3] = newDecodedEvent(3, event(1))
	res, err := s.Commit(ctx, batch(at, p))
	if err != nil {
		return err
	}
	if err := wantCounts(res.Counts, domain.Counts{Received: 5, Inserted: 2, Duplicate: 1, Parked: 2}); err != nil {
		return err
	}
	unstorable := func(index int) wantLetter {
		return wantLetter{keyOf(rejectOf(p.Events[index])), domain.ReasonUnstorable, string(p.Events[index].Record.Payload), index, 1, ""}
	}
	if err := wantParked(ctx, under, unstorable(2), unstorable(4)); err != nil {
		return err
	}
	if _, err := s.Commit(ctx, batch(res.Checkpoint, page(res.Checkpoint.Position, 4))); err != nil { // the store can continue
		return err
	}
	return wantStored(ctx, under, 1, 2, 4)
}

// checkUnstorableDuplicate: a store must find an event that the database refuses also if its id is stored, and if the store
// expects only duplicates.
func checkUnstorableDuplicate(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	refused := page(at.Position, 1, 2, 3)
	refused.Events[1].Name = "\x00"
	last, err := commitEach(ctx, s, at, page(at.Position, 1, 2), page(at.Position, 1, 2), refused)
	if err != nil {
		return err
	}
	if err := wantCounts(last.Counts, domain.Counts{Received: 3, Inserted: 1, Duplicate: 1, Parked: 1}); err != nil {
		return err
	}
	payload := string(refused.Events[1].Record.Payload)
	if err := wantParked(ctx, under, wantLetter{keyOf(rejectOf(refused.Events[1])), domain.ReasonUnstorable, payload, 1, 1, ""}); err != nil {
		return err
	}
	return wantStored(ctx, under, 1, 2, 3)
}

// rejectOf returns the reject of an event that the database refuses.
func rejectOf(e domain.DecodedEvent) domain.Reject {
	return domain.Reject{Record: e.Record, Why: domain.Rejection{ID: e.ID}}
}

func checkAllUnstorable(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	p := page(at.Position, 1, 2, 3)
	for i := range p.Events {
		p.Events[i].Type = "\x00"
	}
	res, err := s.Commit(ctx, batch(at, p))
	if err != nil {
		return err
	}
	if err := wantCounts(res.Counts, domain.Counts{Received: 3, Parked: 3}); err != nil {
		return err
	}
	return wantStored(ctx, under)
}

// checkSuperseded: an event that arrives without an error supersedes its dead letter, also if it was stored before. A
// conflict stays open: its other values are still not stored.
func checkSuperseded(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	conflict := page(at.Position, 2)
	conflict.Events = append(conflict.Events, renamedEvent(1, 2, "other"))
	conflict.Received = 2
	_, err = commitEach(ctx, s, at,
		addRejects(conflict, reject(2, 1, "not stored"), reject(3, 3, "never came")),
		addRejects(page(at.Position, 1), reject(1, 2, "stored before")),
		addRejects(page(at.Position, 4, 2), reject(2, 4, "in the same page")),
	)
	if err != nil {
		return err
	}
	letters, err := under.Letters(ctx)
	if err != nil {
		return err
	}
	got := map[string]string{}
	for _, l := range letters {
		how := "open"
		if l.Resolved != nil {
			how = l.Resolved.How
		}
		got[string(l.Payload)] = how
	}
	wanted := map[string]string{
		"record 1: other": "open", "not stored": domain.ResolvedAsSuperseded, "stored before": domain.ResolvedAsSuperseded,
		"never came": "open", "in the same page": domain.ResolvedAsSuperseded,
	}
	if !reflect.DeepEqual(got, wanted) {
		return fmt.Errorf("got dead letters %v, want %v", got, wanted)
	}
	return wantStored(ctx, under, 1, 2, 4)
}

func checkSupersededInBatch(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	r := reject(0, 1, "not yet")
	if _, err := s.Commit(ctx, batch(at, addRejects(page(at.Position), r), page(at.NextPass(), 1))); err != nil {
		return err
	}
	return wantParked(ctx, under, wantLetter{keyOf(r), r.Why.Reason, "not yet", 0, 1, domain.ResolvedAsSuperseded})
}

// checkSupersededByLaterRunner: a runner must also know the open dead letters of earlier runners.
func checkSupersededByLaterRunner(ctx context.Context, under StoreUnderTest) error {
	first, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	r := reject(0, 1, "not yet")
	if _, err := first.Commit(ctx, batch(at, addRejects(page(at.Position), r))); err != nil {
		return err
	}
	if err := under.Sever(ctx, first); err != nil {
		return err
	}
	second, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	if _, err := second.Commit(ctx, batch(at, page(at.NextPass(), 1))); err != nil {
		return err
	}
	return wantParked(ctx, under, wantLetter{keyOf(r), r.Why.Reason, "not yet", 0, 1, domain.ResolvedAsSuperseded})
}
