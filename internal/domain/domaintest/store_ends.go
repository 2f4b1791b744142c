package domaintest

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

func checkRepeatedPage(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	first, err := s.Commit(ctx, batch(at, page(at.Position, 1, 2), addRejects(page(at.Position), reject(0, 3, "bad"))))
	if err != nil {
		return err
	}
	at = first.Checkpoint
	for what, pages := range map[string][]domain.DecodedPage{
		"the page before":     {addRejects(page(at.Position), reject(0, 3, "bad"))},
		"an earlier page":     {page(at.Position, 1, 2)},
		"in another order":    {page(at.Position, 2, 1)},
		"a page of its batch": {page(at.Position, 4), page(at.Position, 4)},
	} {
		_, err = s.Commit(ctx, batch(at, pages...))
		if err := wantKind(err, domain.BadPage); err != nil {
			return fmt.Errorf("repeated %s: %w", what, err)
		}
	}
	if err := wantStored(ctx, under, 1, 2); err != nil {
		return err
	}
	// A page with a part of the events, or with more of them, is another page. Empty pages may repeat. A later pass may repeat
	// every page.
	_, err = s.Commit(ctx, batch(at,
		page(at.Position, 1, 2, 3), page(at.Position, 1), page(at.Position), page(at.Position), page(at.NextPass(), 1, 2)))
	return err
}

// endPage returns a page that ends its pass, with these announced totals.
func endPage(at domain.Position, first, last int64, numbers ...byte) domain.DecodedPage {
	p := page(at, numbers...)
	p.To.Cursor, p.To.Done = "", true
	p.To.AnnouncedFirst, p.To.AnnouncedLast = domain.Total{N: first, Known: true}, domain.Total{N: last, Known: true}
	return p
}

// renameEvent gives an event of the page another name, so that it is a conflict if its id is stored.
func renameEvent(p domain.DecodedPage, index int) domain.DecodedPage {
	p.Events[index].Name = "another name"
	return p
}

// checkEnds: an end is compared with the records stored in all passes together, and an end that is not accepted writes
// nothing.
func checkEnds(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	tests := []struct {
		name string
		page domain.DecodedPage
		want domain.Kind
	}{
		{"below the first total", endPage(at.Position, 3, 3, 1, 2), domain.BadPage},
		{"below the latest total", endPage(at.Position, 2, 3, 1, 2), domain.Unconfirmed},
		{"an event twice", endPage(at.Position, 3, 3, 1, 2, 2), domain.Unconfirmed},
		{"an event twice, with other values", renameEvent(endPage(at.Position, 3, 3, 1, 2, 2), 2), domain.Unconfirmed},
		{"nothing announced", endPage(at.Position, 0, 0), domain.Unconfirmed},
	}
	for _, tt := range tests {
		_, err = s.Commit(ctx, batch(at, tt.page))
		if err := wantKind(err, tt.want); err != nil {
			return fmt.Errorf("%s: %w", tt.name, err)
		}
		if err := wantUnmoved(ctx, under, s, at); err != nil {
			return fmt.Errorf("%s: %w", tt.name, err)
		}
	}
	confirmed := endPage(at.Position, 3, 3, 1, 2, 2)
	confirmed.End.Confirmed = true
	res, err := s.Commit(ctx, batch(at, confirmed))
	if err != nil {
		return fmt.Errorf("a confirmed end: %w", err)
	}
	at = res.Checkpoint
	_, err = s.Commit(ctx, batch(at, endPage(at.NextPass(), 3, 3, 1, 3, 2))) // two of them were stored in the pass before
	return err
}

// checkEndAfterSuperseded parks a record and then stores its event. It is one of the announced records, not two.
func checkEndAfterSuperseded(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	first := addRejects(page(at.Position, 1), reject(1, 2, "broken"))
	first.To.AnnouncedFirst, first.To.AnnouncedLast = domain.Total{N: 3, Known: true}, domain.Total{N: 3, Known: true}
	res, err := s.Commit(ctx, batch(at, first))
	if err != nil {
		return err
	}
	at = res.Checkpoint
	_, err = s.Commit(ctx, batch(at, endPage(at.Position, 3, 3, 2, 1))) // one of the three is missing
	return wantKind(err, domain.Unconfirmed)
}

// checkEndInSharedTable: records that another stream stored count as duplicates, so the counts of this stream do not show
// whether all announced records are stored. Then an end has to be confirmed.
func checkEndInSharedTable(ctx context.Context, under StoreUnderTest) error {
	_, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	other := under.Open()
	theirs, err := other.Claim(ctx, domain.StreamID{Source: "checks", Partition: "2"}, sourceURL)
	if err != nil {
		return err
	}
	if _, err := other.Commit(ctx, batch(theirs, page(theirs.Position, 1, 2))); err != nil {
		return err
	}
	end := endPage(at.Position, 2, 2, 1, 2)
	_, err = other.Commit(ctx, batch(at, end))
	if err := wantKind(err, domain.Unconfirmed); err != nil {
		return err
	}
	end.End.Confirmed = true
	_, err = other.Commit(ctx, batch(at, end))
	return err
}

func checkAcceptedShortEnd(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	p := endPage(at.Position, 3, 3, 1, 2)
	p.End.AcceptShort = true
	_, err = s.Commit(ctx, batch(at, p))
	if err := wantKind(err, domain.Unconfirmed); err != nil {
		return err
	}
	p.End.Confirmed = true
	if _, err := s.Commit(ctx, batch(at, p)); err != nil {
		return err
	}
	rows, err := under.Ledger(ctx)
	if err != nil {
		return err
	}
	if len(rows) != 1 || !rows[0].EndAccepted {
		return fmt.Errorf("got ledger %+v, want one row with EndAccepted", rows)
	}
	return nil
}

func checkHold(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	if !at.HeldUntil.IsZero() {
		return fmt.Errorf("got a new stream held until %s, want no hold", at.HeldUntil)
	}
	for _, wait := range []time.Duration{time.Hour, 2 * time.Hour} {
		until := time.Now().Add(wait)
		if err := s.Hold(ctx, at, until); err != nil {
			return err
		}
		if at, err = s.Claim(ctx, streamID(), sourceURL); err != nil {
			return err
		}
		if off := at.HeldUntil.Sub(until).Abs(); off > time.Minute {
			return fmt.Errorf("got hold until %[2]s, want %[1]s", until, at.HeldUntil)
		}
	}
	if err := s.Hold(ctx, at, time.Now().Add(-time.Second)); err != nil {
		return err
	}
	if at, err = s.Claim(ctx, streamID(), sourceURL); err != nil {
		return err
	}
	if !at.HeldUntil.IsZero() {
		return fmt.Errorf("got hold until %s, which has passed", at.HeldUntil)
	}
	return nil
}

func checkStaleRunnerHold(ctx context.Context, under StoreUnderTest) error {
	s, first, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	if _, err := s.Claim(ctx, streamID(), sourceURL); err != nil {
		return err
	}
	if err := wantKind(s.Hold(ctx, first, time.Now().Add(time.Hour)), domain.Fenced); err != nil {
		return err
	}
	at, err := s.Claim(ctx, streamID(), sourceURL)
	if err != nil {
		return err
	}
	if !at.HeldUntil.IsZero() {
		return fmt.Errorf("got hold until %s from a stale runner, want none", at.HeldUntil)
	}
	return nil
}
