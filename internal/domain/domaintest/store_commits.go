package domaintest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

func checkCommitStoresAll(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
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
	if err := wantCounts(res.Counts, want); err != nil {
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
		if err := compareEvents(got[e.ID], e.Event); err != nil {
			return err
		}
	}
	return nil
}

func checkCheckpointRoundTrip(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
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
		return fmt.Errorf("got position %+[2]v, want %+[1]v", p.To, durable.Position)
	}
	if !durable.LastEventAt.Equal(event(2).OccurredAt) {
		return fmt.Errorf("got last event at %s", durable.LastEventAt)
	}
	if !reflect.DeepEqual(durable, res.Checkpoint) {
		return fmt.Errorf("commit returned %+v, durable is %+v", res.Checkpoint, durable)
	}
	return nil
}

func checkEmptyPage(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	res, err := s.Commit(ctx, batch(at, page(at.Position)))
	if err != nil {
		return err
	}
	if res.Checkpoint.Seq != 1 || res.Counts != (domain.Counts{}) || !res.Checkpoint.LastEventAt.IsZero() {
		return fmt.Errorf("got %+v", res)
	}
	return nil
}

func checkDuplicateEvent(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	first, err := s.Commit(ctx, batch(at, page(at.Position, 1, 2)))
	if err != nil {
		return err
	}
	next := page(first.Checkpoint.NextPass(), 2, 3)
	second, err := s.Commit(ctx, batch(first.Checkpoint, next))
	if err != nil {
		return err
	}
	if err := wantCounts(second.Counts, domain.Counts{Received: 2, Inserted: 1, Duplicate: 1}); err != nil {
		return err
	}
	if err := wantCounts(second.Checkpoint.Counts, domain.Counts{Received: 4, Inserted: 3, Duplicate: 1}); err != nil {
		return err
	}
	return wantStored(ctx, under, 1, 2, 3)
}

func checkDuplicateInPage(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
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
	if err := wantCounts(res.Counts, domain.Counts{Received: 5, Inserted: 1, Duplicate: 4}); err != nil {
		return err
	}
	return wantStored(ctx, under, 1, 2)
}

func checkSameBatchAgain(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	b := batch(at, page(at.Position, 1))
	res, err := s.Commit(ctx, b)
	if err != nil {
		return err
	}
	b.Pages[0].Events = append(b.Pages[0].Events, newDecodedEvent(1, event(2)))
	b.Pages[0].Received++
	_, err = s.Commit(ctx, b)
	if err := wantKind(err, domain.SetBack); err != nil {
		return err
	}
	return wantUnmoved(ctx, under, s, res.Checkpoint, 1)
}

func checkWrongPosition(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	for _, change := range []func(*domain.Checkpoint){
		func(c *domain.Checkpoint) { c.Seq = 7 },
		func(c *domain.Checkpoint) { c.Pass = 7 },
		func(c *domain.Checkpoint) { c.Offset = 7 },
		func(c *domain.Checkpoint) { c.Cursor = "elsewhere" },
	} {
		other := at
		change(&other)
		_, err = s.Commit(ctx, batch(other, page(at.Position, 1)))
		if err := wantKind(err, domain.SetBack); err != nil {
			return err
		}
		if err := wantUnmoved(ctx, under, s, at); err != nil {
			return err
		}
	}
	return nil
}

func checkSeveralPages(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
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
	if err := wantCounts(res.Counts, domain.Counts{Received: 4, Inserted: 3, Duplicate: 1}); err != nil {
		return err
	}
	rows, err := under.Ledger(ctx)
	if err != nil {
		return err
	}
	row := func(seq int64, p domain.DecodedPage, t domain.Counts) LedgerRow {
		return LedgerRow{
			Kind: "page", Stream: at.Stream.String(), Pass: 1, Seq: seq, Position: p.To.Offset,
			ParentSeq: seq - 1, CursorIn: p.From.Cursor, CursorOut: p.To.Cursor, Counts: t, TraceID: p.Receipt.TraceID,
			IDsHash: string(p.IDsHash()),
		}
	}
	want := []LedgerRow{
		row(1, one, domain.Counts{Received: 2, Inserted: 2}),
		row(2, two, domain.Counts{Received: 2, Inserted: 1, Duplicate: 1}),
		row(3, three, domain.Counts{}),
	}
	if !reflect.DeepEqual(rows, want) {
		return fmt.Errorf("got ledger %+v, want %+v", rows, want)
	}
	return wantStored(ctx, under, 1, 2, 3)
}

// checkBatchUnchanged: the caller may commit a batch again after an error, and reuse its memory after success.
func checkBatchUnchanged(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	b := func(at domain.Checkpoint) domain.Batch {
		p := addRejects(page(at.NextPass(), 1, 2, 1), reject(3, 4, "not stored"))
		p.Events[1].Name = "\x00"
		for _, path := range []string{"a", "b", "c"}[:at.Seq+2] {
			p.Drift = append(p.Drift, domain.DriftCount{Path: path, Kind: "new field", Count: 1, Value: []byte("1")})
		}
		p.Receipt.FetchedAt = time.Time{}
		return batch(at, p)
	}
	for range 2 {
		passed := b(at)
		res, err := s.Commit(ctx, passed)
		if err != nil {
			return err
		}
		if want := b(at); !reflect.DeepEqual(passed, want) {
			return fmt.Errorf("Commit changed the batch to %+v, want %+v", passed, want)
		}
		clear(passed.Pages[0].Events[0].Properties)
		clear(passed.Pages[0].Rejects[0].Record.Payload)
		at = res.Checkpoint
	}
	unstorable := wantLetter{keyOf(reject(0, 2, "record 1: näme-2")), domain.ReasonUnstorable, "record 1: näme-2", 1, 2, ""}
	rejected := wantLetter{keyOf(reject(0, 4, "not stored")), "bad timestamp", "not stored", 3, 2, ""}
	if err := wantParked(ctx, under, unstorable, rejected); err != nil {
		return err
	}
	return wantStored(ctx, under, 1)
}

// wantUnmoved checks that a failed commit has changed neither checkpoint nor ledger nor events.
func wantUnmoved(
	ctx context.Context, under StoreUnderTest, s domain.EventStore, at domain.Checkpoint, numbers ...byte,
) error {
	durable, err := s.Checkpoint(ctx, at.Stream)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(durable, at) {
		return fmt.Errorf("the checkpoint moved from %+v to %+v, want no move", at, durable)
	}
	rows, err := under.Ledger(ctx)
	if err != nil {
		return err
	}
	if int64(len(rows)) != at.Seq {
		return fmt.Errorf("got %d ledger rows at seq %d", len(rows), at.Seq)
	}
	return wantStored(ctx, under, numbers...)
}

// checkParentSeqs commits two batches of one pass and one of the next.
func checkParentSeqs(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	position := at.Position
	event := byte(0)
	for i, pages := range []int{2, 3, 3} {
		if i == 2 {
			position = position.NextPass()
		}
		var chain []domain.DecodedPage
		for range pages {
			event++
			next := page(position, event)
			chain, position = append(chain, next), next.To
		}
		res, err := s.Commit(ctx, batch(at, chain...))
		if err != nil {
			return err
		}
		at = res.Checkpoint
	}
	rows, err := under.Ledger(ctx)
	if err != nil {
		return err
	}
	var parents []int64
	for _, row := range rows {
		parents = append(parents, row.ParentSeq)
	}
	if want := []int64{0, 1, 2, 3, 4, 0, 6, 7}; !slices.Equal(parents, want) {
		return fmt.Errorf("got parents %v, want %v", parents, want)
	}
	return nil
}

// checkLastEvent commits pages with and without events. Pages without events do not change the last event.
func checkLastEvent(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		pages [][]byte // the numbers of their events
		last  byte
	}{
		{[][]byte{{1, 2}, {4, 3}}, 3},
		{[][]byte{{5}, {7, 6}, {}, {}}, 6},
		{[][]byte{{}, {}}, 6},
		{[][]byte{{}, {8}}, 8},
	} {
		var chain []domain.DecodedPage
		position := at.Position
		for _, numbers := range step.pages {
			next := page(position, numbers...)
			chain, position = append(chain, next), next.To
		}
		res, err := s.Commit(ctx, batch(at, chain...))
		if err != nil {
			return err
		}
		at = res.Checkpoint
		durable, err := s.Checkpoint(ctx, at.Stream)
		if err != nil {
			return err
		}
		want := event(step.last).OccurredAt
		if !at.LastEventAt.Equal(want) || !durable.LastEventAt.Equal(want) {
			return fmt.Errorf("after pages of the events %v: got last event at %s, durably at %s, want %s",
				step.pages, at.LastEventAt, durable.LastEventAt, want)
		}
	}
	return nil
}

func checkNewDrift(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	p := page(at.Position, 1)
	p.Drift = []domain.DriftCount{{Path: "a", Kind: "new field", Count: 1, Value: []byte(`"x"`)}}
	first, err := s.Commit(ctx, batch(at, p))
	if err != nil {
		return err
	}
	p.To.Pass++ // within a pass a page must not repeat another
	p.Drift = append(p.Drift, domain.DriftCount{Path: "a", Kind: "other", Count: 1, Value: []byte("1")})
	second, err := s.Commit(ctx, batch(first.Checkpoint, p))
	if err != nil {
		return err
	}
	fresh := slices.Concat(first.NewDrift, second.NewDrift)
	for i := range fresh {
		if fresh[i].FirstPageID == 0 || fresh[i].FirstPageID != fresh[i].LastPageID {
			return errors.New("an entry has no page")
		}
		fresh[i].FirstPageID, fresh[i].LastPageID = 0, 0
	}
	wanted := []domain.DriftEntry{
		{Path: "a", Kind: "new field", Count: 1, Sample: `"x"`}, {Path: "a", Kind: "other", Count: 1, Sample: "1"},
	}
	if !reflect.DeepEqual(fresh, wanted) {
		return fmt.Errorf("got new drift %+v, want %+v", fresh, wanted)
	}
	return nil
}
