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

	// maxEmptyPages is the greatest number of pages in a row that may have no record. Some pages may be empty, but an API that
	// returns more empty pages in a row has a fault.
	maxEmptyPages = 100
)

// A fetcher fetches the pages of a stream, from one position to the end of a pass. It waits if the rate limit refuses a request or
// a request fails. It does not know which pages are stored.
type fetcher struct {
	source      domain.EventSource
	policy      retry.Policy
	observer    FetchObserver
	pageSize    int  // the number of records to ask for in one page
	knownStream bool // the stream has records, even if the fetcher begins at the head
	hold        holdSaver
	recovery    recovery
	traffic     domain.Traffic // counts all requests of this fetcher so far
	fetching    time.Duration  // the time that all requests of this fetcher took so far
	next        *request       // the request for the page that pages yields next
}

// A fetchedPage is a page that a fetcher has fetched, with the request for it.
type fetchedPage struct {
	domain.FetchedPage

	request *request
}

// newFetcher returns a fetcher whose first page begins at the position start. It sends no request before heldUntil, the end of a hold
// that an earlier run has stored. heldUntil is zero if there is none.
func newFetcher(
	source domain.EventSource, observer FetchObserver, policy retry.Policy, pageSize int, start domain.Position, heldUntil time.Time,
) *fetcher {
	f := &fetcher{source: source, policy: policy, observer: observer, pageSize: pageSize}
	f.recovery.maxOffset = start.MaxOffset
	f.hold.lastEnd = heldUntil
	f.next = f.newRequest(start)
	f.next.refetchReason = heldError(heldUntil)
	return f
}

// pages yields the pages from the next request on, in order (I6), until the end of the pass. If the API no longer accepts the
// cursor, or the cursor leads in a circle, pages steps back to an earlier page or begins a new pass at the head of the stream, see recovery.
// Records that are stored already are then received again and count as duplicate (I2). If pages yields an error, the iteration ends.
//
// A consumer that does not accept a page calls refetch. If this is the page that pages yielded last, the iteration then continues with
// another answer to the same request. For an earlier page, the consumer must first end the iteration, and then call pages again.
func (f *fetcher) pages(ctx context.Context) iter.Seq2[fetchedPage, error] {
	return func(yield func(fetchedPage, error) bool) {
		for !f.next.position.Done {
			r := f.next
			page, err := f.fetch(ctx, r)
			if isCursorLost(err) {
				if err = f.recover(ctx, r, err); err == nil {
					continue
				}
			}
			if err != nil {
				yield(fetchedPage{}, err)
				return
			}
			fetched := domain.FetchedPage{From: r.position, To: r.position.After(page), Page: page}
			f.next = f.requestAfter(r, fetched)
			if !yield(fetchedPage{FetchedPage: fetched, request: r}, nil) {
				return
			}
		}
	}
}

// recover makes pages go on elsewhere after the cursor of the request r was lost. It returns a final error if that cannot help.
func (f *fetcher) recover(ctx context.Context, r *request, lost error) error {
	next, err := f.recovery.next(ctx, r.position, lost)
	if err != nil {
		return err
	}
	f.next = f.newRequest(next)
	if domain.KindOf(r.refetchReason) == domain.RateLimited { // no request was sent yet, and the limit still forbids one
		f.next.refetchReason = r.refetchReason
	}
	f.observer.CursorLost(next)
	return nil
}

// needsOtherAnswer reports whether err, an error of the store, means that a page must be fetched again.
func needsOtherAnswer(err error) bool {
	kind := domain.KindOf(err)
	return kind == domain.BadPage || kind == domain.Unconfirmed
}

// refetch makes pages continue with another answer to the request r. err is the reason, for which needsOtherAnswer returns true.
func (f *fetcher) refetch(r *request, err error) {
	isEnd := domain.KindOf(err) == domain.Unconfirmed || domain.AsError(err).ShortEnd
	if !isEnd {
		r.end = nil // the answer repeats an earlier page, so the next answer must not be compared with it
	}
	r.refetchReason = err
	f.next = r
}

// errHeld is the reason for the wait of a run that begins during a hold.
var errHeld = errors.New("the API has asked an earlier run to wait")

// heldError returns RateLimited if the time heldUntil is in the future, otherwise nil.
func heldError(heldUntil time.Time) error {
	if !time.Now().Before(heldUntil) {
		return nil
	}
	return &domain.Error{
		Kind: domain.RateLimited, Code: domain.CodeRateLimited, Op: opFetch, Until: heldUntil, Unsent: true, Err: errHeld,
	}
}

// A request is the work of fetching one page. It may take several attempts.
type request struct {
	position      domain.Position // the page begins here
	budget        *retry.Budget
	trafficBefore domain.Traffic // the traffic of the fetcher before the first attempt
	cycle         cycleDetector  // detects cycles of cursors in this pass
	emptyPages    int            // the number of empty pages in a row just before this page

	lost          error    // the reason for which the cursor is not even tried; nil if it is
	refetchReason error    // the error that made the consumer call refetch, or the hold at the start; nil if there is none
	end           *endPage // the answers in a row that ended the pass, up to the last answer; nil if the last answer did not end it
	otherAPI      int      // the number of answers that had nothing of a page
	confirming    bool     // the page was fetched again at least once to confirm the end of the pass
}

// newRequest returns the request for the first page of a run or of a pass.
func (f *fetcher) newRequest(position domain.Position) *request {
	return &request{position: position, budget: f.policy.Budget(), trafficBefore: f.traffic}
}

// checkOtherAPI returns an Invalid error if the second answer to the first request of a stream has nothing of a page, or the first answer
// if the policy allows only one attempt. Then the address is probably wrong, and further attempts cannot help. In a stream with records
// such answers may come from a broken proxy.
func (f *fetcher) checkOtherAPI(r *request, err error) error {
	failure := domain.AsError(err)
	hasRecords := f.knownStream || r.position.MaxOffset > 0 || r.position.Offset > 0
	if domain.KindOf(err) != domain.BadPage || !failure.OtherAPI || hasRecords {
		return nil
	}
	r.otherAPI++
	const enough = 2
	if r.otherAPI < min(enough, f.policy.Tries) {
		return nil
	}
	invalid := *failure
	invalid.Kind = domain.Invalid
	return &invalid
}

// requestAfter returns the request for the page that follows fetched, the answer to r.
func (f *fetcher) requestAfter(r *request, fetched domain.FetchedPage) *request {
	next := f.newRequest(fetched.To)
	next.cycle = r.cycle.advance(fetched.To.Cursor)
	if len(fetched.Page.Records) == 0 {
		next.emptyPages = r.emptyPages + 1
	}
	return next
}

// compareEnds compares a page, an answer to this request, with the earlier answers. If the page ends its pass and the answer before it
// did so too, compareEnds returns one of these results:
//   - The end is disputed if the page lacks a record of the earlier answers in a row that ended the pass. The record would be lost.
//   - Otherwise the end is confirmed if the page and the answer before it end at the same offset, or if the page reaches the first
//     announced total. So the stream may grow between two answers. But below that total, two answers must have the same end.
//
// compareEnds compares only the event ids and the number of records without an id. Totals and bytes may differ, because some APIs
// count new events, or write the time of the request into the records.
func (r *request) compareEnds(page domain.DecodedPage) (end domain.EndEvidence) {
	previous := r.end
	r.end = nil
	if !page.To.Done {
		return end
	}
	r.end = newEndPage(page)
	if previous == nil {
		return end
	}
	if !r.end.contains(previous) {
		r.end.add(previous)
		end.Disputed = true
		return end
	}
	isSameEnd := page.To.Offset == previous.offset
	reachesTotal := page.To.Offset >= page.To.AnnouncedFirst.N
	end.Confirmed = isSameEnd || reachesTotal
	return end
}

// An endPage describes an answer that ends its pass, for comparison with the next answer to the same request.
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

// takeRefetchReason returns refetchReason and sets the field to nil. But instead of an error of kind Unconfirmed it returns:
//   - the first time, nil: the page is fetched again at once, and the answer before does not count as a failed attempt
//   - later, BadPage: the answer before counts as a failed attempt
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
		Kind: domain.BadPage, Code: domain.CodeAPIEndUnconfirmed, Op: opFetch, Hint: "run it again later: the API may be changing",
		Err: fmt.Errorf("the API ends the stream differently in each answer, the last time after %d records", r.end.offset),
	}
}

// fetch makes attempts to fetch a page, with waits between them, until one succeeds or the error is final.
func (f *fetcher) fetch(ctx context.Context, r *request) (domain.Page, error) {
	if r.lost != nil {
		return domain.Page{}, r.lost
	}
	for {
		page, err := f.attempt(ctx, r)
		if err == nil {
			page.Receipt.Traffic = f.traffic.Sub(r.trafficBefore)
			return page, nil
		}
		if err := f.hold.saveAfter(ctx, err); err != nil {
			return domain.Page{}, err
		}
		if err := f.checkOtherAPI(r, err); err != nil {
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
// empty. If takeRefetchReason returns an error, attempt sends no request and returns this error, so that fetch waits before it
// calls attempt again.
func (f *fetcher) attempt(ctx context.Context, r *request) (domain.Page, error) {
	if err := r.takeRefetchReason(); err != nil {
		return domain.Page{}, err
	}
	f.observer.Fetching(r.position)
	began := time.Now()
	page, err := f.source.FetchPage(ctx, domain.PageRequest{Cursor: r.position.Cursor, Limit: f.pageSize})
	f.fetching += time.Since(began)
	f.countRequest(err)
	if err != nil {
		return domain.Page{}, err
	}
	isEmpty := len(page.Records) == 0 && !page.Last
	if isEmpty && r.emptyPages >= maxEmptyPages {
		return domain.Page{}, badPageError("%d pages in a row without a record, and no end", r.emptyPages+1)
	}
	if r.cycle.isCycle(page.Next) {
		offset := r.position.After(page).Offset
		return domain.Page{}, repeatsError("after %d records the API's cursor leads back to where it has been", offset)
	}
	return page, nil
}

func badPageError(format string, args ...any) error {
	return &domain.Error{Kind: domain.BadPage, Code: domain.CodeAPIBadPage, Op: opFetch, Err: fmt.Errorf(format, args...)}
}

// repeatsError returns the BadPage error of a page that leads back to earlier pages of its pass.
func repeatsError(format string, args ...any) error {
	return &domain.Error{
		Kind: domain.BadPage, Code: domain.CodeAPIPageRepeated, Op: opFetch, Repeats: true, Err: fmt.Errorf(format, args...),
	}
}

// countRequest counts a request with the result err, unless the source did not send the request.
func (f *fetcher) countRequest(err error) {
	failure := domain.AsError(err)
	if failure != nil && failure.Unsent {
		return
	}
	f.traffic.Requests++
	if failure != nil && failure.Kind == domain.RateLimited {
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
