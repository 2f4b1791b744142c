package domaintest

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/pawldata/pawl/internal/domain"
)

// otherwise is the n-th event of the series with another name.
func otherwise(index int, n byte, name string) domain.DecodedEvent {
	e := event(n)
	e.Name = name
	return readEvent(index, e)
}

func conflicts(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	within := page(at.Position, 1)
	within.Events = append(within.Events, otherwise(1, 1, "second"), otherwise(2, 1, "second"), readEvent(3, event(1)))
	within.Received = 4
	later := page(at.Position, 1, 2)
	later.Events = append(later.Events, otherwise(2, 1, "second"), otherwise(3, 1, "third"), otherwise(4, 2, "second"))
	later.Received = 5
	first, err := s.Commit(ctx, batch(at, within))
	if err != nil {
		return err
	}
	if err := wantTally(first.Counts, domain.Counts{Received: 4, Inserted: 1, Duplicate: 2, Parked: 1}); err != nil {
		return err
	}
	second, err := s.Commit(ctx, batch(first.Checkpoint, later))
	if err != nil {
		return err
	}
	if err := wantTally(second.Counts, domain.Counts{Received: 5, Inserted: 1, Duplicate: 2, Parked: 2}); err != nil {
		return err
	}
	letters, err := under.Letters(ctx)
	if err != nil {
		return err
	}
	var got []string
	for _, l := range letters {
		if l.Why.Reason != domain.ReasonConflict || !strings.HasPrefix(string(l.Key), l.Why.ID.String()+" ") || l.Resolved != nil {
			return fmt.Errorf("it is no letter of a conflict: %+v", l)
		}
		got = append(got, fmt.Sprintf("%s: %s, seen %d", l.Why.ID, l.Payload, l.Seen))
	}
	one, two := event(1).ID.String(), event(2).ID.String()
	wanted := []string{one + ": record 1: second, seen 3", one + ": record 3: third, seen 1", two + ": record 4: second, seen 1"}
	if !reflect.DeepEqual(got, wanted) {
		return fmt.Errorf("letters %q, want %q", got, wanted)
	}
	return stored(ctx, under, 1, 2)
}

func refusedIsParked(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	p := page(at.Position, 1, 2, 3, 4, 5)
	p.Events[2].Name, p.Events[4].Name = "a NUL \x00 no text column takes", "\x00"
	p.Events[3] = readEvent(3, event(1))
	res, err := s.Commit(ctx, batch(at, p))
	if err != nil {
		return err
	}
	if err := wantTally(res.Counts, domain.Counts{Received: 5, Inserted: 2, Duplicate: 1, Parked: 2}); err != nil {
		return err
	}
	refused := func(index int) want {
		return want{keyOf(asReject(p.Events[index])), domain.ReasonUnstorable, string(p.Events[index].Record.Payload), index, 1, ""}
	}
	if err := parked(ctx, under, refused(2), refused(4)); err != nil {
		return err
	}
	if _, err := s.Commit(ctx, batch(res.Checkpoint, page(res.Checkpoint.Position, 4))); err != nil { // the store goes on
		return err
	}
	return stored(ctx, under, 1, 2, 4)
}

// refusedAgain: what the database refuses is found where its id is stored, too, and where a store expects nothing new.
func refusedAgain(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	refused := page(at.Position, 1, 2, 3)
	refused.Events[1].Name = "\x00"
	last, err := commits(ctx, s, at, page(at.Position, 1, 2), page(at.Position, 1, 2), refused)
	if err != nil {
		return err
	}
	if err := wantTally(last.Counts, domain.Counts{Received: 3, Inserted: 1, Duplicate: 1, Parked: 1}); err != nil {
		return err
	}
	payload := string(refused.Events[1].Record.Payload)
	if err := parked(ctx, under, want{keyOf(asReject(refused.Events[1])), domain.ReasonUnstorable, payload, 1, 1, ""}); err != nil {
		return err
	}
	return stored(ctx, under, 1, 2, 3)
}

// asReject returns an event as a store parks it that refuses it.
func asReject(e domain.DecodedEvent) domain.Reject {
	return domain.Reject{Record: e.Record, Why: domain.Rejection{ID: e.ID}}
}

func allRefused(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
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
	if err := wantTally(res.Counts, domain.Counts{Received: 3, Parked: 3}); err != nil {
		return err
	}
	return stored(ctx, under)
}

// superseded: an event that comes as it should be, be it stored now or before, is what its letter waited for. A conflict
// is about other values, which come no nearer to being stored.
func superseded(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	conflict := page(at.Position, 2)
	conflict.Events = append(conflict.Events, otherwise(1, 2, "other"))
	conflict.Received = 2
	_, err = commits(ctx, s, at,
		withRejects(conflict, reject(2, 1, "not stored"), reject(3, 3, "never came")),
		withRejects(page(at.Position, 1), reject(1, 2, "stored before")),
		withRejects(page(at.Position, 4, 2), reject(2, 4, "in the same page")),
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
		return fmt.Errorf("letters are %v, want %v", got, wanted)
	}
	return stored(ctx, under, 1, 2, 4)
}

func supersededInBatch(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	r := reject(0, 1, "not yet")
	if _, err := s.Commit(ctx, batch(at, withRejects(page(at.Position), r), page(at.NextPass(), 1))); err != nil {
		return err
	}
	return parked(ctx, under, want{keyOf(r), r.Why.Reason, "not yet", 0, 1, domain.ResolvedAsSuperseded})
}

// supersededByLaterRunner: what is open stands in the database, not in the memory of the runner that parked it.
func supersededByLaterRunner(ctx context.Context, under StoreUnderTest) error {
	first, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	r := reject(0, 1, "not yet")
	if _, err := first.Commit(ctx, batch(at, withRejects(page(at.Position), r))); err != nil {
		return err
	}
	if err := under.Sever(ctx, first); err != nil {
		return err
	}
	second, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	if _, err := second.Commit(ctx, batch(at, page(at.NextPass(), 1))); err != nil {
		return err
	}
	return parked(ctx, under, want{keyOf(r), r.Why.Reason, "not yet", 0, 1, domain.ResolvedAsSuperseded})
}
