package telemetry_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// shaky is a store whose first commits go wrong.
type shaky struct {
	domain.EventStore

	failures []func(commit func() (domain.CommitResult, error)) (domain.CommitResult, error)
}

func (s *shaky) Commit(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
	commit := func() (domain.CommitResult, error) { return s.EventStore.Commit(ctx, b) }
	if len(s.failures) == 0 {
		return commit()
	}
	next := s.failures[0]
	s.failures = s.failures[1:]
	return next(commit)
}

func refuses(func() (domain.CommitResult, error)) (domain.CommitResult, error) {
	return domain.CommitResult{}, &domain.Error{Kind: domain.Transient, Op: "commit", Err: errors.New("as scripted")}
}

func isNotAnswered(commit func() (domain.CommitResult, error)) (domain.CommitResult, error) {
	_, err := commit()
	return domain.CommitResult{}, &domain.Error{Kind: domain.Uncertain, Op: "commit", Err: errors.Join(errors.New("as scripted"), err)}
}

// TestTraces is the shape of the traces: every page that was asked for has one, which tells all that happened to it.
func TestTraces(t *testing.T) {
	t.Parallel()
	type answers = []domaintest.Answer
	one, last := domaintest.PageOf("c1", "1", "2"), domaintest.LastPageOf("3").Announcing(3)
	onePage := domaintest.LastPageOf("1").Announcing(1)
	const plain = "waited_seconds=0"
	tests := []struct {
		name    string
		answers answers
		store   func(*shaky)
		pages   []string // a trace a line
		ledger  []int    // of these, by index, those whose page is in the ledger
		run     string
		kind    domain.Kind
	}{
		{
			name: "two pages", answers: answers{one, last},
			pages: []string{
				"pawl page seq=1 requests=1 retries=0 rate_limited=0 " + plain + ", GET response.status_code=200, commit",
				"pawl page seq=2 requests=1 retries=0 rate_limited=0 " + plain + ", GET response.status_code=200, commit",
			},
			ledger: []int{0, 1},
			run:    "pawl run done=true pages=2 received=3 inserted=3 requests=2",
		},
		{
			name:    "a page that took four requests",
			answers: answers{domaintest.FailWith(domain.Transient).WithStatus(503), domaintest.RefuseFor(8 * time.Second).WithStatus(429), domaintest.FailWith(domain.BadPage).WithStatus(200), onePage},
			pages: []string{
				"pawl page seq=1 requests=4 retries=2 rate_limited=1 waited_seconds=8.75, " +
					"waiting type=transient wait_seconds=0.25, waiting type=rate_limited wait_seconds=8, waiting type=bad_page wait_seconds=0.5, " +
					"GET response.status_code=503 type=503, GET response.status_code=429 type=429, " +
					"GET response.status_code=200 type=bad_page, GET response.status_code=200, commit",
			},
			ledger: []int{0},
			run:    "pawl run done=true pages=1 received=1 inserted=1 requests=4",
		},
		{
			name:    "a request that was not answered",
			answers: answers{domaintest.FailWith(domain.Transient), onePage},
			pages: []string{
				"pawl page seq=1 requests=2 retries=1 rate_limited=0 waited_seconds=0.25, waiting type=transient wait_seconds=0.25, " +
					"GET type=transient, GET response.status_code=200, commit",
			},
			ledger: []int{0},
			run:    "pawl run done=true pages=1 received=1 inserted=1 requests=2",
		},
		{
			name:    "a cursor that died",
			answers: answers{one, domaintest.FailWith(domain.CursorExpired).WithStatus(400), one, last},
			pages: []string{
				"pawl page seq=1 requests=1 retries=0 rate_limited=0 " + plain + ", GET response.status_code=200, commit",
				"pawl page type=cursor_expired, GET response.status_code=400 type=400",
				"pawl page seq=2 requests=1 retries=0 rate_limited=0 " + plain + ", GET response.status_code=200, commit",
				"pawl page seq=3 requests=1 retries=0 rate_limited=0 " + plain + ", GET response.status_code=200, commit",
			},
			ledger: []int{0, 2, 3},
			run:    "pawl run done=true pages=3 received=5 inserted=3 requests=4",
		},
		{
			name: "commits that went wrong", answers: answers{one, last},
			store: func(s *shaky) { s.failures = append(s.failures, refuses, isNotAnswered) },
			pages: []string{
				"pawl page seq=1 requests=1 retries=0 rate_limited=0 " + plain + ", waiting type=transient wait_seconds=0.25, " +
					"waiting type=uncertain wait_seconds=0.5, GET response.status_code=200, commit type=transient, commit type=uncertain",
				"pawl page seq=2 requests=1 retries=0 rate_limited=0 " + plain + ", GET response.status_code=200, commit",
			},
			ledger: []int{0, 1},
			run:    "pawl run done=true pages=2 received=3 inserted=3 requests=2",
		},
		{
			name:    "an API that keeps failing",
			answers: answers{one, domaintest.FailWith(domain.Transient).WithStatus(500), domaintest.FailWith(domain.Transient).WithStatus(500), domaintest.FailWith(domain.Transient).WithStatus(500)},
			pages: []string{
				"pawl page seq=1 requests=1 retries=0 rate_limited=0 " + plain + ", GET response.status_code=200, commit",
				"pawl page type=transient, waiting type=transient wait_seconds=0.25, waiting type=transient wait_seconds=0.5, " +
					"GET response.status_code=500 type=500, GET response.status_code=500 type=500, GET response.status_code=500 type=500",
			},
			ledger: []int{0},
			run:    "pawl run done=false pages=1 received=2 inserted=2 requests=4 type=transient",
			kind:   domain.Transient,
		},
		{
			name: "records that cannot be read", answers: answers{domaintest.LastPageOf(slices.Repeat([]string{"nonsense"}, 10)...).Announcing(10)},
			pages: []string{"pawl page type=rejected, GET response.status_code=200"},
			run:   "pawl run done=false pages=0 received=0 inserted=0 requests=1 type=rejected",
			kind:  domain.TooManyRejects,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(domaintest.NewScriptedSource(tt.answers...))
				if tt.store != nil {
					s := &shaky{EventStore: b.store}
					tt.store(s)
					b.store = s
				}
				spans, err := b.traced(t)
				if (err != nil || tt.kind != domain.Unknown) && domain.KindOf(err) != tt.kind {
					t.Fatalf("the run ended with %v", err)
				}
				pages := named(spans, "pawl page")
				var got, stored []string
				for i, page := range pages {
					got = append(got, strings.Join(lines(spans, page), ", "))
					if slices.Contains(tt.ledger, i) {
						stored = append(stored, page.SpanContext.TraceID().String())
					}
				}
				if !slices.Equal(got, tt.pages) {
					t.Errorf("the traces are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.pages, "\n"))
				}
				if ids := b.traceIDs(); !slices.Equal(ids, stored) {
					t.Errorf("the ledger names the traces %v, want %v", ids, stored)
				}
				runs := named(spans, "pawl run")
				if len(runs) != 1 {
					t.Fatalf("%d spans of the run", len(runs))
				}
				if got := line(runs[0], "pawl.done", "pawl.pages", "pawl.received", "pawl.inserted", "pawl.requests", "error.type"); got != tt.run {
					t.Errorf("the run is %q, want %q", got, tt.run)
				}
			})
		})
	}
}

// held is a source that holds its first request back, as for the rate limit.
type held struct {
	domain.EventSource

	asked bool
}

func (h *held) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	if h.asked {
		return h.EventSource.FetchPage(ctx, req)
	}
	h.asked = true
	return domain.Page{}, &domain.Error{
		Kind: domain.RateLimited, Op: "fetch", Until: time.Now().Add(4 * time.Second), Unsent: true, Err: errors.New("as scripted"),
	}
}

// TestWhatWasNotSentIsNoRequest: being held back is a wait in the page's trace, and no client span.
func TestWhatWasNotSentIsNoRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		spans, err := newBench(&held{EventSource: domaintest.NewCleanStream(1, 1)}).traced(t)
		if err != nil {
			t.Fatal(err)
		}
		page := named(spans, "pawl page")[0]
		want := "pawl page seq=1 requests=1 retries=0 rate_limited=0 waited_seconds=4, " +
			"waiting type=rate_limited wait_seconds=4, GET response.status_code=200, commit"
		if got := strings.Join(lines(spans, page), ", "); got != want {
			t.Errorf("the trace is\n%s\nwant\n%s", got, want)
		}
		if began := named(spans, "GET")[0].StartTime; began.Sub(page.StartTime) != 4*time.Second {
			t.Errorf("the request began %s after its page", began.Sub(page.StartTime))
		}
	})
}

// TestPagesAreApartAndLinked: a trace for each page and one for the run, which each page's links to.
func TestPagesAreApartAndLinked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		spans, err := newBench(domaintest.NewCleanStream(10, 2)).traced(t)
		if err != nil {
			t.Fatal(err)
		}
		run := named(spans, "pawl run")[0]
		traces := map[trace.TraceID]bool{run.SpanContext.TraceID(): true}
		for _, page := range named(spans, "pawl page") {
			if page.Parent.IsValid() {
				t.Error("a page's trace has a parent")
			}
			if len(page.Links) != 1 || !page.Links[0].SpanContext.Equal(run.SpanContext) {
				t.Errorf("a page's links are %v", page.Links)
			}
			traces[page.SpanContext.TraceID()] = true
		}
		if len(traces) != 6 {
			t.Errorf("%d traces for five pages and a run", len(traces))
		}
	})
}

// TestRequestsByConvention holds the client spans to OpenTelemetry's names, and to what must not be in them.
func TestRequestsByConvention(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answers := []domaintest.Answer{domaintest.PageOf("secret-cursor", "1"), domaintest.LastPageOf("2").Announcing(2)}
		spans, err := newBench(domaintest.NewScriptedSource(answers...)).traced(t)
		if err != nil {
			t.Fatal(err)
		}
		request := named(spans, "GET")[1]
		if request.SpanKind != trace.SpanKindClient {
			t.Errorf("a request is a span of kind %s", request.SpanKind)
		}
		for key, want := range map[string]string{
			"http.request.method": "GET", "url.full": endpoint, "server.address": "api.example", "server.port": "8443",
			"http.response.status_code": "200", "http.response.body.size": "1", "pawl.request_id": "scripted-2", "error.type": "",
		} {
			if got := valueOf(request.Attributes, key); got != want {
				t.Errorf("%s is %q, want %q", key, got, want)
			}
		}
		for _, s := range spans {
			for _, a := range s.Attributes {
				if strings.Contains(a.Value.String(), "secret") {
					t.Errorf("%s: %s is %s", s.Name, a.Key, a.Value.String())
				}
			}
		}
	})
}
