package domaintest

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/pawldata/pawl/internal/domain"
)

// checkSeveralPages commits three pages in one batch and checks the ledger row of each page. Event 2 is in two of the pages,
// and the third page is empty.
func checkSeveralPages(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	first := page(checkpoint.Position, 1, 2)
	second := page(first.To, 2, 3)
	third := page(second.To)
	res, err := store.Commit(ctx, batch(checkpoint, first, second, third))
	if err != nil {
		return err
	}
	if res.Checkpoint.Seq != 3 || res.Checkpoint.Position != third.To {
		return fmt.Errorf("got checkpoint %+v, want seq 3 and position %+v", res.Checkpoint, third.To)
	}
	if err := wantCounts(res.Counts, domain.Counts{Received: 4, Inserted: 3, Duplicate: 1}); err != nil {
		return err
	}
	rows, err := db.Ledger(ctx)
	if err != nil {
		return err
	}
	newRow := func(seq int64, p domain.DecodedPage, counts domain.Counts) LedgerRow {
		return LedgerRow{
			Kind: "page", Stream: checkpoint.Stream.String(), Pass: 1, Seq: seq, Position: p.To.Offset,
			ParentSeq: seq - 1, CursorIn: p.From.Cursor, CursorOut: p.To.Cursor, Counts: counts, TraceID: p.Receipt.TraceID,
			IDsHash: string(p.IDsHash()),
		}
	}
	want := []LedgerRow{
		newRow(1, first, domain.Counts{Received: 2, Inserted: 2}),
		newRow(2, second, domain.Counts{Received: 2, Inserted: 1, Duplicate: 1}),
		newRow(3, third, domain.Counts{}),
	}
	if !reflect.DeepEqual(rows, want) {
		return fmt.Errorf("got ledger %+v, want %+v", rows, want)
	}
	return wantStored(ctx, db, 1, 2, 3)
}

// checkNextPages commits batches that say which pages will follow. These pages must not be stored before their own commit, and not at all
// if other pages follow. A batch may have an id that the batch before it has, too.
func checkNextPages(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	pages := chainPages(checkpoint.Position, [][]byte{{1, 2}, {3, 4}, {4, 5}, {6}})
	instead := page(pages[3].From, 7)
	announced, sent := page(instead.To), page(instead.To) // two pages without events at the same position, with different rejects
	announced.Rejects, sent.Rejects = []domain.Reject{rejectWithoutID("announced")}, []domain.Reject{rejectWithoutID("sent")}
	announced.Received, sent.Received, announced.MaxParked, sent.MaxParked = 1, 1, 1, 1
	for _, step := range []struct {
		pages, next []domain.DecodedPage
		stored      []byte // the numbers of the events that must be stored after the commit
		want        domain.Counts
	}{
		{pages: pages[:1], next: pages[1:2], stored: []byte{1, 2}, want: domain.Counts{Received: 2, Inserted: 2}},
		{pages: pages[1:2], next: pages[2:3], stored: []byte{1, 2, 3, 4}, want: domain.Counts{Received: 2, Inserted: 2}},
		{pages: pages[2:3], next: pages[3:4], stored: []byte{1, 2, 3, 4, 5}, want: domain.Counts{Received: 2, Inserted: 1, Duplicate: 1}},
		{
			pages: []domain.DecodedPage{instead}, next: []domain.DecodedPage{announced},
			stored: []byte{1, 2, 3, 4, 5, 7}, want: domain.Counts{Received: 1, Inserted: 1},
		},
		{pages: []domain.DecodedPage{sent}, stored: []byte{1, 2, 3, 4, 5, 7}, want: domain.Counts{Received: 1, Parked: 1}},
	} {
		b := batch(checkpoint, step.pages...)
		b.Next = step.next
		res, err := store.Commit(ctx, b)
		if err != nil {
			return err
		}
		if err := wantCounts(res.Counts, step.want); err != nil {
			return err
		}
		if err := wantStored(ctx, db, step.stored...); err != nil {
			return err
		}
		checkpoint = res.Checkpoint
	}
	letters, err := db.Letters(ctx)
	if err != nil {
		return err
	}
	if len(letters) != 1 || string(letters[0].Payload) != "sent" {
		return fmt.Errorf("got dead letters %+v, want one with the payload sent", letters)
	}
	return nil
}

// checkParentSeqs checks that the parent of a page is the page before it in the same pass. The first page of a pass has parent
// 0. The check commits two batches in the first pass and one batch in the second pass.
func checkParentSeqs(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	firstPages := chainPages(checkpoint.Position, [][]byte{{1}, {2}})
	morePages := chainPages(firstPages[1].To, [][]byte{{3}, {4}, {5}})
	secondPass := chainPages(morePages[2].To.NextPass(), [][]byte{{6}, {7}, {8}})
	for _, pages := range [][]domain.DecodedPage{firstPages, morePages, secondPass} {
		res, err := store.Commit(ctx, batch(checkpoint, pages...))
		if err != nil {
			return err
		}
		checkpoint = res.Checkpoint
	}
	rows, err := db.Ledger(ctx)
	if err != nil {
		return err
	}
	var parents []int64
	for _, row := range rows {
		parents = append(parents, row.ParentSeq)
	}
	// Pages 1 to 5 are in the first pass, and pages 6 to 8 are in the second pass.
	if want := []int64{0, 1, 2, 3, 4, 0, 6, 7}; !slices.Equal(parents, want) {
		return fmt.Errorf("got parents %v, want %v", parents, want)
	}
	return nil
}

// chainPages returns consecutive pages. The first page begins at from, and each other page begins where the page before it
// ends. numbers has, for each page, the numbers of its events.
func chainPages(from domain.Position, numbers [][]byte) (pages []domain.DecodedPage) {
	for _, events := range numbers {
		next := page(from, events...)
		pages = append(pages, next)
		from = next.To
	}
	return pages
}

// checkLastEvent commits batches of pages with and without events. Pages without events must not change the last event.
func checkLastEvent(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		pages [][]byte // the events of each page
		last  byte     // the event that must be the last one after these pages
	}{
		{pages: [][]byte{{1, 2}, {4, 3}}, last: 3},
		{pages: [][]byte{{5}, {7, 6}, {}, {}}, last: 6},
		{pages: [][]byte{{}, {}}, last: 6},
		{pages: [][]byte{{}, {8}}, last: 8},
	} {
		res, err := store.Commit(ctx, batch(checkpoint, chainPages(checkpoint.Position, step.pages)...))
		if err != nil {
			return err
		}
		checkpoint = res.Checkpoint
		durable, err := store.Checkpoint(ctx, checkpoint.Stream)
		if err != nil {
			return err
		}
		want := event(step.last).OccurredAt
		if !checkpoint.LastEventAt.Equal(want) || !durable.LastEventAt.Equal(want) {
			return fmt.Errorf("pages with the events %v: got last event at %s from Commit and at %s from Checkpoint, want %s",
				step.pages, checkpoint.LastEventAt, durable.LastEventAt, want)
		}
	}
	return nil
}
