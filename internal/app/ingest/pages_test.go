package ingest_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestFetch_Retries checks how many requests a run sends, how long it waits, and how it ends. In each case, some answers of the API are
// failures or need a second answer.
func TestFetch_Retries(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		answers []domaintest.Answer // in order; those of page and lastPage begin with the announced total
		traffic domain.Traffic      // the traffic that the summary must have; a second answer that confirms an end is no retry
		want    domain.Kind         // the kind of the final error
	}{
		{
			name:    "a server error passes",
			answers: []domaintest.Answer{domaintest.FailWith(domain.Transient), lastPage(1, "1")},
			traffic: domain.Traffic{Requests: 2, Retries: 1, Waited: firstBackoff},
			want:    domaintest.NoError,
		},
		{
			name:    "five server errors are final",
			answers: slices.Repeat([]domaintest.Answer{domaintest.FailWith(domain.Transient)}, maxTries),
			traffic: domain.Traffic{Requests: maxTries, Retries: maxTries - 1, Waited: backoffOfAllTries},
			want:    domain.Transient,
		},
		{
			name:    "a bad page is fetched again",
			answers: []domaintest.Answer{domaintest.FailWith(domain.BadPage), domaintest.FailWith(domain.BadPage), lastPage(1, "1")},
			traffic: domain.Traffic{Requests: 3, Retries: 2, Waited: firstBackoff + 2*firstBackoff},
			want:    domaintest.NoError,
		},
		{
			name:    "five bad pages are final",
			answers: slices.Repeat([]domaintest.Answer{domaintest.FailWith(domain.BadPage)}, maxTries),
			traffic: domain.Traffic{Requests: maxTries, Retries: maxTries - 1, Waited: backoffOfAllTries},
			want:    domain.BadPage,
		},
		{
			name:    "seven refusals, more than maxTries, cost no attempt",
			answers: append(slices.Repeat([]domaintest.Answer{domaintest.RefuseFor(time.Minute)}, 7), lastPage(1, "1")),
			traffic: domain.Traffic{Requests: 7 + 1, RateLimited: 7, Waited: 7 * time.Minute},
			want:    domaintest.NoError,
		},
		{
			name:    "a refusal for longer than Retry.MaxWait is final",
			answers: []domaintest.Answer{domaintest.RefuseFor(2 * time.Hour)},
			traffic: domain.Traffic{Requests: 1, RateLimited: 1},
			want:    domain.RateLimited,
		},
		{
			name:    "a wrong key is final at once",
			answers: []domaintest.Answer{domaintest.FailWith(domain.Unauthorized)},
			traffic: domain.Traffic{Requests: 1},
			want:    domain.Unauthorized,
		},
		{
			name:    "an end before the announced total is fetched again",
			answers: []domaintest.Answer{lastPage(2, "1"), lastPage(2, "1", "2")},
			traffic: domain.Traffic{Requests: 2, Retries: 1, Waited: firstBackoff},
			want:    domaintest.NoError,
		},
		{
			name:    "an end before the announced total, in the second page",
			answers: []domaintest.Answer{page(3, "a", "1"), lastPage(3, "2"), page(3, "b", "2"), lastPage(3, "3")},
			traffic: domain.Traffic{Requests: 4, Retries: 1, Waited: firstBackoff},
			want:    domaintest.NoError,
		},
		{
			name:    "five ends before the announced total are final",
			answers: slices.Repeat([]domaintest.Answer{lastPage(2, "1")}, maxTries),
			traffic: domain.Traffic{Requests: maxTries, Retries: maxTries - 1, Waited: backoffOfAllTries},
			want:    domain.BadPage,
		},
		{
			name:    "an end without a total is fetched again, to confirm it",
			answers: []domaintest.Answer{lastPage(unknownTotal, "1"), lastPage(unknownTotal, "1")},
			traffic: domain.Traffic{Requests: 2},
			want:    domaintest.NoError,
		},
		{
			name: "an end without a total whose second answer is no end",
			answers: []domaintest.Answer{
				lastPage(unknownTotal, "1"), page(unknownTotal, "a", "1"), // no end after all
				lastPage(unknownTotal, "2"), lastPage(unknownTotal, "2"),
			},
			traffic: domain.Traffic{Requests: 4},
			want:    domaintest.NoError,
		},
		{
			name: "one cursor that leads back to an earlier page",
			answers: []domaintest.Answer{
				page(4, "a", "1"), page(4, "b", "2"), page(4, "a", "3"),
				page(4, "b", "2").NotAccepted(), // the run detects the cycle here, and fetches the page again
				lastPage(4, "4"),
			},
			traffic: domain.Traffic{Requests: 5, Retries: 1, Waited: firstBackoff},
			want:    domaintest.NoError,
		},
		{
			name:    "an empty stream is fetched again, to confirm its end",
			answers: []domaintest.Answer{lastPage(0), lastPage(0)},
			traffic: domain.Traffic{Requests: 2},
			want:    domaintest.NoError,
		},
		{
			name:    "an end whose second answer announces one record more",
			answers: []domaintest.Answer{page(2, "a", "1"), lastPage(5, "2"), lastPage(6, "2")},
			traffic: domain.Traffic{Requests: 3},
			want:    domaintest.NoError,
		},
		{
			name:    "an empty stream whose second answer has a record",
			answers: []domaintest.Answer{lastPage(0), lastPage(1, "1")},
			traffic: domain.Traffic{Requests: 2},
			want:    domaintest.NoError,
		},
		{
			name:    "a page that repeats the page before",
			answers: []domaintest.Answer{page(3, "a", "1"), page(3, "b", "1").NotAccepted(), page(3, "b", "2"), lastPage(3, "3")},
			traffic: domain.Traffic{Requests: 4, Retries: 1, Waited: firstBackoff},
			want:    domaintest.NoError,
		},
		{
			name:    "six ends that differ from each other are final",
			answers: slices.Repeat([]domaintest.Answer{lastPage(unknownTotal, "1"), lastPage(unknownTotal, "2")}, 3),
			traffic: domain.Traffic{Requests: 1 + maxTries, Retries: maxTries - 1, Waited: backoffOfAllTries},
			want:    domain.BadPage,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				source := newScript(t, tt.answers...)
				sum, err := newFixture().run(t.Context(), source)
				domaintest.CheckKind(t, err, tt.want)
				if sum.Traffic != tt.traffic {
					t.Errorf("got traffic %+v, want %+v", sum.Traffic, tt.traffic)
				}
				if wantDone := tt.want == domaintest.NoError; sum.Done != wantDone {
					t.Errorf("got done %v, want %v", sum.Done, wantDone)
				}
			})
		})
	}
}

// TestFetch_BudgetPerPage checks that failures for one page do not reduce the number of attempts for the next page.
func TestFetch_BudgetPerPage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failures := slices.Repeat([]domaintest.Answer{domaintest.FailWith(domain.Transient)}, maxTries-1)
		answers := slices.Concat(
			failures, []domaintest.Answer{page(2, "a", "1")},
			failures, []domaintest.Answer{lastPage(2, "2")})
		const wantRequests, wantRetries = 2 * maxTries, 2 * (maxTries - 1) // of two pages
		sum, err := newFixture().run(t.Context(), newScript(t, answers...))
		if err != nil || sum.Requests != wantRequests || sum.Retries != wantRetries {
			t.Errorf("got %d requests, %d retries, error %v; want %d, %d", sum.Requests, sum.Retries, err, wantRequests, wantRetries)
		}
	})
}

// TestFetch_BackoffEndsBeforeCursorExpires checks that a wait after a failure takes at most half of the time until the cursor
// expires.
func TestFetch_BackoffEndsBeforeCursorExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		firstPage := page(2, "a", "1").WithExpiry(600 * time.Millisecond)
		failure := domaintest.FailWith(domain.Transient)
		sum, err := newFixture().run(t.Context(), newScript(t, firstPage, failure, failure, lastPage(2, "2")))
		// The first wait would be 500 ms, but half of the 600 ms until the cursor expires is 300 ms. The second wait
		// would be 1 s, but half of the 300 ms that are left is 150 ms.
		if want := (300 + 150) * time.Millisecond; err != nil || sum.Waited != want {
			t.Errorf("got waits of %s, error %v; want %s", sum.Waited, err, want)
		}
	})
}

// A pacer is a source that limits its own request rate: it refuses every second call, without sending a request.
type pacer struct {
	domain.EventSource

	gap      time.Duration // the time from a refusal until the request is allowed
	refusing bool          // the pacer has refused the last call
}

func (p *pacer) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	p.refusing = !p.refusing
	if p.refusing {
		return domain.Page{}, &domain.Error{
			Kind: domain.RateLimited, Op: "pace", Err: errors.New("too soon"), Until: time.Now().Add(p.gap), Unsent: true,
		}
	}
	return p.EventSource.FetchPage(ctx, req)
}

// TestFetch_UnsentRequests checks that a request that the source has not sent counts neither as a request nor as a retry.
func TestFetch_UnsentRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const records, pageSize, gap = 3, 1, 300 * time.Millisecond
		f := newFixture()
		sum, err := f.run(t.Context(), &pacer{EventSource: domaintest.NewCleanStream(records, pageSize), gap: gap})
		if want := (domain.Traffic{Requests: records, Waited: records * gap}); err != nil || sum.Traffic != want {
			t.Errorf("got traffic %+v, error %v; want %+v", sum.Traffic, err, want)
		}
		f.wantStored(t, 0, 1, 2) // the records of a CleanStream
	})
}

// TestFetch_TooManyEmptyPages checks that a run ends with BadPage after too many empty pages in a row.
func TestFetch_TooManyEmptyPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const maxEmptyPages = 100 // as in the package
		var answers []domaintest.Answer
		for i := range maxEmptyPages + maxTries {
			emptyPage := page(9, domain.Cursor(strconv.Itoa(i))) // the API announces nine records
			if i >= maxEmptyPages {                              // the run fetches this page again until no attempt is left
				emptyPage = emptyPage.NotAccepted()
			}
			answers = append(answers, emptyPage)
		}
		sum, err := newFixture().run(t.Context(), newScript(t, answers...))
		domaintest.CheckKind(t, err, domain.BadPage)
		if sum.Pages != maxEmptyPages {
			t.Errorf("got %d pages, want %d", sum.Pages, maxEmptyPages)
		}
	})
}

// TestFetch_RateLimitWaitIsNotShortened checks that a wait for the rate limit has its full length even if the cursor expires during
// the wait.
func TestFetch_RateLimitWaitIsNotShortened(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		firstPage := page(2, "a", "1").WithExpiry(time.Second)
		sum, err := newFixture().run(t.Context(), newScript(t, firstPage, domaintest.RefuseFor(time.Minute), lastPage(2, "2")))
		if err != nil || sum.Waited != time.Minute {
			t.Errorf("got wait %s, error %v; want a minute", sum.Waited, err)
		}
	})
}

// TestFetch_CancelledWait checks that a wait for the rate limit ends when ctx ends.
func TestFetch_CancelledWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		sum, err := f.run(ctx, newScript(t, page(2, "a", "1"), domaintest.RefuseFor(time.Minute)))
		domaintest.CheckKind(t, err, domain.Stopped)
		if sum.Waited != 10*time.Second || sum.Seq != 1 {
			t.Errorf("got wait %s, seq %d; want 10s, 1", sum.Waited, sum.Seq)
		}
	})
}
