package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// A flakyStore replaces its first commits. Later commits go to the EventStore inside.
type flakyStore struct {
	domain.EventStore

	commits []replacedCommit
}

// A replacedCommit is called instead of a commit. It may call commit, which commits the batch.
type replacedCommit func(commit commitFunc) (domain.CommitResult, error)

// A commitFunc commits a batch.
type commitFunc func() (domain.CommitResult, error)

func (s *flakyStore) Commit(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
	commit := func() (domain.CommitResult, error) { return s.EventStore.Commit(ctx, b) }
	if len(s.commits) == 0 {
		return commit()
	}
	replaced := s.commits[0]
	s.commits = s.commits[1:]
	return replaced(commit)
}

// failCommit returns an error and does not commit.
func failCommit(commitFunc) (domain.CommitResult, error) {
	return domain.CommitResult{}, &domain.Error{Kind: domain.Transient, Op: "commit", Err: errors.New("as scripted")}
}

// loseAnswer commits and then returns an error, as if the answer of the database were lost.
func loseAnswer(commit commitFunc) (domain.CommitResult, error) {
	_, err := commit()
	return domain.CommitResult{}, &domain.Error{Kind: domain.Uncertain, Op: "commit", Err: errors.Join(errors.New("as scripted"), err)}
}

// TestPageTraces checks that every page that was requested has a trace with its requests, waits and commits. After the first failure the
// run waits 0.25 s, and after the second one 0.5 s. After three attempts the run ends.
func TestPageTraces(t *testing.T) {
	t.Parallel()
	type answers = []domaintest.Answer
	firstPage, lastPage := domaintest.PageOf("c1", "1", "2"), domaintest.LastPageOf("3").WithTotal(3)
	onePage := domaintest.LastPageOf("1").WithTotal(1)
	const noWait = "waited_seconds=0"
	tests := []struct {
		name    string
		answers answers
		commits []replacedCommit // replace the first commits of the store
		pages   []string         // the wanted traces, each as traceLines returns it
		ledger  []int            // the indexes of those pages that must be in the ledger
		run     string           // the wanted text of the run's span
		kind    domain.Kind      // the wanted kind of the run's error; zero: no error
	}{
		{
			name: "two pages", answers: answers{firstPage, lastPage},
			pages: []string{
				"pawl page seq=1 requests=1 retries=0 rate_limited=0 " + noWait + ", GET response.status_code=200, commit",
				"pawl page seq=2 requests=1 retries=0 rate_limited=0 " + noWait + ", GET response.status_code=200, commit",
			},
			ledger: []int{0, 1},
			run:    "pawl run done=true pages=2 received=3 inserted=3 requests=2",
		},
		{
			name: "a page that took four requests", // the waits are 0.25 s, 8 s for the rate limit, and 0.5 s
			answers: answers{
				domaintest.FailWith(domain.Transient).WithStatus(503), domaintest.RefuseFor(8 * time.Second).WithStatus(429),
				domaintest.FailWith(domain.BadPage).WithStatus(200), onePage,
			},
			pages: []string{
				"pawl page seq=1 requests=4 retries=2 rate_limited=1 waited_seconds=8.75, " +
					"waiting type=transient wait_seconds=0.25, waiting type=rate_limited wait_seconds=8, " +
					"waiting type=bad_page wait_seconds=0.5, " +
					"GET response.status_code=503 type=503, GET response.status_code=429 type=429, " +
					"GET response.status_code=200 type=bad_page, GET response.status_code=200, commit",
			},
			ledger: []int{0},
			run:    "pawl run done=true pages=1 received=1 inserted=1 requests=4",
		},
		{
			name:    "a request without an answer",
			answers: answers{domaintest.FailWith(domain.Transient), onePage},
			pages: []string{
				"pawl page seq=1 requests=2 retries=1 rate_limited=0 waited_seconds=0.25, waiting type=transient wait_seconds=0.25, " +
					"GET type=transient, GET response.status_code=200, commit",
			},
			ledger: []int{0},
			run:    "pawl run done=true pages=1 received=1 inserted=1 requests=2",
		},
		{
			name:    "an expired cursor",
			answers: answers{firstPage, domaintest.FailWith(domain.CursorExpired).WithStatus(400), firstPage, lastPage},
			pages: []string{
				"pawl page seq=1 requests=1 retries=0 rate_limited=0 " + noWait + ", GET response.status_code=200, commit",
				"pawl page type=cursor_expired, GET response.status_code=400 type=400",
				"pawl page seq=2 requests=1 retries=0 rate_limited=0 " + noWait + ", GET response.status_code=200, commit",
				"pawl page seq=3 requests=1 retries=0 rate_limited=0 " + noWait + ", GET response.status_code=200, commit",
			},
			ledger: []int{0, 2, 3},
			run:    "pawl run done=true pages=3 received=5 inserted=3 requests=4",
		},
		{
			name: "commits that fail", answers: answers{firstPage, lastPage},
			commits: []replacedCommit{failCommit, loseAnswer},
			pages: []string{
				"pawl page seq=1 requests=1 retries=0 rate_limited=0 " + noWait + ", waiting type=transient wait_seconds=0.25, " +
					"waiting type=uncertain wait_seconds=0.5, GET response.status_code=200, commit type=transient, commit type=uncertain",
				"pawl page seq=2 requests=1 retries=0 rate_limited=0 " + noWait + ", GET response.status_code=200, commit",
			},
			ledger: []int{0, 1},
			run:    "pawl run done=true pages=2 received=3 inserted=3 requests=2",
		},
		{
			name:    "an API that keeps failing",
			answers: append(answers{firstPage}, slices.Repeat(answers{domaintest.FailWith(domain.Transient).WithStatus(500)}, 3)...),
			pages: []string{
				"pawl page seq=1 requests=1 retries=0 rate_limited=0 " + noWait + ", GET response.status_code=200, commit",
				"pawl page type=transient, waiting type=transient wait_seconds=0.25, waiting type=transient wait_seconds=0.5, " +
					"GET response.status_code=500 type=500, GET response.status_code=500 type=500, GET response.status_code=500 type=500",
			},
			ledger: []int{0},
			run:    "pawl run done=false pages=1 received=2 inserted=2 requests=4 type=transient",
			kind:   domain.Transient,
		},
		{
			name:    "a page with too many rejects",
			answers: answers{domaintest.LastPageOf(slices.Repeat([]string{"nonsense"}, 10)...).WithTotal(10)},
			pages:   []string{"pawl page type=rejected, GET response.status_code=200"},
			run:     "pawl run done=false pages=0 received=0 inserted=0 requests=1 type=rejected",
			kind:    domain.TooManyRejects,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				run := newTestRun(domaintest.NewScriptedSource(tt.answers...))
				run.store = &flakyStore{EventStore: run.store, commits: tt.commits}
				spans, err := run.executeAndCollect(t)
				wantErr := tt.kind != 0
				if wantErr && domain.KindOf(err) != tt.kind {
					t.Fatalf("got error %v, want kind %s", err, tt.kind)
				}
				if !wantErr && err != nil {
					t.Fatalf("got error %v, want none", err)
				}
				pages := findSpans(spans, "pawl page")
				var got, storedIDs []string
				for i, page := range pages {
					got = append(got, strings.Join(traceLines(spans, page), ", "))
					if slices.Contains(tt.ledger, i) {
						storedIDs = append(storedIDs, page.SpanContext.TraceID().String())
					}
				}
				if !slices.Equal(got, tt.pages) {
					t.Errorf("got traces\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.pages, "\n"))
				}
				if ids := run.traceIDs(); !slices.Equal(ids, storedIDs) {
					t.Errorf("got trace ids %v in the ledger, want %v", ids, storedIDs)
				}
				runs := findSpans(spans, "pawl run")
				if len(runs) != 1 {
					t.Fatalf("got %d spans of the run, want 1", len(runs))
				}
				keys := []string{"pawl.done", "pawl.pages", "pawl.received", "pawl.inserted", "pawl.requests", "error.type"}
				if got := spanLine(runs[0], keys...); got != tt.run {
					t.Errorf("got run span %q, want %q", got, tt.run)
				}
			})
		})
	}
}

// A limitedSource refuses to send its first request, as if the rate limit allowed no request for unsentWait.
type limitedSource struct {
	domain.EventSource

	wasCalled bool
}

// unsentWait is how long a limitedSource refuses to send its first request.
const unsentWait = 4 * time.Second

func (s *limitedSource) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	if s.wasCalled {
		return s.EventSource.FetchPage(ctx, req)
	}
	s.wasCalled = true
	return domain.Page{}, &domain.Error{
		Kind: domain.RateLimited, Op: "fetch", Until: time.Now().Add(unsentWait), Unsent: true, Err: errors.New("as scripted"),
	}
}

// TestPageTraces_UnsentRequest checks that a request that was not sent has no client span, and that the wait after it is an
// event in the page's trace.
func TestPageTraces_UnsentRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		spans, err := newTestRun(&limitedSource{EventSource: domaintest.NewCleanStream(1, 1)}).executeAndCollect(t)
		if err != nil {
			t.Fatal(err)
		}
		page := findSpans(spans, "pawl page")[0]
		want := "pawl page seq=1 requests=1 retries=0 rate_limited=0 waited_seconds=4, " +
			"waiting type=rate_limited wait_seconds=4, GET response.status_code=200, commit"
		if got := strings.Join(traceLines(spans, page), ", "); got != want {
			t.Errorf("got trace\n%s\nwant\n%s", got, want)
		}
		if began := findSpans(spans, "GET")[0].StartTime; began.Sub(page.StartTime) != unsentWait {
			t.Errorf("got a request that began %s after its page, want %s", began.Sub(page.StartTime), unsentWait)
		}
	})
}

// TestPageTraces_LinkToRun checks that each page has a trace of its own, which links to the trace of the run.
func TestPageTraces_LinkToRun(t *testing.T) {
	t.Parallel()
	const records, pageSize = 10, 2
	synctest.Test(t, func(t *testing.T) {
		spans, err := newTestRun(domaintest.NewCleanStream(records, pageSize)).executeAndCollect(t)
		if err != nil {
			t.Fatal(err)
		}
		run := findSpans(spans, "pawl run")[0]
		traces := map[trace.TraceID]bool{run.SpanContext.TraceID(): true}
		for _, page := range findSpans(spans, "pawl page") {
			if page.Parent.IsValid() {
				t.Error("got a page's root span with a parent, want none")
			}
			if len(page.Links) != 1 || !page.Links[0].SpanContext.Equal(run.SpanContext) {
				t.Errorf("got links %v, want one to the run", page.Links)
			}
			traces[page.SpanContext.TraceID()] = true
		}
		if want := 1 + records/pageSize; len(traces) != want {
			t.Errorf("got %d traces, want %d (one for the run and one for each page)", len(traces), want)
		}
	})
}

// TestRequestSpans checks that the span of a request uses OpenTelemetry's attribute names, and that no attribute of any span contains the
// cursor.
func TestRequestSpans(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answers := []domaintest.Answer{domaintest.PageOf("secret-cursor", "1"), domaintest.LastPageOf("2").WithTotal(2)}
		spans, err := newTestRun(domaintest.NewScriptedSource(answers...)).executeAndCollect(t)
		if err != nil {
			t.Fatal(err)
		}
		request := findSpans(spans, "GET")[1] // for the last page, whose body is the one byte of the record "2"
		if request.SpanKind != trace.SpanKindClient {
			t.Errorf("got span kind %s, want client", request.SpanKind)
		}
		for key, want := range map[string]string{
			"http.request.method": "GET", "url.full": endpoint, "server.address": "api.example", "server.port": "8443",
			"http.response.status_code": "200", "http.response.body.size": "1", "pawl.request_id": "scripted-2", "error.type": "",
		} {
			if got := attributeValue(request.Attributes, key); got != want {
				t.Errorf("%s: got %q, want %q", key, got, want)
			}
		}
		for _, s := range spans {
			for _, a := range s.Attributes {
				if strings.Contains(a.Value.String(), "secret") {
					t.Errorf("%s: got %s = %q, want it without the cursor", s.Name, a.Key, a.Value.String())
				}
			}
		}
	})
}

// A leakySource is a source whose first request fails with an error that contains secrets.
type leakySource struct {
	domain.EventSource

	wasCalled bool
}

func (s *leakySource) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	if s.wasCalled {
		return s.EventSource.FetchPage(ctx, req)
	}
	s.wasCalled = true
	return domain.Page{}, &domain.Error{Kind: domain.BadPage, Op: "fetch page", Err: errors.New("secret body"), Hint: "secret key"}
}

// failWithPassword does not commit. It returns an error that contains secrets.
func failWithPassword(commitFunc) (domain.CommitResult, error) {
	return domain.CommitResult{}, &domain.Error{
		Kind: domain.Transient, Op: "commit", Err: errors.New("postgres://pawl:secret-password@db"), Hint: "secret hint",
	}
}

// TestSpans_HoldNoSecret checks that no span contains a cursor, a record or the text of an error. In this test all of these
// contain the word "secret".
func TestSpans_HoldNoSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tenRejects := slices.Repeat([]string{"secret-record"}, 10) // so many that the run ends with an error that quotes them
		source := domaintest.NewScriptedSource(
			domaintest.PageOf("secret-cursor", "1"), domaintest.FailWith(domain.CursorExpired).WithStatus(400),
			domaintest.PageOf("secret-cursor", "1"), domaintest.LastPageOf(tenRejects...).WithTotal(1+10))
		run := newTestRun(&leakySource{EventSource: source})
		run.store = &flakyStore{EventStore: run.store, commits: []replacedCommit{failWithPassword}}
		spans, err := run.executeAndCollect(t)
		if domain.KindOf(err) != domain.TooManyRejects || !strings.Contains(err.Error(), "secret-record") {
			t.Fatalf("got error %v, want one that quotes the record", err)
		}
		for _, s := range spans {
			if all := fmt.Sprintf("%+v", s); strings.Contains(all, "secret") {
				t.Errorf("got span %s, want it without a secret", all)
			}
		}
		// %+v must print the values of attributes, so that the check above can find a secret.
		if all := fmt.Sprintf("%+v", spans); !strings.Contains(all, "bad_page") || !strings.Contains(all, "scripted-1") {
			t.Errorf("got spans %s, want them with the values of their attributes", all)
		}
	})
}
