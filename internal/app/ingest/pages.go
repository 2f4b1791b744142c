package ingest

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

const opFetch = "fetch page"

// maxEmptyPages is how many pages in a row may hold no record: a page may be empty, a stream of them has lost its way.
const maxEmptyPages = 100

// pages fetches: it is the loop's only waiter. It knows where a pass stands, not what has been stored.
type pages struct {
	source   domain.EventSource
	policy   retry.Policy
	observer WalkObserver
	limit    int
	hold     holdKeeper
	traffic  domain.Traffic // of this run so far
	cycle    cycle          // of this pass
	empty    int            // pages without a record in a row
	current  *request
}

func (r *Runner) newPages() *pages {
	return &pages{source: r.source, policy: r.opts.Retry, observer: r.observer, limit: r.opts.PageSize}
}

// from yields the pages behind at, in order (I6), each with its place, until the pass has reached its end. A cursor the
// upstream no longer takes begins a new pass from the head: what was stored is then received again and counted as
// duplicate (I2). It ends after the first error it yields.
//
// The consumer decides whether a page or an end is believed; after refuse, from fetches the same page again. heldUntil is
// when the rate limit allows the first request, zero if nothing is known.
func (p *pages) from(ctx context.Context, at domain.Position, heldUntil time.Time) iter.Seq2[domain.FetchedPage, error] {
	return func(yield func(domain.FetchedPage, error) bool) {
		restarts := restarts{furthest: at.MaxOffset}
		p.current = p.newRequest(at)
		p.current.refused, p.hold.until = held(heldUntil), heldUntil
		for !p.current.at.Done {
			page, err := p.fetch(ctx, p.current)
			if isDeadCursor(err) {
				if err = restarts.spend(p.current.at, err); err == nil {
					p.current, p.cycle = p.newRequest(p.current.at.NextPass()), cycle{}
					p.observer.PassStarted(p.current.at)
					continue
				}
			}
			if err != nil {
				yield(domain.FetchedPage{}, err)
				return
			}
			step := domain.FetchedPage{From: p.current.at, To: p.current.at.After(page), Page: page}
			step.End.Confirmed = p.current.ends(step.To)
			if !yield(step, nil) {
				return
			}
			if p.current.refused != nil {
				continue
			}
			p.current = p.newRequest(step.To)
			p.cycle.step(step.To.Cursor)
			if p.empty++; len(page.Records) > 0 {
				p.empty = 0
			}
		}
	}
}

// refuse reports whether err means that the last page must be fetched again, and notes it: the page is a bad one, or it
// ends the pass and one answer alone says so. A bad page costs a try.
func (p *pages) refuse(err error) bool {
	kind := domain.KindOf(err)
	if kind != domain.BadPage && kind != domain.Unconfirmed {
		return false
	}
	p.current.refused = err
	return true
}

// A request is one page to fetch, with its retry budget.
type request struct {
	at     domain.Position
	budget *retry.Budget
	before domain.Traffic

	refused    error            // why the last answer, or the request itself, was refused; nil if it was not
	end        *domain.Position // where the last answer said that the pass ends, nil if it did not
	confirming bool             // an end was asked for once more already
}

func (p *pages) newRequest(at domain.Position) *request {
	return &request{at: at, budget: p.policy.Budget(), before: p.traffic}
}

// ends notes where an answer says that the pass ends, and reports whether the answer before said the same. The totals and
// the bytes may differ: some APIs count new events, or put the request's time into their records.
func (r *request) ends(to domain.Position) bool {
	before := r.end
	r.end = nil
	if to.Done {
		r.end = &to
	}
	return before != nil && to.Done && to.SameAs(*before)
}

// takeRefusal returns why the request was refused, and forgets it. It returns nil for the first end that has to be
// confirmed: that is asked for at once, and costs no try.
func (r *request) takeRefusal() error {
	refused := r.refused
	r.refused = nil
	if domain.KindOf(refused) != domain.Unconfirmed {
		return refused
	}
	if !r.confirming {
		r.confirming = true
		return nil
	}
	return &domain.Error{
		Kind: domain.BadPage, Op: opFetch, Hint: "run it again later: the API may be changing",
		Err: fmt.Errorf("the API ends the stream differently in each answer, the last time after %d records", r.end.Offset),
	}
}

// fetch asks for a page until it has a whole one, or an error that is final.
func (p *pages) fetch(ctx context.Context, r *request) (domain.Page, error) {
	for {
		page, err := p.attempt(ctx, r)
		if err == nil {
			page.Receipt.Traffic = p.traffic.Sub(r.before)
			return page, nil
		}
		if err := p.hold.keep(ctx, err); err != nil {
			return domain.Page{}, err
		}
		wait, err := r.budget.Next(err)
		if err != nil {
			return domain.Page{}, err
		}
		if err := p.wait(ctx, r.at, wait); err != nil {
			return domain.Page{}, err
		}
	}
}

// attempt makes one request, and returns BadPage for cursors that lead in a circle. If the last answer was refused, it
// returns why and makes no request.
func (p *pages) attempt(ctx context.Context, r *request) (domain.Page, error) {
	if err := r.takeRefusal(); err != nil {
		return domain.Page{}, err
	}
	p.observer.Fetching(r.at)
	page, err := p.source.FetchPage(ctx, domain.PageRequest{Cursor: r.at.Cursor, Limit: p.limit})
	p.count(err)
	if err != nil {
		return domain.Page{}, err
	}
	if p.empty >= maxEmptyPages && len(page.Records) == 0 && !page.Last {
		return domain.Page{}, badPage("%d pages in a row without a record, and no end", p.empty+1)
	}
	if p.cycle.closes(page.Next) {
		return domain.Page{}, badPage("after %d records the API's cursor leads back to where it has been", r.at.After(page).Offset)
	}
	return page, nil
}

func badPage(format string, args ...any) error {
	return &domain.Error{Kind: domain.BadPage, Op: opFetch, Err: fmt.Errorf(format, args...)}
}

func (p *pages) count(err error) {
	refusal := domain.AsError(err)
	if refusal != nil && refusal.Unsent {
		return
	}
	p.traffic.Requests++
	if refusal != nil && refusal.Kind == domain.RateLimited {
		p.traffic.RateLimited++
	}
}

// wait passes the time until the next try. A backoff does not outsleep a cursor that could still be used; a rate limit
// is waited out in full, since asking earlier is refused.
func (p *pages) wait(ctx context.Context, at domain.Position, wait retry.Wait) error {
	if !wait.ForRateLimit() {
		p.traffic.Retries++
		if left := time.Until(at.CursorExpiresAt); left > 0 {
			wait = wait.AtMost(left / 2)
		}
	}
	began := time.Now()
	p.observer.Waiting(wait)
	err := wait.Sleep(ctx)
	p.traffic.Waited += time.Since(began)
	return err
}
