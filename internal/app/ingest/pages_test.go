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

// TestFetch_Retries checks the requests for a page that does not come at once, and how the run ends.
func TestFetch_Retries(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		answers []domaintest.Answer
		traffic domain.Traffic
		kind    domain.Kind // of the final error; 0 if the run succeeds
	}{
		{
			"a server error passes",
			[]domaintest.Answer{domaintest.FailWith(domain.Transient), page(1, "", "1")},
			domain.Traffic{Requests: 2, Retries: 1, Waited: 500 * time.Millisecond},
			0,
		},
		{
			"five server errors are final",
			slices.Repeat([]domaintest.Answer{domaintest.FailWith(domain.Transient)}, 5),
			domain.Traffic{Requests: 5, Retries: 4, Waited: 7500 * time.Millisecond},
			domain.Transient,
		},
		{
			"a bad page is fetched again",
			[]domaintest.Answer{domaintest.FailWith(domain.BadPage), domaintest.FailWith(domain.BadPage), page(1, "", "1")},
			domain.Traffic{Requests: 3, Retries: 2, Waited: 1500 * time.Millisecond},
			0,
		},
		{
			"a bad page that stays is final",
			slices.Repeat([]domaintest.Answer{domaintest.FailWith(domain.BadPage)}, 5),
			domain.Traffic{Requests: 5, Retries: 4, Waited: 7500 * time.Millisecond},
			domain.BadPage,
		},
		{
			"the rate limit is waited out and costs no attempt",
			append(slices.Repeat([]domaintest.Answer{domaintest.RefuseFor(41 * time.Second)}, 7), page(1, "", "1")),
			domain.Traffic{Requests: 8, RateLimited: 7, Waited: 7 * 41 * time.Second},
			0,
		},
		{
			"a rate limit longer than allowed",
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
			"an end before the announced total is not accepted",
			[]domaintest.Answer{page(2, "", "1"), page(2, "", "1", "2")},
			domain.Traffic{Requests: 2, Retries: 1, Waited: 500 * time.Millisecond},
			0,
		},
		{
			"an end before the announced total, in the middle",
			[]domaintest.Answer{page(3, "a", "1"), page(3, "", "2"), page(3, "b", "2"), page(3, "", "3")},
			domain.Traffic{Requests: 4, Retries: 1, Waited: 500 * time.Millisecond},
			0,
		},
		{
			"an end that stays short is final",
			slices.Repeat([]domaintest.Answer{page(2, "", "1")}, 5),
			domain.Traffic{Requests: 5, Retries: 4, Waited: 7500 * time.Millisecond},
			domain.BadPage,
		},
		{
			"an end without a total is fetched again",
			[]domaintest.Answer{page(unknownTotal, "", "1"), page(unknownTotal, "", "1")},
			domain.Traffic{Requests: 2},
			0,
		},
		{
			"an end without a total that is not confirmed",
			[]domaintest.Answer{page(unknownTotal, "", "1"), page(unknownTotal, "a", "1"), page(unknownTotal, "", "2"), page(unknownTotal, "", "2")},
			domain.Traffic{Requests: 4},
			0,
		},
		{
			"cursors that lead in a circle are a bad page",
			append([]domaintest.Answer{page(9, "a", "1"), page(9, "b", "2"), page(9, "a", "3")},
				slices.Repeat([]domaintest.Answer{page(9, "b", "2").NotAccepted()}, 5)...),
			domain.Traffic{Requests: 8, Retries: 4, Waited: 7500 * time.Millisecond},
			domain.BadPage,
		},
		{
			"a circle in one answer only",
			[]domaintest.Answer{page(4, "a", "1"), page(4, "b", "2"), page(4, "a", "3"), page(4, "b", "2").NotAccepted(), page(4, "", "4")},
			domain.Traffic{Requests: 5, Retries: 1, Waited: 500 * time.Millisecond},
			0,
		},
		{
			"an empty stream is fetched again",
			[]domaintest.Answer{page(0, ""), page(0, "")},
			domain.Traffic{Requests: 2},
			0,
		},
		{
			"an end of a stream that grows with each answer",
			[]domaintest.Answer{page(2, "a", "1"), page(5, "", "2"), page(6, "", "2")},
			domain.Traffic{Requests: 3},
			0,
		},
		{
			"an empty stream in one answer only",
			[]domaintest.Answer{page(0, ""), page(1, "", "1")},
			domain.Traffic{Requests: 2},
			0,
		},
		{
			"a page that a cache answers twice",
			[]domaintest.Answer{page(3, "a", "1"), page(3, "b", "1").NotAccepted(), page(3, "b", "2"), page(3, "", "3")},
			domain.Traffic{Requests: 4, Retries: 1, Waited: 500 * time.Millisecond},
			0,
		},
		{
			"a page that comes again and again is final",
			append([]domaintest.Answer{page(3, "a", "1")}, slices.Repeat([]domaintest.Answer{page(3, "b", "1").NotAccepted()}, 5)...),
			domain.Traffic{Requests: 6, Retries: 4, Waited: 7500 * time.Millisecond},
			domain.BadPage,
		},
		{
			"ends that differ each time are a bad page",
			slices.Repeat([]domaintest.Answer{page(unknownTotal, "", "1"), page(unknownTotal, "", "2")}, 3),
			domain.Traffic{Requests: 6, Retries: 4, Waited: 7500 * time.Millisecond},
			domain.BadPage,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				source := newScript(t, tt.answers...)
				sum, err := newFixture().run(t.Context(), source)
				if (err != nil) != (tt.kind != 0) || (err != nil && domain.KindOf(err) != tt.kind) {
					t.Fatalf("got error %v, want kind %v", err, tt.kind)
				}
				if sum.Traffic != tt.traffic {
					t.Errorf("got traffic %+v, want %+v", sum.Traffic, tt.traffic)
				}
				if sum.Done != (err == nil) {
					t.Errorf("got done %v with error %v", sum.Done, err)
				}
			})
		})
	}
}

func TestFetch_BudgetPerPage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		failures := slices.Repeat([]domaintest.Answer{domaintest.FailWith(domain.Transient)}, 4)
		var answers []domaintest.Answer
		answers = append(append(answers, failures...), page(2, "a", "1"))
		answers = append(append(answers, failures...), page(2, "", "2"))
		sum, err := f.run(t.Context(), newScript(t, answers...))
		if err != nil || sum.Requests != 10 || sum.Retries != 8 {
			t.Errorf("got %+v, %v", sum, err)
		}
	})
}

func TestFetch_BackoffEndsBeforeCursorExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		first := page(2, "a", "1").WithExpiry(600 * time.Millisecond)
		sum, err := f.run(t.Context(),
			newScript(t, first, domaintest.FailWith(domain.Transient), domaintest.FailWith(domain.Transient), page(2, "", "2")))
		// 500 ms cut to half of 600, then 1 s cut to half of the 300 left.
		if err != nil || sum.Waited != 450*time.Millisecond {
			t.Errorf("got wait %s, %v", sum.Waited, err)
		}
	})
}

// A pacer refuses every request once, unsent, as a source does that limits its rate.
type pacer struct {
	domain.EventSource

	gap      time.Duration
	refusing bool
}

func (p *pacer) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	if p.refusing = !p.refusing; p.refusing {
		return domain.Page{}, &domain.Error{
			Kind: domain.RateLimited, Op: "pace", Err: errors.New("too soon"), Until: time.Now().Add(p.gap), Unsent: true,
		}
	}
	return p.EventSource.FetchPage(ctx, req)
}

func TestFetch_UnsentRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		sum, err := f.run(t.Context(), &pacer{EventSource: domaintest.NewCleanStream(3, 1), gap: 300 * time.Millisecond})
		if want := (domain.Traffic{Requests: 3, Waited: 900 * time.Millisecond}); err != nil || sum.Traffic != want {
			t.Errorf("got traffic %+v, want %+v; %v", sum.Traffic, want, err)
		}
		f.wantStored(t, 0, 1, 2)
	})
}

func TestFetch_TooManyEmptyPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		var answers []domaintest.Answer
		for i := range 105 {
			answer := page(9, domain.Cursor(strconv.Itoa(i)))
			if i >= 100 {
				answer = answer.NotAccepted()
			}
			answers = append(answers, answer)
		}
		source := newScript(t, answers...)
		sum, err := f.run(t.Context(), source)
		if domain.KindOf(err) != domain.BadPage || sum.Pages != 100 {
			t.Errorf("got %[2]v after %[1]d pages, want BadPage after 100", sum.Pages, err)
		}
	})
}

func TestFetch_RateLimitWaitIsNotShortened(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		first := page(2, "a", "1").WithExpiry(time.Second)
		sum, err := f.run(t.Context(), newScript(t, first, domaintest.RefuseFor(time.Minute), page(2, "", "2")))
		if err != nil || sum.Waited != time.Minute {
			t.Errorf("got wait %s, %v", sum.Waited, err)
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
		if domain.KindOf(err) != domain.Stopped || sum.Waited != 10*time.Second || sum.Seq != 1 {
			t.Errorf("got %+v, %v", sum, err)
		}
	})
}
