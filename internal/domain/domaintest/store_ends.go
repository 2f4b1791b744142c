package domaintest

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

func repeatedPage(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	first, err := s.Commit(ctx, batch(at, page(at.Position, 1, 2), withRejects(page(at.Position), reject(0, 3, "bad"))))
	if err != nil {
		return err
	}
	at = first.Checkpoint
	for what, pages := range map[string][]domain.DecodedPage{
		"the page before":     {withRejects(page(at.Position), reject(0, 3, "bad"))},
		"an earlier page":     {page(at.Position, 1, 2)},
		"in another order":    {page(at.Position, 2, 1)},
		"a page of its batch": {page(at.Position, 4), page(at.Position, 4)},
	} {
		_, err = s.Commit(ctx, batch(at, pages...))
		if err := wantKind(err, domain.BadPage); err != nil {
			return fmt.Errorf("%s again: %w", what, err)
		}
	}
	if err := stored(ctx, under, 1, 2); err != nil {
		return err
	}
	// The same events in other company are another page, pages without a record are all alike, and a later pass brings every
	// page again.
	_, err = s.Commit(ctx, batch(at, page(at.Position, 1, 2, 3), page(at.Position, 1), page(at.Position), page(at.Position), page(at.NextPass(), 1, 2)))
	return err
}

// ended returns a page that ends its pass after a number of records, with these announced totals.
func ended(at domain.Position, first, last int64, numbers ...byte) domain.DecodedPage {
	p := page(at, numbers...)
	p.To.Cursor, p.To.Done = "", true
	p.To.AnnouncedFirst, p.To.AnnouncedLast = domain.Total{N: first, Known: true}, domain.Total{N: last, Known: true}
	return p
}

// otherValues gives the event at a place of the page another name, so that it is a conflict if its id is stored.
func otherValues(p domain.DecodedPage, index int) domain.DecodedPage {
	p.Events[index].Name = "another name"
	return p
}

// endsAreHeldAgainstRows: what was stored decides, in all passes together, and a refused end writes nothing.
func endsAreHeldAgainstRows(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	tests := []struct {
		name    string
		page    domain.DecodedPage
		refused domain.Kind
	}{
		{"below the first total", ended(at.Position, 3, 3, 1, 2), domain.BadPage},
		{"below the latest total", ended(at.Position, 2, 3, 1, 2), domain.Unconfirmed},
		{"an event twice", ended(at.Position, 3, 3, 1, 2, 2), domain.Unconfirmed},
		{"an event twice, with other values", otherValues(ended(at.Position, 3, 3, 1, 2, 2), 2), domain.Unconfirmed},
		{"nothing announced", ended(at.Position, 0, 0), domain.Unconfirmed},
	}
	for _, tt := range tests {
		_, err = s.Commit(ctx, batch(at, tt.page))
		if err := wantKind(err, tt.refused); err != nil {
			return fmt.Errorf("%s: %w", tt.name, err)
		}
		if err := unmoved(ctx, under, s, at); err != nil {
			return fmt.Errorf("%s: %w", tt.name, err)
		}
	}
	again := ended(at.Position, 3, 3, 1, 2, 2)
	again.End.Confirmed = true
	res, err := s.Commit(ctx, batch(at, again))
	if err != nil {
		return fmt.Errorf("an end that was confirmed: %w", err)
	}
	at = res.Checkpoint
	_, err = s.Commit(ctx, batch(at, ended(at.NextPass(), 3, 3, 1, 3, 2))) // two of them were stored in the pass before
	return err
}

// endsOfSharedTable: what another stream stored counts as duplicate, so the rows of this one tell nothing.
func endsOfSharedTable(ctx context.Context, under StoreUnderTest) error {
	_, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	other := under.Open()
	theirs, err := other.Claim(ctx, domain.StreamID{Source: "checks", Partition: "2"}, origin)
	if err != nil {
		return err
	}
	if _, err := other.Commit(ctx, batch(theirs, page(theirs.Position, 1, 2))); err != nil {
		return err
	}
	_, err = other.Commit(ctx, batch(at, ended(at.Position, 2, 2, 1, 2)))
	return err
}

func shortEndIsNoted(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	p := ended(at.Position, 3, 3, 1, 2)
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
		return fmt.Errorf("the ledger holds %+v", rows)
	}
	return nil
}

func holdIsTold(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	if !at.HeldUntil.IsZero() {
		return fmt.Errorf("a new stream is held until %s", at.HeldUntil)
	}
	for _, wait := range []time.Duration{time.Hour, 2 * time.Hour} {
		until := time.Now().Add(wait)
		if err := s.Hold(ctx, at, until); err != nil {
			return err
		}
		if at, err = s.Claim(ctx, streamID(), origin); err != nil {
			return err
		}
		if off := at.HeldUntil.Sub(until).Abs(); off > time.Minute {
			return fmt.Errorf("held until %s, told %s", until, at.HeldUntil)
		}
	}
	if err := s.Hold(ctx, at, time.Now().Add(-time.Second)); err != nil {
		return err
	}
	if at, err = s.Claim(ctx, streamID(), origin); err != nil {
		return err
	}
	if !at.HeldUntil.IsZero() {
		return fmt.Errorf("a hold that has passed is told: %s", at.HeldUntil)
	}
	return nil
}

func staleRunnerCannotHold(ctx context.Context, under StoreUnderTest) error {
	s, first, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	if _, err := s.Claim(ctx, streamID(), origin); err != nil {
		return err
	}
	if err := wantKind(s.Hold(ctx, first, time.Now().Add(time.Hour)), domain.Fenced); err != nil {
		return err
	}
	at, err := s.Claim(ctx, streamID(), origin)
	if err != nil {
		return err
	}
	if !at.HeldUntil.IsZero() {
		return fmt.Errorf("a stale runner holds the stream until %s", at.HeldUntil)
	}
	return nil
}
