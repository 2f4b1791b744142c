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

func openScripted(answers ...domaintest.Answer) (domain.EventSource, domaintest.Upstream) {
	s := domaintest.NewScriptedSource(answers...)
	return s, s
}

func TestScriptedSource(t *testing.T) {
	t.Parallel()
	domaintest.RunSourceChecks(t, func(*testing.T) domaintest.SourceUnderTest {
		return domaintest.SourceUnderTest{Open: openScripted}
	})
}

func TestCleanStream(t *testing.T) {
	t.Parallel()
	source := domaintest.NewCleanStream(10, 4).At("4", domaintest.FailWith(domain.Transient))
	var got []string
	var cursors []domain.Cursor
	req := domain.PageRequest{Limit: 3}
	for {
		page, err := source.FetchPage(t.Context(), req)
		if domain.KindOf(err) == domain.Transient {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if page.Total != (domain.Total{N: 10, Known: true}) {
			t.Fatalf("got total %+v", page.Total)
		}
		for _, r := range page.Records {
			got = append(got, string(r.Payload))
		}
		if page.Last {
			break
		}
		cursors = append(cursors, page.Next)
		req = domain.PageRequest{Cursor: page.Next, Limit: 100}
	}
	if want := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}; !slices.Equal(got, want) {
		t.Errorf("got records %v, want %v", got, want)
	}
	if want := []domain.Cursor{"3", "7"}; !slices.Equal(cursors, want) {
		t.Errorf("got cursors %v, want %v", cursors, want)
	}
	fresh := domaintest.NewCleanStream(10, 4)
	if _, err := fresh.FetchPage(t.Context(), domain.PageRequest{Cursor: "foreign"}); domain.KindOf(err) != domain.CursorInvalid {
		t.Errorf("foreign cursor: got %v, want CursorInvalid", err)
	}
}

// TestScriptedSource_UnexpectedRequests: a source that answered them would hide a reader with a wrong position.
func TestScriptedSource_UnexpectedRequests(t *testing.T) {
	t.Parallel()
	script := domaintest.NewScriptedSource
	page := domaintest.PageOf("b", "1")
	tests := []struct {
		name   string
		source *domaintest.ScriptedSource
		asked  []domain.Cursor // all but the last one are answered
	}{
		{"a page in the middle first", script(page), []domain.Cursor{"a"}},
		{"the head where a run continues", script(page).From("a"), []domain.Cursor{""}},
		{"past the script", script(page), []domain.Cursor{"", "b"}},
		{"a page that was given already", script(page, page), []domain.Cursor{"", ""}},
		{"a cursor that no page led to", script(page, page), []domain.Cursor{"", "c"}},
		{"after a page that must not be accepted", script(page.NotAccepted(), page), []domain.Cursor{"", "b"}},
		{"after a page that failed", script(page, domaintest.FailWith(domain.BadPage), page), []domain.Cursor{"", "b", "c"}},
		{"the head after a failure", script(page, domaintest.FailWith(domain.Transient), page), []domain.Cursor{"", "b", ""}},
		{"the head after an end", script(page, domaintest.LastPageOf("2"), page), []domain.Cursor{"", "b", ""}},
		{"a lost cursor again", script(page, domaintest.FailWith(domain.CursorExpired), page), []domain.Cursor{"", "b", "b"}},
		{"a page of a clean stream left out", domaintest.NewCleanStream(9, 2), []domain.Cursor{"2", "6"}},
		{"the head in the middle of a clean stream", domaintest.NewCleanStream(9, 2), []domain.Cursor{"2", ""}},
		{
			"a lost cursor of a clean stream again",
			domaintest.NewCleanStream(9, 2).At("2", domaintest.FailWith(domain.CursorInvalid)),
			[]domain.Cursor{"2", "2"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for i, cursor := range tt.asked {
				_, err := tt.source.FetchPage(t.Context(), domain.PageRequest{Cursor: cursor})
				if unexpected := err != nil && domain.KindOf(err) == domain.Unknown; unexpected != (i == len(tt.asked)-1) {
					t.Errorf("request %d for %q: got %v", i+1, cursor, err)
				}
			}
		})
	}
}

// A fetchFunc is a FetchPage with one fault. It may use good.
type fetchFunc func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error)

// A brokenSource is a source with one fault.
type brokenSource struct {
	good  *domaintest.ScriptedSource
	fetch fetchFunc
}

func (b brokenSource) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	return b.fetch(ctx, b.good, req)
}

// editPages changes pages and leaves errors alone.
func editPages(edit func(*domain.Page)) fetchFunc {
	return func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
		page, err := good.FetchPage(ctx, req)
		if err == nil {
			edit(&page)
		}
		return page, err
	}
}

// editErrors changes errors and leaves pages alone.
func editErrors(edit func(*domain.Error) error) fetchFunc {
	return func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
		page, err := good.FetchPage(ctx, req)
		if err != nil {
			err = edit(domain.AsError(err))
		}
		return page, err
	}
}

// TestSourceChecks_BrokenSources shows that each fault of a source fails a check.
func TestSourceChecks_BrokenSources(t *testing.T) {
	t.Parallel()
	var shared []byte
	tests := []struct {
		name   string
		fetch  fetchFunc
		caught string // the check that must fail
	}{
		{"records come in another order", editPages(func(p *domain.Page) { slices.Reverse(p.Records) }), "a page has its records in order"},
		{"a repeated record is left out", editPages(func(p *domain.Page) {
			p.Records = slices.CompactFunc(p.Records, func(a, b domain.Record) bool { return len(a.Payload) == len(b.Payload) })
		}), "a page has its records in order"},
		{"the index is not set", editPages(func(p *domain.Page) {
			for i := range p.Records {
				p.Records[i].Index = 0
			}
		}), "a page has its records in order"},
		{"a cursor is edited", editPages(func(p *domain.Page) {
			p.Next = domain.Cursor(slices.DeleteFunc([]byte(p.Next), func(c byte) bool { return c == '+' }))
		}), "a page has cursor, total and expiry"},
		{"a total is made up", editPages(func(p *domain.Page) { p.Total.Known = true }), "a page has cursor, total and expiry"},
		{"a last page keeps a cursor", editPages(func(p *domain.Page) {
			if p.Last {
				p.Next = "stale"
			}
		}), "a last page has no cursor"},
		{"an empty page ends the stream", editPages(func(p *domain.Page) { p.Last = p.Last || len(p.Records) == 0 }), "an empty page is a page"},
		{"a receipt is missing", editPages(func(p *domain.Page) { p.Receipt = domain.Receipt{} }), "a page has a receipt"},
		{
			"a quota outlives its answer",
			func() fetchFunc {
				var known domain.Quota
				return editPages(func(p *domain.Page) {
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
			editPages(func(p *domain.Page) {
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
			func() fetchFunc {
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
			"the same request again is sent again",
		},
		{
			"the limit is not passed on",
			func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
				return good.FetchPage(ctx, domain.PageRequest{Cursor: req.Cursor, Limit: 100})
			},
			"the request arrives unchanged",
		},
		{
			"it tries again by itself",
			func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
				page, err := good.FetchPage(ctx, req)
				if domain.KindOf(err) == domain.Transient {
					return good.FetchPage(ctx, req)
				}
				return page, err
			},
			"a failure is one attempt and takes no time",
		},
		{
			"it sleeps", editErrors(func(e *domain.Error) error { time.Sleep(time.Second); return e }),
			"a failure is one attempt and takes no time",
		},
		{"errors are bare", editErrors(func(e *domain.Error) error { return e.Err }), "each failure has its kind"},
		{
			"all errors are transient", editErrors(func(e *domain.Error) error { e.Kind = domain.Transient; return e }),
			"each failure has its kind",
		},
		{
			"a bad page is an empty page",
			func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
				page, err := good.FetchPage(ctx, req)
				if domain.KindOf(err) == domain.BadPage {
					return domain.Page{Next: "next"}, nil
				}
				return page, err
			},
			"a failure does not affect the next request",
		},
		{"a refusal is cut to ten seconds", editErrors(func(e *domain.Error) error {
			e.Until = time.Now().Add(10 * time.Second)
			return e
		}), "a refusal has its end"},
		{"a refusal sets the local clock", editErrors(func(e *domain.Error) error {
			if e.Until.IsZero() {
				e.Until = time.Now()
			}
			return e
		}), "a refusal without an end holds nothing back"},
		{
			"a held back request looks sent", editErrors(func(e *domain.Error) error { e.Unsent = false; return e }),
			"nothing is sent before a refusal ends",
		},
		{
			"requests bypass the limit",
			func() fetchFunc {
				return func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
					page, err := good.FetchPage(ctx, req)
					if e := domain.AsError(err); e != nil && e.Unsent {
						return domaintest.NewScriptedSource(domaintest.PageOf("next")).FetchPage(ctx, req)
					}
					return page, err
				}
			}(),
			"nothing is sent before a refusal ends",
		},
		{
			"the context is ignored",
			func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
				return good.FetchPage(context.WithoutCancel(ctx), req)
			},
			"an ended context sends nothing",
		},
		{
			"a stopped request takes longer",
			func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
				page, err := good.FetchPage(ctx, req)
				if domain.KindOf(err) == domain.Stopped {
					time.Sleep(time.Second)
				}
				return page, err
			},
			"a context that ends stops the request at once",
		},
		{"a deadline is a transient error", editErrors(func(e *domain.Error) error {
			if errors.Is(e, context.DeadlineExceeded) {
				e.Kind = domain.Transient
			}
			return e
		}), "a deadline stops the request at once"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				under := domaintest.SourceUnderTest{
					Open: func(answers ...domaintest.Answer) (domain.EventSource, domaintest.Upstream) {
						good := domaintest.NewScriptedSource(answers...)
						return brokenSource{good, tt.fetch}, good
					},
				}
				wantCheckFails(t, domaintest.SourceChecks(), tt.caught, under)
			})
		})
	}
}

func wantCheckFails[T any](t *testing.T, checks []domaintest.Check[T], name string, under T) {
	t.Helper()
	for _, check := range checks {
		if check.Name == name {
			if check.Run(t.Context(), under) == nil {
				t.Errorf("check %q passes, want an error", name)
			}
			return
		}
	}
	t.Errorf("there is no check %q", name)
}
