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

// A brokenSource is a sound source with one fault.
type brokenSource struct {
	sound *domaintest.ScriptedSource
	fetch func(ctx context.Context, sound *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error)
}

func (b brokenSource) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	return b.fetch(ctx, b.sound, req)
}

// editing breaks whole pages and leaves errors alone.
func editing(edit func(*domain.Page)) func(context.Context, *domaintest.ScriptedSource, domain.PageRequest) (domain.Page, error) {
	return func(ctx context.Context, sound *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
		page, err := sound.FetchPage(ctx, req)
		if err == nil {
			edit(&page)
		}
		return page, err
	}
}

// failing breaks errors and leaves whole pages alone.
func failing(edit func(*domain.Error) error) func(context.Context, *domaintest.ScriptedSource, domain.PageRequest) (domain.Page, error) {
	return func(ctx context.Context, sound *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
		page, err := sound.FetchPage(ctx, req)
		if err != nil {
			err = edit(domain.AsError(err))
		}
		return page, err
	}
}

// TestBrokenSourcesFail shows that the contract tells a sound source from an unsound one.
func TestBrokenSourcesFail(t *testing.T) {
	t.Parallel()
	var shared []byte
	tests := []struct {
		name   string
		fetch  func(context.Context, *domaintest.ScriptedSource, domain.PageRequest) (domain.Page, error)
		caught string // the check that must fail
	}{
		{"records come in another order", editing(func(p *domain.Page) { slices.Reverse(p.Records) }), "a page has its records in order"},
		{"a repeated record is left out", editing(func(p *domain.Page) {
			p.Records = slices.CompactFunc(p.Records, func(a, b domain.Record) bool { return len(a.Payload) == len(b.Payload) })
		}), "a page has its records in order"},
		{"the index is not set", editing(func(p *domain.Page) {
			for i := range p.Records {
				p.Records[i].Index = 0
			}
		}), "a page has its records in order"},
		{"a cursor is edited", editing(func(p *domain.Page) {
			p.Next = domain.Cursor(slices.DeleteFunc([]byte(p.Next), func(c byte) bool { return c == '+' }))
		}), "a page says how the stream goes on"},
		{"a total is made up", editing(func(p *domain.Page) { p.Total.Known = true }), "a page says how the stream goes on"},
		{"a last page keeps a cursor", editing(func(p *domain.Page) {
			if p.Last {
				p.Next = "stale"
			}
		}), "a last page has no cursor"},
		{"an empty page ends the stream", editing(func(p *domain.Page) { p.Last = p.Last || len(p.Records) == 0 }), "an empty page is a page"},
		{"a receipt is missing", editing(func(p *domain.Page) { p.Receipt = domain.Receipt{} }), "a page has a receipt"},
		{
			"a quota outlives its answer",
			func() func(context.Context, *domaintest.ScriptedSource, domain.PageRequest) (domain.Page, error) {
				var known domain.Quota
				return editing(func(p *domain.Page) {
					if p.Receipt.Quota.Limit > 0 {
						known = p.Receipt.Quota
					}
					p.Receipt.Quota = known
				})
			}(),
			"a receipt has the quota that was announced",
		},
		{
			"pages share their bytes",
			editing(func(p *domain.Page) {
				shared = shared[:0]
				for i, r := range p.Records {
					shared = append(shared, r.Payload...)
					p.Records[i].Payload = shared[len(shared)-len(r.Payload):]
				}
			}),
			"a page's bytes belong to the caller",
		},
		{
			"requests are cached",
			func() func(context.Context, *domaintest.ScriptedSource, domain.PageRequest) (domain.Page, error) {
				var cached *domain.Page
				return func(ctx context.Context, sound *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
					if cached != nil {
						return *cached, nil
					}
					page, err := sound.FetchPage(ctx, req)
					cached = &page
					return page, err
				}
			}(),
			"the same request again is answered again",
		},
		{
			"the limit is not passed on",
			func(ctx context.Context, sound *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
				return sound.FetchPage(ctx, domain.PageRequest{Cursor: req.Cursor, Limit: 100})
			},
			"the request arrives as it was made",
		},
		{
			"it tries again by itself",
			func(ctx context.Context, sound *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
				page, err := sound.FetchPage(ctx, req)
				if domain.KindOf(err) == domain.Transient {
					return sound.FetchPage(ctx, req)
				}
				return page, err
			},
			"a failure is one attempt and takes no time",
		},
		{"it sleeps", failing(func(e *domain.Error) error { time.Sleep(time.Second); return e }), "a failure is one attempt and takes no time"},
		{"errors are bare", failing(func(e *domain.Error) error { return e.Err }), "each failure has its kind"},
		{"all errors are transient", failing(func(e *domain.Error) error { e.Kind = domain.Transient; return e }), "each failure has its kind"},
		{
			"a bad page is an empty page",
			func(ctx context.Context, sound *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
				page, err := sound.FetchPage(ctx, req)
				if domain.KindOf(err) == domain.BadPage {
					return domain.Page{Next: "next"}, nil
				}
				return page, err
			},
			"a failure does not spoil the next request",
		},
		{"a refusal is cut to ten seconds", failing(func(e *domain.Error) error {
			e.Until = time.Now().Add(10 * time.Second)
			return e
		}), "a refusal says until when"},
		{"a refusal sets the local clock", failing(func(e *domain.Error) error {
			if e.Until.IsZero() {
				e.Until = time.Now()
			}
			return e
		}), "a refusal that does not say until when holds nothing back"},
		{"what was held back looks sent", failing(func(e *domain.Error) error { e.Unsent = false; return e }), "nothing is sent before a refusal ends"},
		{
			"requests bypass the limit",
			func() func(context.Context, *domaintest.ScriptedSource, domain.PageRequest) (domain.Page, error) {
				return func(ctx context.Context, sound *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
					page, err := sound.FetchPage(ctx, req)
					if e := domain.AsError(err); e != nil && e.Unsent {
						return domaintest.NewScriptedSource(domaintest.PageOf("next")).FetchPage(ctx, req)
					}
					return page, err
				}
			}(),
			"nothing is sent before a refusal ends",
		},
		{
			"the context is not looked at",
			func(ctx context.Context, sound *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
				return sound.FetchPage(context.WithoutCancel(ctx), req)
			},
			"an ended context sends nothing",
		},
		{
			"it finishes what it began",
			func(ctx context.Context, sound *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
				page, err := sound.FetchPage(ctx, req)
				if domain.KindOf(err) == domain.Stopped {
					time.Sleep(time.Second)
				}
				return page, err
			},
			"a context that ends stops the request at once",
		},
		{"a deadline is a fault", failing(func(e *domain.Error) error {
			if errors.Is(e, context.DeadlineExceeded) {
				e.Kind = domain.Transient
			}
			return e
		}), "a deadline stops the request, too"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				under := domaintest.SourceUnderTest{
					Open: func(answers ...domaintest.Answer) (domain.EventSource, domaintest.Upstream) {
						sound := domaintest.NewScriptedSource(answers...)
						return brokenSource{sound, tt.fetch}, sound
					},
				}
				mustFail(t, domaintest.SourceChecks(), tt.caught, under)
			})
		})
	}
}

func mustFail[T any](t *testing.T, checks []domaintest.Check[T], name string, under T) {
	t.Helper()
	for _, check := range checks {
		if check.Name == name {
			if check.Run(t.Context(), under) == nil {
				t.Errorf("check %q passes", name)
			}
			return
		}
	}
	t.Errorf("there is no check %q", name)
}
