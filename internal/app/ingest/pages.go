package ingest

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// mostEmpty is how many pages in a row may hold no record: a page may be empty, a stream of them has lost its way.
const mostEmpty = 100

// pages fetches: it is the loop's only waiter. It knows where a pass stands, not what has been stored.
type pages struct {
	source   domain.EventSource
	policy   retry.Policy
	observer WalkObserver
	limit    int
	traffic  domain.Traffic // of this run so far
	cycle    cycle          // of this pass
	empty    int            // pages without a record in a row
}

func (r *Runner) newPages() *pages {
	return &pages{source: r.source, policy: r.opts.Retry, observer: r.observer, limit: r.opts.PageSize}
}

// from yields the pages behind at, in order (I6), each with its place, until the pass has reached an end it believes.
// A cursor the upstream no longer takes begins a new pass from the head: what was stored is then received again and
// counted as duplicate (I2). It ends after the first error it yields.
func (p *pages) from(ctx context.Context, at domain.Place) iter.Seq2[domain.Step, error] {
	return func(yield func(domain.Step, error) bool) {
		restarts := restarts{furthest: at.Furthest}
		for !at.Done {
			page, err := p.fetch(ctx, at)
			if isDeadCursor(err) {
				if err = restarts.spend(at, err); err == nil {
					at, p.cycle = at.NextPass(), cycle{}
					p.observer.PassStarted(at)
					continue
				}
			}
			if err != nil {
				yield(domain.Step{}, err)
				return
			}
			step := domain.Step{From: at, To: at.After(page), Page: page}
			if !yield(step, nil) {
				return
			}
			at = step.To
			p.cycle.step(at.Cursor)
			if p.empty++; len(page.Records) > 0 {
				p.empty = 0
			}
		}
	}
}

// fetch asks for the page at a place until it has a whole one it believes, or an error that is final.
func (p *pages) fetch(ctx context.Context, at domain.Place) (domain.Page, error) {
	budget, before := p.policy.Budget(), p.traffic
	confirming := false
	for {
		p.observer.Fetching(at)
		page, err := p.attempt(ctx, at)
		if err == nil && page.Last && !confirming && doubtful(at.After(page)) {
			confirming = true // ask once more; if it is said again, it is believed
			continue
		}
		if err == nil {
			page.Receipt.Traffic = p.traffic.Sub(before)
			return page, nil
		}
		wait, err := budget.Next(err)
		if err != nil {
			return domain.Page{}, err
		}
		if err := p.wait(ctx, at, wait); err != nil {
			return domain.Page{}, err
		}
	}
}

// doubtful reports whether an end rests on one answer alone: nobody announced a total to hold it against, or only the
// last answer announced one as small.
func doubtful(end domain.Place) bool {
	return !end.AnnouncedFirst.Known || end.Position < end.AnnouncedFirst.N
}

// attempt makes one request and refuses an end that comes before what was announced, and a way that leads back.
func (p *pages) attempt(ctx context.Context, at domain.Place) (domain.Page, error) {
	page, err := p.source.FetchPage(ctx, domain.PageRequest{Cursor: at.Cursor, Limit: p.limit})
	p.count(err)
	if err != nil {
		return domain.Page{}, err
	}
	after := at.After(page)
	if expects := after.Expects(); page.Last && after.Position < expects.N {
		return domain.Page{}, badPage("the API says the stream ends after %d of %d records", after.Position, expects.N)
	}
	if p.empty >= mostEmpty && len(page.Records) == 0 && !page.Last {
		return domain.Page{}, badPage("%d pages in a row without a record, and no end", p.empty+1)
	}
	if p.cycle.closes(page.Next) {
		return domain.Page{}, badPage("after %d records the API's cursor leads back to where it has been", after.Position)
	}
	return page, nil
}

func badPage(format string, args ...any) error {
	return &domain.Error{Kind: domain.BadPage, Op: "fetch page", Err: fmt.Errorf(format, args...)}
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
func (p *pages) wait(ctx context.Context, at domain.Place, wait retry.Wait) error {
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
