package ingest

import (
	"fmt"

	"github.com/pawldata/pawl/internal/domain"
)

// fruitlessPasses is how many passes in a row may lose their cursor without getting further than any before.
const fruitlessPasses = 3

// restarts keeps a run from walking the same pages for ever when cursors die faster than they can be followed.
type restarts struct {
	furthest  int64
	begun     bool
	fruitless int
}

// spend allows one more pass after the cursor at a place was lost, or returns a final error of the same kind.
func (r *restarts) spend(at domain.Position, lost error) error {
	switch {
	case at.MaxOffset > r.furthest:
		r.furthest, r.fruitless = at.MaxOffset, 0
	case r.begun:
		r.fruitless++
	}
	r.begun = true
	if r.fruitless < fruitlessPasses {
		return nil
	}
	return fmt.Errorf("%d passes in a row got no further than %d records: %w", r.fruitless, r.furthest, lost)
}

// isDeadCursor reports whether the upstream, and only the upstream, has condemned the cursor.
func isDeadCursor(err error) bool {
	kind := domain.KindOf(err)
	return kind == domain.CursorExpired || kind == domain.CursorInvalid
}
