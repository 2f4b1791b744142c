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

// TestFetch_Retries checks how many requests a run sends, how long it waits, and how it ends if the API does not return
// every page at once.
func TestFetch_Retries(t *testing.T) {
	t.Parallel()
	const firstBackoff = 500 * time.Millisecond // the wait after the first failure; the second one is twice as long
	tests := []struct {
		name    string
		answers []domaintest.Answer
		traffic domain.Traffic
		want    domain.Kind // the kind of the final error
	}{
		{
			"a server error passes",
			[]domaintest.Answer{domaintest.FailWith(domain.Transient), page(1, "", "1")},
			domain.Traffic{Requests: 2, Retries: 1, Waited: firstBackoff},
			noError,
		},
		{
			"five server errors are final",
			slices.Repeat([]domaintest.Answer{domaintest.FailWith(domain.Transient)}, maxTries),
			domain.Traffic{Requests: 5, Retries: 4, Waited: backoffOfAllTries},
			domain.Transient,
		},
		{
			"a bad page is fetched again",
			[]domaintest.Answer{domaintest.FailWith(domain.BadPage), domaintest.FailWith(domain.BadPage), page(1, "", "1")},
			domain.Traffic{Requests: 3, Retries: 2, Waited: firstBackoff + 2*firstBackoff},
			noError,
		},
		{
			"five bad pages are final",
			slices.Repeat([]domaintest.Answer{domaintest.FailWith(domain.BadPage)}, maxTries),
			domain.Traffic{Requests: 5, Retries: 4, Waited: backoffOfAllTries},
			domain.BadPage,
		},
		{
			"seven refusals cost no attempt",
			append(slices.Repeat([]domaintest.Answer{domaintest.RefuseFor(41 * time.Second)}, 7), page(1, "", "1")),
			domain.Traffic{Requests: 8, RateLimited: 7, Waited: 7 * 41 * time.Second},
			noError,
		},
		{
			"a refusal for longer than allowed is final",
			[]domaintest.Answer{domaintest.RefuseFor(2 * time.Hour)},
			domain.Traffic{Requests: 1, RateLimited: 1},
			domain.RateLimited,
		},
		{
			"a wrong key is final at once",
			[]domaintest.Answer{domaintest.FailWith(domain.Unauthorized)},
			domain.Traffic{Requests: 1},
			domain.Unauthorized,
		},
		{
			"an end before the announced total is fetched again",
			[]domaintest.Answer{page(2, "", "1"), page(2, "", "1", "2")},
			domain.Traffic{Requests: 2, Retries: 1, Waited: firstBackoff},
			noError,
		},
		{
			"an end before the announced total, in the second page",
			[]domaintest.Answer{page(3, "a", "1"), page(3, "", "2"), page(3, "b", "2"), page(3, "", "3")},
			domain.Traffic{Requests: 4, Retries: 1, Waited: firstBackoff},
			noError,
		},
		{
			"five ends before the announced total are final",
			slices.Repeat([]domaintest.Answer{page(2, "", "1")}, 5),
			domain.Traffic{Requests: 5, Retries: 4, Waited: backoffOfAllTries},
			domain.BadPage,
		},
		{
			"an end without a total is fetched again",
			[]domaintest.Answer{page(unknownTotal, "", "1"), page(unknownTotal, "", "1")},
			domain.Traffic{Requests: 2},
			noError,
		},
		{
			"an end without a total whose second answer is no end",
			[]domaintest.Answer{
				page(unknownTotal, "", "1"), page(unknownTotal, "a", "1"), // no end after all
				page(unknownTotal, "", "2"), page(unknownTotal, "", "2"),
			},
			domain.Traffic{Requests: 4},
			noError,
		},
		{
			"five cursors that lead back to an earlier page are final",
			append([]domaintest.Answer{page(9, "a", "1"), page(9, "b", "2"), page(9, "a", "3")},
				slices.Repeat([]domaintest.Answer{page(9, "b", "2").NotAccepted()}, 5)...),
			domain.Traffic{Requests: 8, Retries: 4, Waited: backoffOfAllTries},
			domain.BadPage,
		},
		{
			"one cursor that leads back to an earlier page",
			[]domaintest.Answer{page(4, "a", "1"), page(4, "b", "2"), page(4, "a", "3"), page(4, "b", "2").NotAccepted(), page(4, "", "4")},
			domain.Traffic{Requests: 5, Retries: 1, Waited: firstBackoff},
			noError,
		},
		{
			"an empty stream is fetched again",
			[]domaintest.Answer{page(0, ""), page(0, "")},
			domain.Traffic{Requests: 2},
			noError,
		},
		{
			"an end whose second answer announces one record more",
			[]domaintest.Answer{page(2, "a", "1"), page(5, "", "2"), page(6, "", "2")},
			domain.Traffic{Requests: 3},
			noError,
		},
		{
			"an empty stream whose second answer has a record",
			[]domaintest.Answer{page(0, ""), page(1, "", "1")},
			domain.Traffic{Requests: 2},
			noError,
		},
		{
			"a page that repeats the page before",
			[]domaintest.Answer{page(3, "a", "1"), page(3, "b", "1").NotAccepted(), page(3, "b", "2"), page(3, "", "3")},
			domain.Traffic{Requests: 4, Retries: 1, Waited: firstBackoff},
			noError,
		},
		{
			"five pages that repeat the page before are final",
			append([]domaintest.Answer{page(3, "a", "1")}, slices.Repeat([]domaintest.Answer{page(3, "b", "1").NotAccepted()}, 5)...),
			domain.Traffic{Requests: 6, Retries: 4, Waited: backoffOfAllTries},
			domain.BadPage,
		},
		{
			"six ends that differ from each other are final",
			slices.Repeat([]domaintest.Answer{page(unknownTotal, "", "1"), page(unknownTotal, "", "2")}, 3),
			domain.Traffic{Requests: 6, Retries: 4, Waited: backoffOfAllTries},
			domain.BadPage,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				source := newScript(t, tt.answers...)
				sum, err := newFixture().run(t.Context(), source)
				checkKind(t, err, tt.want)
				if sum.Traffic != tt.traffic {
					t.Errorf("got traffic %+v, want %+v", sum.Traffic, tt.traffic)
				}
				if wantDone := tt.want == noError; sum.Done != wantDone {
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
			failures, []domaintest.Answer{page(2, "", "2")})
		sum, err := newFixture().run(t.Context(), newScript(t, answers...))
		if err != nil || sum.Requests != 2*maxTries || sum.Retries != 2*(maxTries-1) {
			t.Errorf("got %d requests, %d retries, error %v; want %d, %d", sum.Requests, sum.Retries, err, 2*maxTries, 2*(maxTries-1))
		}
	})
}

func TestFetch_BackoffEndsBeforeCursorExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		firstPage := page(2, "a", "1").WithExpiry(600 * time.Millisecond)
		failure := domaintest.FailWith(domain.Transient)
		sum, err := newFixture().run(t.Context(), newScript(t, firstPage, failure, failure, page(2, "", "2")))
		// The first wait would be 500 ms, but half of the 600 ms until the cursor expires is 300 ms. The second wait
		// would be 1 s, but half of the 300 ms that are left is 150 ms.
		if want := (300 + 150) * time.Millisecond; err != nil || sum.Waited != want {
			t.Errorf("got waits of %s, error %v; want %s", sum.Waited, err, want)
		}
	})
}

// A pacer is a source that limits its own request rate: it refuses each request once, without sending it.
type pacer struct {
	domain.EventSource

	gap      time.Duration // the time until the refused request is allowed
	refusing bool          // the last request was refused
}

func (p *pacer) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	if p.refusing = !p.refusing; p.refusing {
		return domain.Page{}, &domain.Error{
			Kind: domain.RateLimited, Op: "pace", Err: errors.New("too soon"), Until: time.Now().Add(p.gap), Unsent: true,
		}
	}
	return p.EventSource.FetchPage(ctx, req)
}

// TestFetch_UnsentRequests checks that requests that the source has not sent count neither as requests nor as retries.
func TestFetch_UnsentRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const records, pageSize, gap = 3, 1, 300 * time.Millisecond
		f := newFixture()
		sum, err := f.run(t.Context(), &pacer{EventSource: domaintest.NewCleanStream(records, pageSize), gap: gap})
		if want := (domain.Traffic{Requests: records, Waited: records * gap}); err != nil || sum.Traffic != want {
			t.Errorf("got traffic %+v, error %v; want %+v", sum.Traffic, err, want)
		}
		f.wantStored(t, 0, 1, 2)
	})
}

func TestFetch_TooManyEmptyPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const maxEmptyPages = 100 // as in the package
		var answers []domaintest.Answer
		for i := range maxEmptyPages + maxTries {
			emptyPage := page(9, domain.Cursor(strconv.Itoa(i)))
			if i >= maxEmptyPages {
				emptyPage = emptyPage.NotAccepted()
			}
			answers = append(answers, emptyPage)
		}
		sum, err := newFixture().run(t.Context(), newScript(t, answers...))
		checkKind(t, err, domain.BadPage)
		if sum.Pages != maxEmptyPages {
			t.Errorf("got %d pages, want %d", sum.Pages, maxEmptyPages)
		}
	})
}

// TestFetch_RateLimitWaitIsNotShortened checks that a wait for the rate limit continues even if the cursor expires before
// its end.
func TestFetch_RateLimitWaitIsNotShortened(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		firstPage := page(2, "a", "1").WithExpiry(time.Second)
		sum, err := newFixture().run(t.Context(), newScript(t, firstPage, domaintest.RefuseFor(time.Minute), page(2, "", "2")))
		if err != nil || sum.Waited != time.Minute {
			t.Errorf("got wait %s, error %v; want a minute", sum.Waited, err)
		}
	})
}

func TestFetch_CancelledWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		sum, err := f.run(ctx, newScript(t, page(2, "a", "1"), domaintest.RefuseFor(time.Minute)))
		checkKind(t, err, domain.Stopped)
		if sum.Waited != 10*time.Second || sum.Seq != 1 {
			t.Errorf("got wait %s, seq %d; want 10s, 1", sum.Waited, sum.Seq)
		}
	})
}
