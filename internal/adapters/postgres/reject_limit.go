package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/pawldata/pawl/internal/domain"
)

// A rejectLimit ends the search for the refused events of a page as soon as the page is certain to be refused itself: it
// would add more dead letters than it may. Records that have a letter already, as on a page that is read again, add none.
//
// Until it is known that there are such records, each round of the search tries only a few parts, so that it comes to
// single events without trying the rest of the page.
type rejectLimit struct {
	w    *writer
	page domain.DecodedPage

	looked int  // rejects whose letters were looked up
	added  int  // letters that these would add
	known  bool // some of them have a letter already
}

func newRejectLimit(w *writer, page domain.DecodedPage) *rejectLimit {
	return &rejectLimit{w: w, page: page}
}

// perRound returns how many of the open parts the next round of a search may try. A page that may be stored has never more:
// each part that is refused is halved, and has at least one event that is refused.
func (l *rejectLimit) perRound(parts int) int {
	if l == nil || l.known {
		return parts
	}
	return min(parts, 2*(l.page.MaxParked+1))
}

// check returns a Rejected error if the page would add too many letters for its own rejects and these refused events. It
// asks the database only when there are enough of them.
func (l *rejectLimit) check(ctx context.Context, refused []domain.Reject) error {
	if l == nil {
		return nil
	}
	found := len(l.page.Rejects) + len(refused)
	if l.added+found-l.looked <= l.page.MaxParked {
		return nil
	}
	added, err := l.w.newLetters(ctx, l.page, slices.Concat(l.page.Rejects, refused))
	if err != nil {
		return err
	}
	l.looked, l.added, l.known = found, len(added), true
	if err := l.page.CheckRejectRatio(added); err != nil {
		return fmt.Errorf("the rest of the page was not tried: %w", err)
	}
	return nil
}
