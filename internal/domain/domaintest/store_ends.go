package domaintest

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// checkRepeatedPage commits two pages. Then it commits batches that repeat a page of the same pass. These batches must fail and
// write nothing.
func checkRepeatedPage(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	rejectPage := func(from domain.Position) domain.DecodedPage { return addRejects(page(from), reject(3, "bad")) }
	first, err := store.Commit(ctx, batch(checkpoint, page(checkpoint.Position, 1, 2), rejectPage(checkpoint.Position)))
	if err != nil {
		return err
	}
	checkpoint = first.Checkpoint
	for repeated, pages := range map[string][]domain.DecodedPage{
		"the last committed page":           {rejectPage(checkpoint.Position)},
		"an earlier committed page":         {page(checkpoint.Position, 1, 2)},
		"a committed page in another order": {page(checkpoint.Position, 2, 1)},
		"another page of the same batch":    {page(checkpoint.Position, 4), page(checkpoint.Position, 4)},
	} {
		_, err = store.Commit(ctx, batch(checkpoint, pages...))
		if err := wantKind(err, domain.BadPage); err != nil {
			return fmt.Errorf("repeated %s: %w", repeated, err)
		}
	}
	if err := wantStored(ctx, db, 1, 2); err != nil {
		return err
	}
	_, err = store.Commit(ctx, batch(checkpoint,
		page(checkpoint.Position, 1, 2, 3),                   // a committed page with one event more is another page
		page(checkpoint.Position, 1),                         // so is a committed page with one event less
		page(checkpoint.Position), page(checkpoint.Position), // empty pages may repeat
		page(checkpoint.NextPass(), 1, 2))) // another pass may have the same page
	return err
}

// withTotal returns the page after the API has announced this total, and no other total, in the page's pass.
func withTotal(total int64, p domain.DecodedPage) domain.DecodedPage {
	p.To.AnnouncedFirst = domain.Total{N: total, Known: true}
	p.To.AnnouncedLast = p.To.AnnouncedFirst
	return p
}

// endPage returns a page that ends its pass and has the events with these numbers.
func endPage(from domain.Position, numbers ...byte) domain.DecodedPage {
	p := page(from, numbers...)
	p.To.Cursor, p.To.Done = "", true
	return p
}

// checkEnds checks that a commit compares the announced total with the number of records that are stored in all passes together.
// A commit that refuses an end must write nothing.
func checkEnds(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	start := checkpoint.Position
	growing := withTotal(3, endPage(start, 1, 2))
	growing.To.AnnouncedFirst.N = 2
	conflicting := withTotal(3, endPage(start, 1, 2, 2))
	conflicting.Events[2].Name = "another name"
	tests := []struct {
		name string
		page domain.DecodedPage
		want domain.Kind
	}{
		{name: "2 records, 3 announced", page: withTotal(3, endPage(start, 1, 2)), want: domain.BadPage},
		{name: "2 records, first 2 and then 3 announced", page: growing, want: domain.Unconfirmed},
		{name: "3 records with an event twice, 3 announced", page: withTotal(3, endPage(start, 1, 2, 2)), want: domain.Unconfirmed},
		{name: "3 records with a conflict, 3 announced", page: conflicting, want: domain.Unconfirmed},
		{name: "no record, 0 announced", page: withTotal(0, endPage(start)), want: domain.Unconfirmed},
	}
	for _, tt := range tests {
		_, err = store.Commit(ctx, batch(checkpoint, tt.page))
		if err := wantKind(err, tt.want); err != nil {
			return fmt.Errorf("%s: %w", tt.name, err)
		}
		if err := wantUnmoved(ctx, db, store, checkpoint); err != nil {
			return fmt.Errorf("%s: %w", tt.name, err)
		}
	}
	confirmed := withTotal(3, endPage(start, 1, 2, 2))
	confirmed.End.Confirmed = true
	res, err := store.Commit(ctx, batch(checkpoint, confirmed))
	if err != nil {
		return fmt.Errorf("a confirmed end: %w", err)
	}
	// The end of the next pass needs no confirmation: it has the third event, and the other two are stored already.
	checkpoint = res.Checkpoint
	_, err = store.Commit(ctx, batch(checkpoint, withTotal(3, endPage(checkpoint.NextPass(), 1, 3, 2))))
	return err
}

// checkEndAfterSuperseded parks a record of event 2 and then stores event 2. Together they count as one of the announced records.
// Therefore only two of the three announced records are stored, and the end must be confirmed.
func checkEndAfterSuperseded(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	first := withTotal(3, addRejects(page(checkpoint.Position, 1), reject(2, "broken")))
	res, err := store.Commit(ctx, batch(checkpoint, first))
	if err != nil {
		return err
	}
	checkpoint = res.Checkpoint
	_, err = store.Commit(ctx, batch(checkpoint, withTotal(3, endPage(checkpoint.Position, 2, 1))))
	return wantKind(err, domain.Unconfirmed)
}

// checkEndInSharedTable checks that an end has to be confirmed if another stream stores into the same table. Records that the
// other stream stored count as duplicates. The counts of this stream therefore do not show whether all announced records are
// stored.
func checkEndInSharedTable(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	other := db.Open()
	otherCheckpoint, err := other.Claim(ctx, otherStreamID(), sourceURL)
	if err != nil {
		return err
	}
	if _, err := other.Commit(ctx, batch(otherCheckpoint, page(otherCheckpoint.Position, 1, 2))); err != nil {
		return err
	}
	end := withTotal(2, endPage(checkpoint.Position, 1, 2))
	_, err = store.Commit(ctx, batch(checkpoint, end))
	if err := wantKind(err, domain.Unconfirmed); err != nil {
		return err
	}
	end.End.Confirmed = true
	_, err = store.Commit(ctx, batch(checkpoint, end))
	return err
}

// checkAcceptedShortEnd ends a pass after 2 of 3 announced records, and the user accepts this. The end still needs a
// confirmation. Then its ledger row must be marked.
func checkAcceptedShortEnd(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	p := withTotal(3, endPage(checkpoint.Position, 1, 2))
	p.End.AcceptShort = true
	_, err = store.Commit(ctx, batch(checkpoint, p))
	if err := wantKind(err, domain.Unconfirmed); err != nil {
		return err
	}
	p.End.Confirmed = true
	if _, err := store.Commit(ctx, batch(checkpoint, p)); err != nil {
		return err
	}
	rows, err := db.Ledger(ctx)
	if err != nil {
		return err
	}
	if len(rows) != 1 || !rows[0].EndAccepted {
		return fmt.Errorf("got ledger %+v, want one row with EndAccepted", rows)
	}
	return nil
}

// checkHold checks that a claim returns the hold that was recorded last, unless its time has passed.
func checkHold(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	if !checkpoint.HeldUntil.IsZero() {
		return fmt.Errorf("got hold until %s for a new stream, want none", checkpoint.HeldUntil)
	}
	for _, wait := range []time.Duration{time.Hour, 2 * time.Hour} {
		until := time.Now().Add(wait)
		if err := store.Hold(ctx, checkpoint, until); err != nil {
			return err
		}
		if checkpoint, err = store.Claim(ctx, streamID(), sourceURL); err != nil {
			return err
		}
		// A store may store the remaining time instead of until, so HeldUntil may differ by the duration of these calls.
		if difference := checkpoint.HeldUntil.Sub(until).Abs(); difference > time.Minute {
			return fmt.Errorf("got hold until %s, want %s", checkpoint.HeldUntil, until)
		}
	}
	if err := store.Hold(ctx, checkpoint, time.Now().Add(-time.Second)); err != nil {
		return err
	}
	if checkpoint, err = store.Claim(ctx, streamID(), sourceURL); err != nil {
		return err
	}
	if !checkpoint.HeldUntil.IsZero() {
		return fmt.Errorf("got hold until %s, want none: the time has passed", checkpoint.HeldUntil)
	}
	return nil
}

// checkStaleRunnerHold checks that a runner cannot record a hold with an earlier claim.
func checkStaleRunnerHold(ctx context.Context, db StoreUnderTest) error {
	store, first, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	if _, err := store.Claim(ctx, streamID(), sourceURL); err != nil {
		return err
	}
	if err := wantKind(store.Hold(ctx, first, time.Now().Add(time.Hour)), domain.Fenced); err != nil {
		return err
	}
	checkpoint, err := store.Claim(ctx, streamID(), sourceURL)
	if err != nil {
		return err
	}
	if !checkpoint.HeldUntil.IsZero() {
		return fmt.Errorf("got hold until %s from a stale runner, want none", checkpoint.HeldUntil)
	}
	return nil
}
