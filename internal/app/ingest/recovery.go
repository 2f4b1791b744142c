package ingest

import (
	"context"
	"fmt"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	// maxUselessPasses is the number of useless passes in a row that end a run. A pass is useless if it loses its cursor before
	// it reaches a new record.
	maxUselessPasses = 3

	// maxStepsBack is the number of steps back in a row that reach no new record. They lead 1, 2, 4 and 8 pages back: if the API has
	// forgotten its latest cursors, an older one may still be known.
	maxStepsBack = 4
)

// isCursorLost reports whether err says that the cursor is of no use: the API no longer accepts it, or it leads back to earlier pages in each
// answer. isCursorLost does not look at the time at which the cursor should expire, because only the API knows whether it still accepts
// the cursor.
func isCursorLost(err error) bool {
	kind := domain.KindOf(err)
	return kind == domain.CursorExpired || kind == domain.CursorInvalid || isRepetition(err)
}

// isRepetition reports whether err says that the API goes in a circle.
func isRepetition(err error) bool {
	failure := domain.AsError(err)
	return failure != nil && failure.Kind == domain.BadPage && failure.Repeats
}

// errLeadsBack returns the reason for which a run does not begin at the cursor of its checkpoint.
func errLeadsBack() error {
	return repeatsError("the stored cursor leads back to where this pass has been")
}

// A recovery decides where reading goes on after a cursor was lost.
//   - If the cursor has expired, a new pass begins at the head, because all earlier cursors have expired too.
//   - Otherwise the pass steps back along the ledger to an earlier page, which the API may follow by another cursor. If that reaches no new
//     record after maxStepsBack steps, a new pass begins at the head.
//
// A recovery ends the run after maxUselessPasses passes in a row that reached no new record. Without this limit, a run whose cursors expire
// too soon, or lead in a circle, would read the same pages without end.
type recovery struct {
	stepBack stepBackFunc // nil if no page is stored
	stored   func() int64 // the number of records that are stored or parked so far; nil if nothing is stored

	maxOffset  int64 // the greatest offset that any pass has reached
	lastStored int64 // what stored returned at the last repetition
	steps      int   // the number of steps back since then
	inPass     bool  // the last recovery began a pass; the pass in which the run began never counts as useless
	useless    int   // the number of passes in a row that did not get beyond maxOffset
}

// A stepBackFunc returns where a stored page of the pass begins, see [domain.EventStore.StepBack].
type stepBackFunc func(ctx context.Context, pass int64, pages int) (start domain.PageStart, ok bool, err error)

// next returns the position from which reading goes on after the cursor at a position was lost. If the limits are reached, it returns a
// final error. It also returns an error of stepBack.
func (r *recovery) next(ctx context.Context, position domain.Position, lost error) (domain.Position, error) {
	switch {
	case r.hasProgress(position, lost):
		r.maxOffset, r.steps, r.useless = position.MaxOffset, 0, 0
	case r.inPass:
		r.useless++
	}
	if canStepBack := domain.KindOf(lost) != domain.CursorExpired && r.stepBack != nil; canStepBack && r.steps < maxStepsBack {
		r.steps++
		pages := 1 << (r.steps - 1)
		start, ok, err := r.stepBack(ctx, position.Pass, pages)
		if err != nil {
			return domain.Position{}, err
		}
		if ok {
			r.inPass = false
			return position.StepBack(start), nil
		}
	}
	if r.useless >= maxUselessPasses {
		return domain.Position{}, r.finalError(lost)
	}
	r.inPass = true
	return position.NextPass(), nil
}

// hasProgress reports whether reading has reached new records since the last loss. In a circle the offset grows without new records, so only
// stored records count there.
func (r *recovery) hasProgress(position domain.Position, lost error) bool {
	if !isRepetition(lost) {
		return position.MaxOffset > r.maxOffset
	}
	if r.stored == nil {
		return false
	}
	before := r.lastStored
	r.lastStored = r.stored()
	return r.lastStored > before
}

// finalError returns the error that ends the run.
func (r *recovery) finalError(lost error) error {
	final := &domain.Error{
		Kind: domain.KindOf(lost), Code: domain.CodeCursorLost, Op: opFetch, Remedy: domain.FetchFaster,
		Err: fmt.Errorf("%d passes in a row lost their cursor and got no further than %d records: %w", r.useless, r.maxOffset, lost),
	}
	if isRepetition(lost) {
		final.Kind, final.Code, final.Remedy = domain.CursorInvalid, domain.CodeAPIPageRepeated, domain.OtherPageSize
		final.Hint = "run it again later; if it stays, tell the API's operator that its cursors lead in a circle"
	}
	return final
}

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
