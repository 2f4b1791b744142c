package domaintest

import (
	"context"
	"fmt"
	"slices"

	"github.com/pawldata/pawl/internal/domain"
)

// pagesNameTheirParents commits two batches of one pass and one of the next.
func pagesNameTheirParents(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	place := at.Position
	event := byte(0)
	for i, pages := range []int{2, 3, 3} {
		if i == 2 {
			place = place.NextPass()
		}
		var chain []domain.DecodedPage
		for range pages {
			event++
			next := page(place, event)
			chain, place = append(chain, next), next.To
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
		return fmt.Errorf("the pages name the parents %v, want %v", parents, want)
	}
	return nil
}

// lastEventOfSeveralPages commits pages with and without events. Pages that have none leave the last event as it is.
func lastEventOfSeveralPages(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
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
		place := at.Position
		for _, numbers := range step.pages {
			next := page(place, numbers...)
			chain, place = append(chain, next), next.To
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
			return fmt.Errorf("after pages of the events %v the last event is of %s, durably of %s, want %s", step.pages, at.LastEventAt, durable.LastEventAt, want)
		}
	}
	return nil
}
