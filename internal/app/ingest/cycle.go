package ingest

import "github.com/pawldata/pawl/internal/domain"

// A cycle guard notices cursors that lead back to where they began, in constant memory: it keeps one cursor, and after
// twice as many steps the next one (Brent's algorithm). A cycle of n pages is noticed within 3n.
type cycle struct {
	kept  domain.Cursor
	steps int
	limit int
}

// closes reports whether next leads back.
func (c *cycle) closes(next domain.Cursor) bool { return next != "" && next == c.kept }

// step moves on to a cursor.
func (c *cycle) step(next domain.Cursor) {
	if c.steps++; c.steps >= c.limit {
		c.kept, c.steps, c.limit = next, 0, max(1, 2*c.limit)
	}
}
