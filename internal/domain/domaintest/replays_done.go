package domaintest

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/pawldata/pawl/internal/domain"
)

// eachFindsItsEnd replays letters of every kind at once.
func eachFindsItsEnd(ctx context.Context, under ReplayUnderTest) error {
	_, at, err := parkedAs(ctx, under, "fresh", "fresh again", "stored before", "other values", "refused", "bad", "has an id now")
	if err != nil {
		return err
	}
	nul := event(5)
	nul.Name = "\x00"
	again, err := readAgain(ctx, under, verdicts{
		"fresh": becomes(event(3)), "fresh again": becomes(event(3)), "stored before": becomes(event(1)),
		"other values": becomes(otherwise(0, 2, "other").Event), "refused": becomes(nul),
		"bad": {reason: "other"}, "has an id now": {reason: "other", id: event(9).ID},
	})
	if err != nil {
		return err
	}
	res, err := under.Replays.Replay(ctx, again)
	if err != nil {
		return err
	}
	want := domain.Counts{Received: 7, Inserted: 1, Duplicate: 2, Parked: 4}
	if err := wantTally(res.Counts, want); err != nil {
		return err
	}
	reasons := map[string]int64{domain.ReasonConflict: 1, domain.ReasonUnstorable: 1, "other": 2}
	if !reflect.DeepEqual(res.Again, reasons) {
		return fmt.Errorf("parked again are %v, want %v", res.Again, reasons)
	}
	rows, err := under.Ledger(ctx)
	if err != nil {
		return err
	}
	row := LedgerRow{Kind: "replay", Stream: at.Stream.String(), Pass: at.Pass, Seq: at.Seq, Position: at.Offset, Tally: want}
	if len(rows) != 2 || rows[1] != row || res.PageID == 0 {
		return fmt.Errorf("the ledger holds %+v, want %+v at its end", rows, row)
	}
	for payload, end := range map[string]struct {
		how, reason string
		id          domain.EventID
	}{
		"fresh":         {domain.ResolvedByReplay, "bad timestamp", event(3).ID},
		"fresh again":   {domain.ResolvedAsDuplicate, "bad timestamp", event(3).ID},
		"stored before": {domain.ResolvedAsDuplicate, "bad timestamp", event(1).ID},
		"other values":  {"", domain.ReasonConflict, event(2).ID},
		"refused":       {"", domain.ReasonUnstorable, event(5).ID},
		"bad":           {"", "other", domain.EventID{}},
		"has an id now": {"", "other", event(9).ID},
	} {
		l, err := letterWith(ctx, under, payload)
		if err != nil {
			return err
		}
		key := keyOf(domain.Reject{Record: domain.Record{Payload: l.Payload}})
		if l.Why.Reason != end.reason || l.Why.ID != end.id || l.Why.Detail == "" || l.Key != key || l.Replays != 1 || l.Seen != 1 {
			return fmt.Errorf("of %q is written %+v, want %+v", payload, l, end)
		}
		if err := resolvedBy(l, end.how, res.PageID); err != nil {
			return fmt.Errorf("%q: %w", payload, err)
		}
	}
	return stored(ctx, under.StoreUnderTest, 1, 2, 3)
}

func letterWith(ctx context.Context, under ReplayUnderTest, payload string) (domain.DeadLetter, error) {
	letters, err := under.Letters(ctx)
	for _, l := range letters {
		if string(l.Payload) == payload {
			return l, err
		}
	}
	return domain.DeadLetter{}, errors.Join(err, fmt.Errorf("there is no letter %q", payload))
}

func resolvedBy(l domain.DeadLetter, how string, pageID int64) error {
	switch r := l.Resolved; {
	case how == "" && r == nil:
		return nil
	case how == "" || r == nil || r.How != how || r.PageID != pageID || r.Why == "" || r.At.IsZero():
		return fmt.Errorf("it is resolved by %+v, want %q by %d", r, how, pageID)
	}
	return nil
}

func replayedOnce(ctx context.Context, under ReplayUnderTest) error {
	if _, _, err := parkedAs(ctx, under, "a", "b"); err != nil {
		return err
	}
	again, err := readAgain(ctx, under, verdicts{"a": becomes(event(3)), "b": becomes(event(4))})
	if err != nil {
		return err
	}
	if _, err := under.Replays.Replay(ctx, again); err != nil {
		return err
	}
	res, err := under.Replays.Replay(ctx, again)
	if err != nil {
		return err
	}
	if res.PageID != 0 || res.Counts != (domain.Counts{}) {
		return fmt.Errorf("replayed again: %+v", res)
	}
	rows, err := under.Ledger(ctx)
	if err != nil || len(rows) != 2 {
		return fmt.Errorf("%d rows in the ledger: %w", len(rows), err)
	}
	return stored(ctx, under.StoreUnderTest, 1, 2, 3, 4)
}

func resolvedMeanwhile(ctx context.Context, under ReplayUnderTest) error {
	if _, _, err := parkedAs(ctx, under, "a", "b", "c"); err != nil {
		return err
	}
	all, err := readAgain(ctx, under, verdicts{"a": {reason: "other"}, "b": becomes(event(4)), "c": becomes(event(5))})
	if err != nil {
		return err
	}
	if _, err := under.Replays.Replay(ctx, all.Only([]int64{all.Letters[1].ID})); err != nil {
		return err
	}
	res, err := under.Replays.Replay(ctx, all)
	if err != nil {
		return err
	}
	if err := wantTally(res.Counts, domain.Counts{Received: 2, Inserted: 1, Parked: 1}); err != nil {
		return err
	}
	b, err := letterWith(ctx, under, "b")
	if err != nil || b.Replays != 1 {
		return fmt.Errorf("the letter that was resolved meanwhile is %+v: %w", b, err)
	}
	return stored(ctx, under.StoreUnderTest, 1, 2, 4, 5)
}

// storedMeanwhile: between reading and storing, a run brings the events of three letters, and with it supersedes the one
// whose id it could tell.
func storedMeanwhile(ctx context.Context, under ReplayUnderTest) error {
	s, at, err := parkedAs(ctx, under, "same", "other values")
	if err != nil {
		return err
	}
	parked, err := s.Commit(ctx, batch(at, withRejects(page(at.Position), reject(0, 4, "known by its id"))))
	if err != nil {
		return err
	}
	again, err := readAgain(ctx, under, verdicts{
		"same": becomes(event(3)), "known by its id": becomes(event(4)), "other values": becomes(otherwise(0, 5, "other").Event),
	})
	if err != nil {
		return err
	}
	if _, err := s.Commit(ctx, batch(parked.Checkpoint, page(parked.Checkpoint.Position, 3, 4, 5))); err != nil {
		return err
	}
	res, err := under.Replays.Replay(ctx, again)
	if err != nil {
		return err
	}
	if err := wantTally(res.Counts, domain.Counts{Received: 2, Duplicate: 1, Parked: 1}); err != nil {
		return err
	}
	l, err := letterWith(ctx, under, "known by its id")
	if err != nil || l.Resolved == nil || l.Resolved.How != domain.ResolvedAsSuperseded || l.Replays != 0 {
		return fmt.Errorf("the letter that was superseded is %+v: %w", l, err)
	}
	return stored(ctx, under.StoreUnderTest, 1, 2, 3, 4, 5)
}

func runIsNotDisturbed(ctx context.Context, under ReplayUnderTest) error {
	s, at, err := parkedAs(ctx, under, "a")
	if err != nil {
		return err
	}
	again, err := readAgain(ctx, under, verdicts{"a": becomes(event(3))})
	if err != nil {
		return err
	}
	if _, err := under.Replays.Replay(ctx, again); err != nil {
		return err
	}
	durable, err := s.Checkpoint(ctx, at.Stream)
	if err != nil || !reflect.DeepEqual(durable, at) {
		return fmt.Errorf("the checkpoint was %+v and is %+v: %w", at, durable, err)
	}
	res, err := s.Commit(ctx, batch(at, page(at.Position, 3, 4)))
	if err != nil {
		return err
	}
	if err := wantTally(res.Counts, domain.Counts{Received: 2, Inserted: 1, Duplicate: 1}); err != nil {
		return err
	}
	return stored(ctx, under.StoreUnderTest, 1, 2, 3, 4)
}
