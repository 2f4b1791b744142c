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
	// maxEmptyPages is how many pages in a row may hold no record: a page may be empty, a stream of them has lost its way.
	maxEmptyPages = 100

	// minHold is the shortest wait for the rate limit that is noted in the store. A run that is started again during a
	// shorter one loses little.
	minHold = 5 * time.Second

	// maxHold bounds what one refusal can do to the runs that follow: an API may be wrong about how long it refuses.
	maxHold = time.Hour
)

// pages fetches: it is the loop's only waiter. It knows where a pass stands, not what has been stored.
type pages struct {
	source   domain.EventSource
	policy   retry.Policy
	observer WalkObserver
	limit    int
	hold     func(context.Context, time.Time) error // notes until when the rate limit holds; may be nil
	traffic  domain.Traffic                         // of this run so far
	cycle    cycle                                  // of this pass
	empty    int                                    // pages without a record in a row

	heldUntil time.Time // as the store knows it

	refused error // why the page that was yielded last is asked for once more, see refuse
}

func (r *Runner) newPages() *pages {
	return &pages{source: r.source, policy: r.opts.Retry, observer: r.observer, limit: r.opts.PageSize}
}

// from yields the pages behind at, in order (I6), each with its place, until the pass has reached its end. A cursor the
// upstream no longer takes begins a new pass from the head: what was stored is then received again and counted as
// duplicate (I2). It ends after the first error it yields.
//
// Whoever takes the pages decides whether a page, and an end above all, is believed: after refuse the same page is asked
// for once more. heldUntil is when the rate limit allows the first request, zero if nothing is known.
func (p *pages) from(ctx context.Context, at domain.Place, heldUntil time.Time) iter.Seq2[domain.Step, error] {
	return func(yield func(domain.Step, error) bool) {
		restarts := restarts{furthest: at.Furthest}
		if p.heldUntil = heldUntil; time.Now().Before(heldUntil) {
			p.refused = &domain.Error{
				Kind: domain.RateLimited, Op: "fetch page", Until: heldUntil, Unsent: true, Err: errHeld,
			}
		}
		for request := p.newRequest(at); !request.at.Done; {
			page, err := p.fetch(ctx, request)
			if isDeadCursor(err) {
				if err = restarts.spend(request.at, err); err == nil {
					request, p.cycle = p.newRequest(request.at.NextPass()), cycle{}
					p.observer.PassStarted(request.at)
					continue
				}
			}
			if err != nil {
				yield(domain.Step{}, err)
				return
			}
			step := domain.Step{From: request.at, To: request.at.After(page), Page: page}
			step.End.Confirmed = request.ends(step.To)
			if !yield(step, nil) {
				return
			}
			if p.refused != nil {
				continue
			}
			request = p.newRequest(step.To)
			p.cycle.step(step.To.Cursor)
			if p.empty++; len(page.Records) > 0 {
				p.empty = 0
			}
		}
	}
}

// refuse has the page that was yielded last asked for once more, and reports whether err is a reason to: the page is a
// bad one, or it ends the pass and one answer alone says so. A bad page costs a try.
func (p *pages) refuse(err error) bool {
	kind := domain.KindOf(err)
	if kind != domain.BadPage && kind != domain.Unconfirmed {
		return false
	}
	p.refused = err
	return true
}

// A request asks for the page at one place, as often as it takes.
type request struct {
	at     domain.Place
	budget *retry.Budget
	before domain.Traffic
	end    *domain.Place // where the last answer said that the pass ends, nil if it did not

	confirming bool // an end was asked for once more already
}

func (p *pages) newRequest(at domain.Place) *request {
	return &request{at: at, budget: p.policy.Budget(), before: p.traffic}
}

// ends notes where an answer says that the pass ends, and reports whether the answer before said the same.
func (r *request) ends(to domain.Place) bool {
	before := r.end
	r.end = nil
	if to.Done {
		r.end = &to
	}
	return before != nil && to == *before
}

// fetch asks for a page until it has a whole one, or an error that is final.
func (p *pages) fetch(ctx context.Context, r *request) (domain.Page, error) {
	for {
		page, err := p.attempt(ctx, r)
		if err == nil {
			page.Receipt.Traffic = p.traffic.Sub(r.before)
			return page, nil
		}
		if err := p.noteHold(ctx, err); err != nil {
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

// attempt makes one request and refuses a way that leads back. If the page was refused after it was yielded, it first
// returns why. Only the first end that has to be confirmed is asked for at once, and costs no try.
func (p *pages) attempt(ctx context.Context, r *request) (domain.Page, error) {
	at, refused := r.at, p.refused
	p.refused = nil
	switch unconfirmed := domain.KindOf(refused) == domain.Unconfirmed; {
	case unconfirmed && r.confirming:
		return domain.Page{}, badPage("each answer says something else: %w", refused)
	case unconfirmed:
		r.confirming = true
	case refused != nil:
		return domain.Page{}, refused
	}
	p.observer.Fetching(at)
	page, err := p.source.FetchPage(ctx, domain.PageRequest{Cursor: at.Cursor, Limit: p.limit})
	p.count(err)
	if err != nil {
		return domain.Page{}, err
	}
	if p.empty >= maxEmptyPages && len(page.Records) == 0 && !page.Last {
		return domain.Page{}, badPage("%d pages in a row without a record, and no end", p.empty+1)
	}
	if p.cycle.closes(page.Next) {
		return domain.Page{}, badPage("after %d records the API's cursor leads back to where it has been", at.After(page).Position)
	}
	return page, nil
}

// noteHold notes for whoever runs next until when the rate limit holds. It returns an error only if the stream is not this
// run's any more; a note that fails otherwise costs the next run one refusal.
func (p *pages) noteHold(ctx context.Context, err error) error {
	if domain.KindOf(err) != domain.RateLimited || p.hold == nil {
		return nil
	}
	until := domain.AsError(err).Until
	if time.Until(until) <= minHold || until.Equal(p.heldUntil) {
		return nil
	}
	p.heldUntil = until
	if latest := time.Now().Add(maxHold); latest.Before(until) {
		until = latest
	}
	err = p.hold(ctx, until)
	if kind := domain.KindOf(err); kind == domain.Fenced || kind == domain.SetBack {
		return err
	}
	return nil
}

// errHeld is why nothing is asked for when a run begins: an earlier run was told so.
var errHeld = errors.New("an earlier run was told to wait")

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
