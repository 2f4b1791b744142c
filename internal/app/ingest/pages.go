package ingest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

const (
	opFetch = "fetch page"

	// maxEmptyPages is how many pages in a row may have no record. A page may be empty, but a stream of empty pages is an
	// error of the API.
	maxEmptyPages = 100

	// maxUselessPasses is how many passes in a row may lose their cursor without getting further than any pass before.
	maxUselessPasses = 3
)

// A fetcher fetches the pages of a pass and does all the waiting for the API. It knows the position in the pass, not what
// has been stored.
type fetcher struct {
	source     domain.EventSource
	policy     retry.Policy
	observer   WalkObserver
	limit      int // records to ask for in one page
	hold       holdSaver
	traffic    domain.Traffic // of this run so far
	cycle      cycleDetector  // of this pass
	emptyPages int            // in a row
	current    *request
}

func (r *Runner) newFetcher() *fetcher {
	return &fetcher{source: r.source, policy: r.opts.Retry, observer: r.observer, limit: r.opts.PageSize}
}

// pages yields the pages after a position, in order (I6), until the pass has reached its end. If the API no longer accepts
// the cursor, pages begins a new pass from the head: stored records are then received again and counted as duplicate (I2).
// It ends after the first error it yields.
//
// The consumer decides whether it accepts a page or an end, see compareEnds; after refetch, pages fetches the same page again. heldUntil is
// when the rate limit allows the first request, zero if unknown.
func (f *fetcher) pages(ctx context.Context, at domain.Position, heldUntil time.Time) iter.Seq2[domain.FetchedPage, error] {
	return func(yield func(domain.FetchedPage, error) bool) {
		passes := passLimit{maxOffset: at.MaxOffset}
		f.current = f.newRequest(at)
		f.current.refetchReason, f.hold.until = heldError(heldUntil), heldUntil
		for !f.current.at.Done {
			page, err := f.fetch(ctx, f.current)
			if isCursorLost(err) {
				if err = passes.allowNext(f.current.at, err); err == nil {
					f.current, f.cycle = f.newRequest(f.current.at.NextPass()), cycleDetector{}
					f.observer.PassStarted(f.current.at)
					continue
				}
			}
			if err != nil {
				yield(domain.FetchedPage{}, err)
				return
			}
			fetched := domain.FetchedPage{From: f.current.at, To: f.current.at.After(page), Page: page}
			if !yield(fetched, nil) {
				return
			}
			if f.current.refetchReason != nil {
				continue
			}
			f.current = f.newRequest(fetched.To)
			f.cycle.advance(fetched.To.Cursor)
			if f.emptyPages++; len(page.Records) > 0 {
				f.emptyPages = 0
			}
		}
	}
}

// refetch makes pages fetch the last page again if err is BadPage or Unconfirmed, and reports whether it does. A bad page
// costs an attempt. Unconfirmed means that a single answer says that the pass ends here.
func (f *fetcher) refetch(err error) bool {
	kind := domain.KindOf(err)
	if kind != domain.BadPage && kind != domain.Unconfirmed {
		return false
	}
	if kind == domain.BadPage && !domain.AsError(err).ShortEnd {
		f.current.end = nil // its records are those of an earlier page
	}
	f.current.refetchReason = err
	return true
}

// errHeld explains a run that begins with a wait.
var errHeld = errors.New("an earlier run was told to wait")

// heldError returns RateLimited if the rate limit allows no request before until, nil if until has passed.
func heldError(until time.Time) error {
	if !time.Now().Before(until) {
		return nil
	}
	return &domain.Error{Kind: domain.RateLimited, Op: opFetch, Until: until, Unsent: true, Err: errHeld}
}

// A request is one page to fetch, with its retry budget.
type request struct {
	at            domain.Position
	budget        *retry.Budget
	trafficBefore domain.Traffic

	refetchReason error    // why the last answer is not accepted, or the first request not allowed; else nil
	end           *endPage // the records of the answers that ended the pass, nil if the last one did not
	confirming    bool     // an end has been fetched again already
}

func (f *fetcher) newRequest(at domain.Position) *request {
	return &request{at: at, budget: f.policy.Budget(), trafficBefore: f.traffic}
}

// compareEnds compares a page that ends its pass with the answer before to the same request, if that one did so too. The page
// confirms the end if it has all records of the answers before, and disputes it if it lacks one, which would be lost. Totals and bytes may differ: some APIs count new events, or put the time of
// the request into their records. The stream may also grow between the two answers, but not below the announced total.
func (f *fetcher) compareEnds(page domain.DecodedPage) (end domain.End) {
	previous := f.current.end
	f.current.end = nil
	if !page.To.Done {
		return end
	}
	f.current.end = newEndPage(page)
	switch {
	case previous == nil:
	case !f.current.end.contains(previous):
		f.current.end.add(previous)
		end.Disputed = true
	default:
		end.Confirmed = page.To.Offset == previous.offset || page.To.Offset >= page.To.AnnouncedFirst.N
	}
	return end
}

// An endPage holds what is compared of a page that ends its pass.
type endPage struct {
	offset    int64 // after the page
	ids       map[domain.EventID]bool
	withoutID int // records whose event id is unknown
}

func newEndPage(page domain.DecodedPage) *endPage {
	e := &endPage{offset: page.To.Offset, ids: make(map[domain.EventID]bool, len(page.Events))}
	for _, event := range page.Events {
		e.ids[event.ID] = true
	}
	for _, reject := range page.Rejects {
		if reject.Why.ID == (domain.EventID{}) {
			e.withoutID++
		} else {
			e.ids[reject.Why.ID] = true
		}
	}
	return e
}

// add adds the records of other to e.
func (e *endPage) add(other *endPage) {
	for id := range other.ids {
		e.ids[id] = true
	}
	e.withoutID = max(e.withoutID, other.withoutID)
}

// contains reports whether all records of other are in e.
func (e *endPage) contains(other *endPage) bool {
	for id := range other.ids {
		if !e.ids[id] {
			return false
		}
	}
	return e.withoutID >= other.withoutID
}

// takeRefetchReason returns refetchReason and clears it. For the first end that has to be confirmed it returns nil: that
// page is fetched again at once and costs no attempt.
func (r *request) takeRefetchReason() error {
	reason := r.refetchReason
	r.refetchReason = nil
	if domain.KindOf(reason) != domain.Unconfirmed {
		return reason
	}
	if !r.confirming {
		r.confirming = true
		return nil
	}
	return &domain.Error{
		Kind: domain.BadPage, Op: opFetch, Hint: "run it again later: the API may be changing",
		Err: fmt.Errorf("the API ends the stream differently in each answer, the last time after %d records", r.end.offset),
	}
}

// fetch tries to fetch a page until it has a whole one, or a final error.
func (f *fetcher) fetch(ctx context.Context, r *request) (domain.Page, error) {
	for {
		page, err := f.attempt(ctx, r)
		if err == nil {
			page.Receipt.Traffic = f.traffic.Sub(r.trafficBefore)
			return page, nil
		}
		if err := f.hold.saveAfter(ctx, err); err != nil {
			return domain.Page{}, err
		}
		wait, err := r.budget.Next(err)
		if err != nil {
			return domain.Page{}, err
		}
		if err := f.wait(ctx, r.at, wait); err != nil {
			return domain.Page{}, err
		}
	}
}

// attempt makes one request. It returns BadPage for cursors that lead in a circle, and for too many empty pages. If the
// request has a refetchReason, attempt returns that and makes no request.
func (f *fetcher) attempt(ctx context.Context, r *request) (domain.Page, error) {
	if err := r.takeRefetchReason(); err != nil {
		return domain.Page{}, err
	}
	f.observer.Fetching(r.at)
	page, err := f.source.FetchPage(ctx, domain.PageRequest{Cursor: r.at.Cursor, Limit: f.limit})
	f.countRequest(err)
	if err != nil {
		return domain.Page{}, err
	}
	if f.emptyPages >= maxEmptyPages && len(page.Records) == 0 && !page.Last {
		return domain.Page{}, badPageError("%d pages in a row without a record, and no end", f.emptyPages+1)
	}
	if f.cycle.isCycle(page.Next) {
		return domain.Page{}, badPageError("after %d records the API's cursor leads back to where it has been", r.at.After(page).Offset)
	}
	return page, nil
}

func badPageError(format string, args ...any) error {
	return &domain.Error{Kind: domain.BadPage, Op: opFetch, Err: fmt.Errorf(format, args...)}
}

// countRequest counts a request that returned err. A request that was not sent does not count.
func (f *fetcher) countRequest(err error) {
	e := domain.AsError(err)
	if e != nil && e.Unsent {
		return
	}
	f.traffic.Requests++
	if e != nil && e.Kind == domain.RateLimited {
		f.traffic.RateLimited++
	}
}

// wait sleeps until the next attempt. A backoff is cut short so that the cursor does not expire meanwhile. A wait for the
// rate limit is not: the API would refuse an earlier request.
func (f *fetcher) wait(ctx context.Context, at domain.Position, wait retry.Wait) error {
	if !wait.ForRateLimit() {
		f.traffic.Retries++
		if left := time.Until(at.CursorExpiresAt); left > 0 {
			wait = wait.Limit(left / 2)
		}
	}
	began := time.Now()
	f.observer.Waiting(wait)
	err := wait.Sleep(ctx)
	f.traffic.Waited += time.Since(began)
	return err
}

// isCursorLost reports whether the API no longer accepts the cursor. Only the API's answer counts.
func isCursorLost(err error) bool {
	kind := domain.KindOf(err)
	return kind == domain.CursorExpired || kind == domain.CursorInvalid
}

// A passLimit ends a run whose cursors expire faster than it can follow them. Otherwise it would read the same pages for
// ever.
type passLimit struct {
	maxOffset int64
	started   bool // a pass has begun in this run
	useless   int  // passes in a row that got no further than maxOffset
}

// allowNext returns nil if one more pass may begin after the cursor at a position was lost, else a final error of the
// same kind as lost.
func (l *passLimit) allowNext(at domain.Position, lost error) error {
	switch {
	case at.MaxOffset > l.maxOffset:
		l.maxOffset, l.useless = at.MaxOffset, 0
	case l.started:
		l.useless++
	}
	l.started = true
	if l.useless < maxUselessPasses {
		return nil
	}
	return fmt.Errorf("%d passes in a row got no further than %d records: %w", l.useless, l.maxOffset, lost)
}

// A cycleDetector finds cursors that lead in a circle, with constant memory. It stores one cursor, and after twice as many
// steps the next one (Brent's algorithm). It finds a cycle of n pages within 3n steps.
type cycleDetector struct {
	saved domain.Cursor
	steps int
	limit int
}

// isCycle reports whether next leads back to the saved cursor.
func (d *cycleDetector) isCycle(next domain.Cursor) bool { return next != "" && next == d.saved }

// advance takes one step, to next.
func (d *cycleDetector) advance(next domain.Cursor) {
	if d.steps++; d.steps >= d.limit {
		d.saved, d.steps, d.limit = next, 0, max(1, 2*d.limit)
	}
}
