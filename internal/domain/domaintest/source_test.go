package domaintest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// A fetchFunc is the FetchPage of a source with one fault. good is a source without faults, which the fetchFunc may call.
type fetchFunc func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error)

// A brokenSource is a source with one fault.
type brokenSource struct {
	good  *domaintest.ScriptedSource
	fetch fetchFunc
}

func (b brokenSource) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	return b.fetch(ctx, b.good, req)
}

// editPages returns a fetchFunc that changes the pages of the good source, but not its errors.
func editPages(edit func(*domain.Page)) fetchFunc {
	return func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
		page, err := good.FetchPage(ctx, req)
		if err == nil {
			edit(&page)
		}
		return page, err
	}
}

// editErrors returns a fetchFunc that changes the errors of the good source, but not its pages.
func editErrors(edit func(*domain.Error) error) fetchFunc {
	return func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
		page, err := good.FetchPage(ctx, req)
		if err != nil {
			err = edit(domain.AsError(err))
		}
		return page, err
	}
}

// TestSourceChecks_BrokenSources checks that each fault of a source fails the check that is about this fault.
func TestSourceChecks_BrokenSources(t *testing.T) {
	t.Parallel()
	var shared []byte // the bytes of all pages of the source whose pages share their bytes
	tests := []struct {
		name   string
		fetch  fetchFunc
		caught string // the check that must fail
	}{
		{
			name:   "records come in another order",
			fetch:  editPages(func(p *domain.Page) { slices.Reverse(p.Records) }),
			caught: "a page has its records in order",
		},
		{
			name: "a repeated record is left out",
			fetch: editPages(func(p *domain.Page) {
				p.Records = slices.CompactFunc(p.Records, func(a, b domain.Record) bool { return len(a.Payload) == len(b.Payload) })
			}),
			caught: "a page has its records in order",
		},
		{
			name: "the index is not set",
			fetch: editPages(func(p *domain.Page) {
				for i := range p.Records {
					p.Records[i].Index = 0
				}
			}),
			caught: "a page has its records in order",
		},
		{
			name: "a cursor is edited",
			fetch: editPages(func(p *domain.Page) {
				p.Next = domain.Cursor(slices.DeleteFunc([]byte(p.Next), func(c byte) bool { return c == '+' }))
			}),
			caught: "a page has its cursor, total and expiry",
		},
		{
			name:   "an unknown total is reported as 0",
			fetch:  editPages(func(p *domain.Page) { p.Total.Known = true }),
			caught: "a page has its cursor, total and expiry",
		},
		{
			name: "a last page has a cursor",
			fetch: editPages(func(p *domain.Page) {
				if p.Last {
					p.Next = "stale"
				}
			}),
			caught: "a last page has no cursor",
		},
		{
			name: "an empty page ends the stream",
			fetch: editPages(func(p *domain.Page) {
				if len(p.Records) == 0 {
					p.Last = true
				}
			}),
			caught: "an empty page is not an end",
		},
		{
			name:   "a receipt is missing",
			fetch:  editPages(func(p *domain.Page) { p.Receipt = domain.Receipt{} }),
			caught: "a page has a receipt",
		},
		{
			name: "a quota is repeated in a later receipt",
			fetch: func() fetchFunc {
				var known domain.Quota
				return editPages(func(p *domain.Page) {
					if p.Receipt.Quota.Limit > 0 {
						known = p.Receipt.Quota
					}
					p.Receipt.Quota = known
				})
			}(),
			caught: "a receipt has the quota of its answer",
		},
		{
			name: "pages share their bytes",
			fetch: editPages(func(p *domain.Page) {
				shared = shared[:0]
				for i, r := range p.Records {
					shared = append(shared, r.Payload...)
					p.Records[i].Payload = shared[len(shared)-len(r.Payload):]
				}
			}),
			caught: "a page's bytes belong to the caller",
		},
		{
			name: "requests are cached",
			fetch: func() fetchFunc {
				var cached *domain.Page
				return func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
					if cached != nil {
						return *cached, nil
					}
					page, err := good.FetchPage(ctx, req)
					cached = &page
					return page, err
				}
			}(),
			caught: "a repeated request is sent again",
		},
		{
			name: "the limit is not passed on",
			fetch: func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
				return good.FetchPage(ctx, domain.PageRequest{Cursor: req.Cursor, Limit: 100})
			},
			caught: "the request arrives unchanged",
		},
		{
			name: "it tries again by itself",
			fetch: func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
				page, err := good.FetchPage(ctx, req)
				if domain.KindOf(err) == domain.Transient {
					return good.FetchPage(ctx, req)
				}
				return page, err
			},
			caught: "a failure is one attempt and takes no time",
		},
		{
			name:   "it sleeps",
			fetch:  editErrors(func(e *domain.Error) error { time.Sleep(time.Second); return e }),
			caught: "a failure is one attempt and takes no time",
		},
		{
			name:   "errors are not of type domain.Error",
			fetch:  editErrors(func(e *domain.Error) error { return e.Err }),
			caught: "each failure has its kind",
		},
		{
			name:   "all errors are transient",
			fetch:  editErrors(func(e *domain.Error) error { e.Kind = domain.Transient; return e }),
			caught: "each failure has its kind",
		},
		{
			name: "a bad page is an empty page",
			fetch: func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
				page, err := good.FetchPage(ctx, req)
				if domain.KindOf(err) == domain.BadPage {
					return domain.Page{Next: "next"}, nil
				}
				return page, err
			},
			caught: "a failure does not affect the next request",
		},
		{
			name: "every refusal ends after ten seconds",
			fetch: editErrors(func(e *domain.Error) error {
				e.Until = time.Now().Add(10 * time.Second)
				return e
			}),
			caught: "a refusal says when it ends",
		},
		{
			name: "a refusal without an end ends at once",
			fetch: editErrors(func(e *domain.Error) error {
				if e.Until.IsZero() {
					e.Until = time.Now()
				}
				return e
			}),
			caught: "a refusal without an end does not hold back the next request",
		},
		{
			name:   "a request that was held back is reported as sent",
			fetch:  editErrors(func(e *domain.Error) error { e.Unsent = false; return e }),
			caught: "nothing is sent before a refusal ends",
		},
		{
			name: "requests are sent before a refusal ends",
			fetch: func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
				page, err := good.FetchPage(ctx, req)
				if e := domain.AsError(err); e != nil && e.Unsent {
					return domaintest.NewScriptedSource(domaintest.PageOf("next")).FetchPage(ctx, req)
				}
				return page, err
			},
			caught: "nothing is sent before a refusal ends",
		},
		{
			name: "the context is ignored",
			fetch: func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
				return good.FetchPage(context.WithoutCancel(ctx), req)
			},
			caught: "nothing is sent with an ended context",
		},
		{
			name: "a stopped request returns a second later",
			fetch: func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
				page, err := good.FetchPage(ctx, req)
				if domain.KindOf(err) == domain.Stopped {
					time.Sleep(time.Second)
				}
				return page, err
			},
			caught: "a context that ends stops the request at once",
		},
		{
			name: "a deadline is a transient error",
			fetch: editErrors(func(e *domain.Error) error {
				if errors.Is(e, context.DeadlineExceeded) {
					e.Kind = domain.Transient
				}
				return e
			}),
			caught: "a deadline stops the request at once",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tested := domaintest.SourceUnderTest{
					Open: func(answers ...domaintest.Answer) (domain.EventSource, domaintest.Upstream) {
						good := domaintest.NewScriptedSource(answers...)
						return brokenSource{good: good, fetch: tt.fetch}, good
					},
				}
				wantCheckFails(t, domaintest.SourceChecks(), tt.caught, tested)
			})
		})
	}
}

// wantCheckFails fails the test unless the check with this name returns an error.
func wantCheckFails[T any](t *testing.T, checks []domaintest.Check[T], name string, tested T) {
	t.Helper()
	for _, check := range checks {
		if check.Name == name {
			if check.Run(t.Context(), tested) == nil {
				t.Errorf("check %q: got no error, want one", name)
			}
			return
		}
	}
	t.Errorf("there is no check %q", name)
}
