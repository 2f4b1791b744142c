package domaintest

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

func commitStoresEverything(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	b := batch(at, page(at.Position, 1, 2, 3))
	b.Pages[0].Events[1].Extra = []byte(`{"session": {"os": "Haiku"}}`)
	res, err := s.Commit(ctx, b)
	if err != nil {
		return err
	}
	want := domain.Counts{Received: 3, Inserted: 3}
	if err := wantTally(res.Counts, want); err != nil {
		return err
	}
	if res.Checkpoint.Seq != b.TargetSeq() || res.Checkpoint.Counts != want {
		return fmt.Errorf("the checkpoint moved to %+v", res.Checkpoint)
	}
	got, err := under.Events(ctx)
	if err != nil {
		return err
	}
	for _, e := range b.Pages[0].Events {
		if err := sameEvent(got[e.ID], e.Event); err != nil {
			return err
		}
	}
	return nil
}

func checkpointComesBack(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	p := page(at.Position, 1, 2)
	p.To = domain.Position{
		Pass: 3, Offset: 2, MaxOffset: 17, Cursor: "c2", Done: true,
		CursorExpiresAt: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
		AnnouncedFirst:  domain.Total{N: 0, Known: true}, AnnouncedLast: domain.Total{N: 2, Known: true},
	}
	res, err := s.Commit(ctx, batch(at, p))
	if err != nil {
		return err
	}
	durable, err := s.Checkpoint(ctx, at.Stream)
	if err != nil {
		return err
	}
	if durable.Position != p.To {
		return fmt.Errorf("place %+v came back as %+v", p.To, durable.Position)
	}
	if !durable.LastEventAt.Equal(event(2).OccurredAt) {
		return fmt.Errorf("the last event is of %s", durable.LastEventAt)
	}
	if !reflect.DeepEqual(durable, res.Checkpoint) {
		return fmt.Errorf("commit returned %+v, durable is %+v", res.Checkpoint, durable)
	}
	return nil
}

func emptyPageMoves(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	res, err := s.Commit(ctx, batch(at, page(at.Position)))
	if err != nil {
		return err
	}
	if res.Checkpoint.Seq != 1 || res.Counts != (domain.Counts{}) || !res.Checkpoint.LastEventAt.IsZero() {
		return fmt.Errorf("it moved to %+v", res)
	}
	return nil
}

func storedOnce(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	first, err := s.Commit(ctx, batch(at, page(at.Position, 1, 2)))
	if err != nil {
		return err
	}
	again := page(first.Checkpoint.NextPass(), 2, 3)
	second, err := s.Commit(ctx, batch(first.Checkpoint, again))
	if err != nil {
		return err
	}
	if err := wantTally(second.Counts, domain.Counts{Received: 2, Inserted: 1, Duplicate: 1}); err != nil {
		return err
	}
	if err := wantTally(second.Checkpoint.Counts, domain.Counts{Received: 4, Inserted: 3, Duplicate: 1}); err != nil {
		return err
	}
	return stored(ctx, under, 1, 2, 3)
}

func repeatedInPage(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	first, err := s.Commit(ctx, batch(at, page(at.Position, 1)))
	if err != nil {
		return err
	}
	res, err := s.Commit(ctx, batch(first.Checkpoint, page(first.Checkpoint.Position, 1, 2, 2, 1, 2)))
	if err != nil {
		return err
	}
	if err := wantTally(res.Counts, domain.Counts{Received: 5, Inserted: 1, Duplicate: 4}); err != nil {
		return err
	}
	return stored(ctx, under, 1, 2)
}

func sameBatchAgain(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	b := batch(at, page(at.Position, 1))
	res, err := s.Commit(ctx, b)
	if err != nil {
		return err
	}
	b.Pages[0].Events = append(b.Pages[0].Events, readEvent(1, event(2)))
	b.Pages[0].Received++
	_, err = s.Commit(ctx, b)
	if err := wantKind(err, domain.SetBack); err != nil {
		return err
	}
	return unmoved(ctx, under, s, res.Checkpoint, 1)
}

func wrongPlaceWritesNothing(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	for _, change := range []func(*domain.Checkpoint){
		func(c *domain.Checkpoint) { c.Seq = 7 },
		func(c *domain.Checkpoint) { c.Pass = 7 },
		func(c *domain.Checkpoint) { c.Offset = 7 },
		func(c *domain.Checkpoint) { c.Cursor = "elsewhere" },
	} {
		elsewhere := at
		change(&elsewhere)
		_, err = s.Commit(ctx, batch(elsewhere, page(at.Position, 1)))
		if err := wantKind(err, domain.SetBack); err != nil {
			return err
		}
		if err := unmoved(ctx, under, s, at); err != nil {
			return err
		}
	}
	return nil
}

func severalPages(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	one := page(at.Position, 1, 2)
	two := page(one.To, 2, 3)
	three := page(two.To)
	res, err := s.Commit(ctx, batch(at, one, two, three))
	if err != nil {
		return err
	}
	if res.Checkpoint.Seq != 3 || res.Checkpoint.Position != three.To {
		return fmt.Errorf("the checkpoint moved to %+v", res.Checkpoint)
	}
	if err := wantTally(res.Counts, domain.Counts{Received: 4, Inserted: 3, Duplicate: 1}); err != nil {
		return err
	}
	rows, err := under.Ledger(ctx)
	if err != nil {
		return err
	}
	row := func(seq int64, p domain.DecodedPage, t domain.Counts) LedgerRow {
		return LedgerRow{
			Kind: "page", Stream: at.Stream.String(), Pass: 1, Seq: seq, Position: p.To.Offset,
			ParentSeq: seq - 1, CursorIn: p.From.Cursor, CursorOut: p.To.Cursor, Tally: t, TraceID: p.Receipt.TraceID,
			IDsHash: string(p.IDsHash()),
		}
	}
	want := []LedgerRow{
		row(1, one, domain.Counts{Received: 2, Inserted: 2}),
		row(2, two, domain.Counts{Received: 2, Inserted: 1, Duplicate: 1}),
		row(3, three, domain.Counts{}),
	}
	if !reflect.DeepEqual(rows, want) {
		return fmt.Errorf("the ledger holds %+v, want %+v", rows, want)
	}
	return stored(ctx, under, 1, 2, 3)
}

// batchStaysItself: whoever gave it may give it again after an error, and reuse its memory after success.
func batchStaysItself(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	b := func(at domain.Checkpoint) domain.Batch {
		p := withRejects(page(at.NextPass(), 1, 2, 1), reject(3, 4, "not stored"))
		p.Events[1].Name = "\x00"
		for _, path := range []string{"a", "b", "c"}[:at.Seq+2] {
			p.Drift = append(p.Drift, domain.DriftCount{Path: path, Kind: "new field", Count: 1, Value: []byte("1")})
		}
		p.Receipt.FetchedAt = time.Time{}
		return batch(at, p)
	}
	for range 2 {
		given := b(at)
		res, err := s.Commit(ctx, given)
		if err != nil {
			return err
		}
		if want := b(at); !reflect.DeepEqual(given, want) {
			return fmt.Errorf("the batch became %+v, it was %+v", given, want)
		}
		clear(given.Pages[0].Events[0].Properties)
		clear(given.Pages[0].Rejects[0].Record.Payload)
		at = res.Checkpoint
	}
	refused := want{keyOf(reject(0, 2, "record 1: näme-2")), domain.ReasonUnstorable, "record 1: näme-2", 1, 2, ""}
	if err := parked(ctx, under, refused, want{keyOf(reject(0, 4, "not stored")), "bad timestamp", "not stored", 3, 2, ""}); err != nil {
		return err
	}
	return stored(ctx, under, 1)
}

// unmoved checks that a refused commit left the checkpoint, the ledger and the events alone.
func unmoved(
	ctx context.Context, under StoreUnderTest, s domain.EventStore, at domain.Checkpoint, numbers ...byte,
) error {
	durable, err := s.Checkpoint(ctx, at.Stream)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(durable, at) {
		return fmt.Errorf("the checkpoint moved from %+v to %+v", at, durable)
	}
	rows, err := under.Ledger(ctx)
	if err != nil {
		return err
	}
	if int64(len(rows)) != at.Seq {
		return fmt.Errorf("%d ledger rows at seq %d", len(rows), at.Seq)
	}
	return stored(ctx, under, numbers...)
}
