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

// openScripted returns a ScriptedSource as the source and as its own upstream.
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

// TestCleanStream checks that NewCleanStream returns all records, in pages of at most the page size and the limit of the request.
// One request for the second page fails first, and the retry must continue there.
func TestCleanStream(t *testing.T) {
	t.Parallel()
	const records, pageSize = 10, 4
	source := domaintest.NewCleanStream(records, pageSize).At("3", domaintest.FailWith(domain.Transient))
	var got []string
	var cursors []domain.Cursor
	req := domain.PageRequest{Limit: 3} // less than pageSize
	for {
		page, err := source.FetchPage(t.Context(), req)
		if domain.KindOf(err) == domain.Transient {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if want := (domain.Total{N: records, Known: true}); page.Total != want {
			t.Fatalf("got total %+v, want %+v", page.Total, want)
		}
		for _, r := range page.Records {
			got = append(got, string(r.Payload))
		}
		if page.Last {
			break
		}
		cursors = append(cursors, page.Next)
		req = domain.PageRequest{Cursor: page.Next, Limit: 100} // more than pageSize
	}
	if want := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}; !slices.Equal(got, want) {
		t.Errorf("got records %v, want %v", got, want)
	}
	if want := []domain.Cursor{"3", "7"}; !slices.Equal(cursors, want) {
		t.Errorf("got cursors %v, want %v", cursors, want)
	}
	source = domaintest.NewCleanStream(records, pageSize)
	if _, err := source.FetchPage(t.Context(), domain.PageRequest{Cursor: "unknown"}); domain.KindOf(err) != domain.CursorInvalid {
		t.Errorf("unknown cursor: got %v, want CursorInvalid", err)
	}
}

// TestScriptedSource_UnexpectedRequests checks that a source answers a request with an unexpected cursor with an error of kind
// Unknown. If it answered with a page, tests would not find readers that read from a wrong position.
func TestScriptedSource_UnexpectedRequests(t *testing.T) {
	t.Parallel()
	script := domaintest.NewScriptedSource
	page := domaintest.PageOf("b", "1")
	tests := []struct {
		name   string
		source *domaintest.ScriptedSource
		asked  []domain.Cursor // the cursors of the requests; only the last one is unexpected
	}{
		{"the first request is not for the head", script(page), []domain.Cursor{"a"}},
		{"the first request is for the head, but the source expects a cursor", script(page).From("a"), []domain.Cursor{""}},
		{"the script has no answer left", script(page), []domain.Cursor{"", "b"}},
		{"the page was already returned", script(page, page), []domain.Cursor{"", ""}},
		{"the cursor is of no page", script(page, page), []domain.Cursor{"", "c"}},
		{"the reader accepts a page that it must not accept", script(page.NotAccepted(), page), []domain.Cursor{"", "b"}},
		{"the reader skips a page that failed", script(page, domaintest.FailWith(domain.BadPage), page), []domain.Cursor{"", "b", "c"}},
		{"the head after a failed page", script(page, domaintest.FailWith(domain.Transient), page), []domain.Cursor{"", "b", ""}},
		{"the head after a last page", script(page, domaintest.LastPageOf("2"), page), []domain.Cursor{"", "b", ""}},
		{"an expired cursor again", script(page, domaintest.FailWith(domain.CursorExpired), page), []domain.Cursor{"", "b", "b"}},
		{"the reader skips a page of a clean stream", domaintest.NewCleanStream(9, 2), []domain.Cursor{"2", "6"}},
		{"the head in the middle of a clean stream", domaintest.NewCleanStream(9, 2), []domain.Cursor{"2", ""}},
		{
			"an invalid cursor of a clean stream again",
			domaintest.NewCleanStream(9, 2).At("2", domaintest.FailWith(domain.CursorInvalid)),
			[]domain.Cursor{"2", "2"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for i, cursor := range tt.asked {
				_, err := tt.source.FetchPage(t.Context(), domain.PageRequest{Cursor: cursor})
				isUnexpected := err != nil && domain.KindOf(err) == domain.Unknown
				isLast := i == len(tt.asked)-1
				if isLast && !isUnexpected {
					t.Errorf("request %d for %q: got error %v, want an error of kind Unknown", i+1, cursor, err)
				}
				if !isLast && isUnexpected {
					t.Errorf("request %d for %q: got error %v, want an answer of the script", i+1, cursor, err)
				}
			}
		})
	}
}

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
			"records come in another order", editPages(func(p *domain.Page) { slices.Reverse(p.Records) }),
			"a page has its records in order",
		},
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
		}), "a page has its cursor, total and expiry"},
		{
			"an unknown total is reported as 0", editPages(func(p *domain.Page) { p.Total.Known = true }),
			"a page has its cursor, total and expiry",
		},
		{"a last page has a cursor", editPages(func(p *domain.Page) {
			if p.Last {
				p.Next = "stale"
			}
		}), "a last page has no cursor"},
		{"an empty page ends the stream", editPages(func(p *domain.Page) {
			if len(p.Records) == 0 {
				p.Last = true
			}
		}), "an empty page is not an end"},
		{"a receipt is missing", editPages(func(p *domain.Page) { p.Receipt = domain.Receipt{} }), "a page has a receipt"},
		{
			"a quota is repeated in a later receipt",
			func() fetchFunc {
				var known domain.Quota
				return editPages(func(p *domain.Page) {
					if p.Receipt.Quota.Limit > 0 {
						known = p.Receipt.Quota
					}
					p.Receipt.Quota = known
				})
			}(),
			"a receipt has the quota of its answer",
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
			"a repeated request is sent again",
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
		{"errors are not of type domain.Error", editErrors(func(e *domain.Error) error { return e.Err }), "each failure has its kind"},
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
		{"every refusal ends after ten seconds", editErrors(func(e *domain.Error) error {
			e.Until = time.Now().Add(10 * time.Second)
			return e
		}), "a refusal says when it ends"},
		{"a refusal without an end ends at once", editErrors(func(e *domain.Error) error {
			if e.Until.IsZero() {
				e.Until = time.Now()
			}
			return e
		}), "a refusal without an end does not hold back the next request"},
		{
			"a request that was held back is reported as sent", editErrors(func(e *domain.Error) error { e.Unsent = false; return e }),
			"nothing is sent before a refusal ends",
		},
		{
			"requests are sent before a refusal ends",
			func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
				page, err := good.FetchPage(ctx, req)
				if e := domain.AsError(err); e != nil && e.Unsent {
					return domaintest.NewScriptedSource(domaintest.PageOf("next")).FetchPage(ctx, req)
				}
				return page, err
			},
			"nothing is sent before a refusal ends",
		},
		{
			"the context is ignored",
			func(ctx context.Context, good *domaintest.ScriptedSource, req domain.PageRequest) (domain.Page, error) {
				return good.FetchPage(context.WithoutCancel(ctx), req)
			},
			"nothing is sent with an ended context",
		},
		{
			"a stopped request returns a second later",
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
				tested := domaintest.SourceUnderTest{
					Open: func(answers ...domaintest.Answer) (domain.EventSource, domaintest.Upstream) {
						good := domaintest.NewScriptedSource(answers...)
						return brokenSource{good, tt.fetch}, good
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
