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

	// maxEmptyPages is the number of pages in a row that may have no record. One page may be empty, but an API that answers
	// with more empty pages than this is at fault.
	maxEmptyPages = 100

	// maxUselessPasses is the number of passes in a row that may end with a lost cursor before they reach a new record.
	maxUselessPasses = 3
)

// A fetcher fetches the pages of a stream, from one position to the end of a pass. It waits whenever the API requires it. It
// does not know which pages are stored.
type fetcher struct {
	source     domain.EventSource
	policy     retry.Policy
	observer   WalkObserver
	limit      int // the number of records to ask for in one page
	hold       holdSaver
	traffic    domain.Traffic // all requests of this fetcher so far
	cycle      cycleDetector  // detects cycles of cursors in this pass
	emptyPages int            // the number of empty pages in a row so far
	current    *request       // the request for the page that pages yielded last or yields next
}

func (r *Runner) newFetcher() *fetcher {
	return &fetcher{source: r.source, policy: r.opts.Retry, observer: r.observer, limit: r.opts.PageSize}
}

// pages yields the pages after a position, in order (I6), until the end of the pass. If the API no longer accepts the
// cursor, pages begins a new pass at the head of the stream. Then stored records are received again and count as
// duplicate (I2). If pages yields an error, it ends.
//
// While the consumer has a page, it calls compareEnds to compare the page with an earlier answer to the same request. If it
// does not accept the page, it calls refetch, and pages fetches the same page again.
//
// heldUntil is the time before which the rate limit allows no request, or zero.
func (f *fetcher) pages(ctx context.Context, start domain.Position, heldUntil time.Time) iter.Seq2[domain.FetchedPage, error] {
	return func(yield func(domain.FetchedPage, error) bool) {
		passes := passLimit{maxOffset: start.MaxOffset}
		f.current = f.newRequest(start)
		f.current.refetchReason = heldError(heldUntil)
		f.hold.until = heldUntil
		for !f.current.position.Done {
			page, err := f.fetch(ctx, f.current)
			if isCursorLost(err) {
				err = passes.allowNext(f.current.position, err)
				if err == nil {
					f.current = f.newRequest(f.current.position.NextPass())
					f.cycle = cycleDetector{}
					f.observer.PassStarted(f.current.position)
					continue
				}
			}
			if err != nil {
				yield(domain.FetchedPage{}, err)
				return
			}
			fetched := domain.FetchedPage{From: f.current.position, To: f.current.position.After(page), Page: page}
			if !yield(fetched, nil) {
				return
			}
			if f.current.refetchReason != nil { // the consumer has called refetch
				continue
			}
			f.current = f.newRequest(fetched.To)
			f.cycle.advance(fetched.To.Cursor)
			if len(page.Records) == 0 {
				f.emptyPages++
			} else {
				f.emptyPages = 0
			}
		}
	}
}

// refetch makes pages fetch the last page again if err is BadPage or Unconfirmed, and reports whether it does.
func (f *fetcher) refetch(err error) bool {
	kind := domain.KindOf(err)
	if kind != domain.BadPage && kind != domain.Unconfirmed {
		return false
	}
	if kind == domain.BadPage && !domain.AsError(err).ShortEnd {
		f.current.end = nil // this page repeats an earlier page, so the next answer cannot be compared with it
	}
	f.current.refetchReason = err
	return true
}

// errHeld is the reason for the wait of a run that begins during a hold.
var errHeld = errors.New("an earlier run was told to wait")

// heldError returns RateLimited if the time until has not come yet, otherwise nil.
func heldError(until time.Time) error {
	if !time.Now().Before(until) {
		return nil
	}
	return &domain.Error{Kind: domain.RateLimited, Op: opFetch, Until: until, Unsent: true, Err: errHeld}
}

// A request stands for one page to fetch, however many attempts that takes.
type request struct {
	position      domain.Position // the page begins here
	budget        *retry.Budget
	trafficBefore domain.Traffic // the traffic of the fetcher before the first attempt

	refetchReason error    // why attempt must return an error before it sends a request; nil if there is no reason
	end           *endPage // the records of the answers that ended the pass; nil if the last answer did not end it
	confirming    bool     // the page was fetched again at least once to confirm an end
}

func (f *fetcher) newRequest(position domain.Position) *request {
	return &request{position: position, budget: f.policy.Budget(), trafficBefore: f.traffic}
}

// compareEnds compares a page that ends its pass with the earlier answers to the same request. Earlier answers count only if
// they ended the pass too, without an answer in between that did not.
//   - If the page lacks a record of these answers, the end is disputed, because that record would be lost.
//   - Otherwise the end is confirmed if both answers end at the same offset, or if the page reaches the first announced
//     total. So the stream may grow between two answers, but an end below the total must be the same twice.
//
// Only the event ids and the number of records without an id are compared. Totals and bytes may differ, because some APIs
// count new events, or write the time of the request into the records.
func (f *fetcher) compareEnds(page domain.DecodedPage) (end domain.EndEvidence) {
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

// An endPage describes a page that ends its pass, for comparison with other answers to the same request.
type endPage struct {
	offset    int64                   // the offset after the page
	ids       map[domain.EventID]bool // the known event ids of its records
	withoutID int                     // the number of its records whose event id is unknown
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

// contains reports whether e has all records of other. Records without an event id are only counted.
func (e *endPage) contains(other *endPage) bool {
	for id := range other.ids {
		if !e.ids[id] {
			return false
		}
	}
	return e.withoutID >= other.withoutID
}

// takeRefetchReason returns refetchReason and sets it to nil. If an end must be confirmed for the first time, it returns
// nil, so that the page is fetched again at once without the cost of an attempt. If an end must be confirmed once more,
// it returns BadPage, which costs an attempt.
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

// fetch makes attempts to fetch a page, with waits between them, until one succeeds or the error is final.
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
		if err := f.wait(ctx, r.position.CursorExpiresAt, wait); err != nil {
			return domain.Page{}, err
		}
	}
}

// attempt sends one request. It returns BadPage if the cursors of the pages form a cycle, or if too many pages in a row are
// empty. If there is a reason to fetch the page again, attempt first returns this reason without a request, so that fetch
// waits before the next attempt.
func (f *fetcher) attempt(ctx context.Context, r *request) (domain.Page, error) {
	if err := r.takeRefetchReason(); err != nil {
		return domain.Page{}, err
	}
	f.observer.Fetching(r.position)
	page, err := f.source.FetchPage(ctx, domain.PageRequest{Cursor: r.position.Cursor, Limit: f.limit})
	f.countRequest(err)
	if err != nil {
		return domain.Page{}, err
	}
	if f.emptyPages >= maxEmptyPages && len(page.Records) == 0 && !page.Last {
		return domain.Page{}, badPageError("%d pages in a row without a record, and no end", f.emptyPages+1)
	}
	if f.cycle.isCycle(page.Next) {
		offset := r.position.After(page).Offset
		return domain.Page{}, badPageError("after %d records the API's cursor leads back to where it has been", offset)
	}
	return page, nil
}

func badPageError(format string, args ...any) error {
	return &domain.Error{Kind: domain.BadPage, Op: opFetch, Err: fmt.Errorf(format, args...)}
}

// countRequest counts a request whose result was err. It does not count a request that the source did not send.
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

// wait sleeps until the next attempt. It shortens a wait after a failure to half of the time until the cursor expires, so
// that the next attempt can still use the cursor. It never shortens a wait for the rate limit, because the API would
// refuse the request.
func (f *fetcher) wait(ctx context.Context, cursorExpiresAt time.Time, wait retry.Wait) error {
	if !wait.ForRateLimit() {
		f.traffic.Retries++
		if left := time.Until(cursorExpiresAt); left > 0 {
			wait = wait.Limit(left / 2)
		}
	}
	began := time.Now()
	f.observer.Waiting(wait)
	err := wait.Sleep(ctx)
	f.traffic.Waited += time.Since(began)
	return err
}

// isCursorLost reports whether err says that the API no longer accepts the cursor. The time at which the cursor should
// expire does not count, because only the API knows whether it still accepts the cursor.
func isCursorLost(err error) bool {
	kind := domain.KindOf(err)
	return kind == domain.CursorExpired || kind == domain.CursorInvalid
}

// A passLimit ends a run if several passes in a row lose their cursor before they reach a new record. Without it, a run
// whose cursors expire too soon would read the same pages without end.
type passLimit struct {
	maxOffset int64 // the greatest offset that any pass has reached
	started   bool  // a pass has begun in this run; a cursor that was lost before the run began is not the fault of a pass
	useless   int   // the number of passes in a row that did not get beyond maxOffset
}

// allowNext returns nil if one more pass may begin after the cursor at a position was lost. Otherwise it returns a final
// error of the same kind as lost.
func (l *passLimit) allowNext(position domain.Position, lost error) error {
	switch {
	case position.MaxOffset > l.maxOffset:
		l.maxOffset, l.useless = position.MaxOffset, 0
	case l.started:
		l.useless++
	}
	l.started = true
	if l.useless < maxUselessPasses {
		return nil
	}
	return fmt.Errorf("%d passes in a row got no further than %d records: %w", l.useless, l.maxOffset, lost)
}

// A cycleDetector detects cursors that form a cycle. It needs constant memory, because it saves only one cursor and compares
// each later cursor with it (Brent's algorithm). It saves another cursor after 1, 2, 4, 8 and so on steps. So it detects a
// cycle of n pages at most 3n steps after the cycle begins.
type cycleDetector struct {
	saved domain.Cursor
	steps int // the number of steps since the cursor was saved
	limit int // the number of steps after which another cursor is saved
}

// isCycle reports whether next is the saved cursor.
func (d *cycleDetector) isCycle(next domain.Cursor) bool { return next != "" && next == d.saved }

// advance notes that the page at the cursor next comes next.
func (d *cycleDetector) advance(next domain.Cursor) {
	d.steps++
	if d.steps < d.limit {
		return
	}
	d.saved = next
	d.steps = 0
	d.limit = max(1, 2*d.limit)
}
