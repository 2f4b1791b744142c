package ingest

import "github.com/pawldata/pawl/internal/domain"

// A cycleDetector detects cursors that form a cycle (Brent's algorithm). It saves only one cursor and compares each later cursor
// with the saved one, so it needs constant memory. After 1, 2, 4, 8 and so on steps it saves another cursor. So it detects a
// cycle of n pages at most 3n steps after the cycle begins.
type cycleDetector struct {
	saved domain.Cursor
	steps int // the number of steps since the cursor was saved
	limit int // the number of steps after which another cursor is saved
}

// isCycle reports whether next is the saved cursor.
func (d cycleDetector) isCycle(next domain.Cursor) bool { return next != "" && next == d.saved }

// advance returns the detector for the page at the cursor next, one step later. It may save this cursor.
func (d cycleDetector) advance(next domain.Cursor) cycleDetector {
	d.steps++
	if d.steps < d.limit {
		return d
	}
	return cycleDetector{saved: next, limit: max(1, 2*d.limit)}
}
