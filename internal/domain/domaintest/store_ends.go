package domaintest

import (
	"context"
	"errors"
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
	firstPage := page(checkpoint.Position, 1, 2)
	first, err := store.Commit(ctx, batch(checkpoint, firstPage, rejectPage(firstPage.To)))
	if err != nil {
		return err
	}
	checkpoint = first.Checkpoint
	for repeated, pages := range map[string][]domain.DecodedPage{
		"the last committed page":           {rejectPage(checkpoint.Position)},
		"an earlier committed page":         {page(checkpoint.Position, 1, 2)},
		"a committed page in another order": {page(checkpoint.Position, 2, 1)},
		"another page of the same batch":    chainPages(checkpoint.Position, [][]byte{{4}, {4}}),
	} {
		_, err = store.Commit(ctx, batch(checkpoint, pages...))
		if err := wantKind(err, domain.BadPage); err != nil {
			return fmt.Errorf("repeated %s: %w", repeated, err)
		}
		if !domain.AsError(err).Repeats {
			return fmt.Errorf("repeated %s: got %w, want Repeats", repeated, err)
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

// checkStepBack commits four pages of which one is empty, asks where they begin, and then reads the third and the fourth page once more, as
// a pass does that has stepped back. Such pages repeat no earlier page.
func checkStepBack(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	want := func(pages int, want domain.PageStart, wantOK bool) error {
		got, ok, err := store.StepBack(ctx, checkpoint.Stream, checkpoint.Pass, pages)
		if err != nil {
			return err
		}
		if got != want || ok != wantOK {
			return fmt.Errorf("%d pages back from seq %d: got %+v, %t; want %+v, %t", pages, checkpoint.Seq, got, ok, want, wantOK)
		}
		return nil
	}
	if err := want(1, domain.PageStart{}, false); err != nil {
		return fmt.Errorf("without a page: %w", err)
	}
	pages := chainPages(checkpoint.Position, [][]byte{{1, 2}, {}, {3}, {4, 5}})
	res, err := store.Commit(ctx, batch(checkpoint, pages...))
	if err != nil {
		return err
	}
	checkpoint = res.Checkpoint
	startOf := func(i int, parentSeq int64) domain.PageStart {
		return domain.PageStart{ParentSeq: parentSeq, Offset: pages[i].From.Offset, Cursor: pages[i].From.Cursor}
	}
	third := startOf(2, 2)
	if err := errors.Join(
		want(1, startOf(3, 3), true), want(2, third, true), want(3, startOf(1, 1), true),
		want(4, domain.PageStart{}, false), want(99, domain.PageStart{}, false), // the head
	); err != nil {
		return err
	}
	again := checkpoint.Position.StepBack(third)
	rereadThird := page(again, 3)
	rereadFourth := page(rereadThird.To, 4, 5)
	res, err = store.Commit(ctx, batch(checkpoint, rereadThird, rereadFourth))
	if err != nil {
		return fmt.Errorf("the pages that are read again: %w", err)
	}
	if err := wantCounts(res.Counts, domain.Counts{Received: 3, Duplicate: 3}); err != nil {
		return err
	}
	checkpoint = res.Checkpoint
	if checkpoint.Position != rereadFourth.To {
		return fmt.Errorf("got position %+v, want %+v", checkpoint.Position, rereadFourth.To)
	}
	if err := errors.Join(
		want(1, domain.PageStart{ParentSeq: 5, Offset: rereadFourth.From.Offset, Cursor: rereadFourth.From.Cursor}, true),
		want(2, third, true), want(3, startOf(1, 1), true), // the pages that were left are not on the way
	); err != nil {
		return err
	}
	_, err = store.Commit(ctx, batch(checkpoint, page(checkpoint.Position, 3)))
	return wantKind(err, domain.BadPage) // the page repeats an ancestor
}

// checkLeadsBack checks that a claim reports a cursor at which an earlier page of the pass began, but not a cursor at which a page began that
// the pass has left by stepping back.
func checkLeadsBack(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	pages := chainPages(checkpoint.Position, [][]byte{{1}, {2}, {3}})
	secondStart := domain.PageStart{ParentSeq: 1, Offset: pages[1].From.Offset, Cursor: pages[1].From.Cursor}
	rereadSecond := page(pages[2].To.StepBack(secondStart), 2) // its next cursor is that of the third page
	fourth := withCursor(page(rereadSecond.To, 3), pages[1].From.Cursor)
	nextPass := chainPages(fourth.To.NextPass(), [][]byte{{1}, {2}, {3}})
	nextPass[2].To.Cursor = pages[1].From.Cursor
	for _, step := range []struct {
		name  string
		pages []domain.DecodedPage
		want  bool
	}{
		{name: "a new cursor", pages: pages, want: false},
		{name: "the cursor of a page that was left by stepping back", pages: []domain.DecodedPage{rereadSecond}, want: false},
		{name: "the cursor of the second page", pages: []domain.DecodedPage{fourth}, want: true},
		{name: "the cursor of the second page in the next pass", pages: nextPass, want: false},
	} {
		if _, err := store.Commit(ctx, batch(checkpoint, step.pages...)); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		if checkpoint, err = store.Claim(ctx, checkpoint.Stream, sourceURL); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		if checkpoint.LeadsBack != step.want {
			return fmt.Errorf("%s: got LeadsBack %t, want %t", step.name, checkpoint.LeadsBack, step.want)
		}
	}
	return nil
}

// withCursor returns the page with another cursor of the next page.
func withCursor(p domain.DecodedPage, next domain.Cursor) domain.DecodedPage {
	p.To.Cursor = next
	return p
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
