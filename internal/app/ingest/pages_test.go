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

// TestWhatIsFetchedAgain tells, for one page that does not come at once, what is asked and how the run ends.
func TestWhatIsFetchedAgain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		answers []domaintest.Answer
		traffic domain.Traffic
		kind    domain.Kind // of the final error; 0 if the stream is read whole
	}{
		{
			"a server error passes",
			[]domaintest.Answer{domaintest.FailWith(domain.Transient), of(1, "", "1")},
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
			[]domaintest.Answer{domaintest.FailWith(domain.BadPage), domaintest.FailWith(domain.BadPage), of(1, "", "1")},
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
			"the rate limit is waited out in full and costs no try",
			append(slices.Repeat([]domaintest.Answer{domaintest.RefuseFor(41 * time.Second)}, 7), of(1, "", "1")),
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
			"an end before the announced total is no end",
			[]domaintest.Answer{of(2, "", "1"), of(2, "", "1", "2")},
			domain.Traffic{Requests: 2, Retries: 1, Waited: 500 * time.Millisecond},
			0,
		},
		{
			"an end before the announced total, in the middle",
			[]domaintest.Answer{of(3, "a", "1"), of(3, "", "2"), of(3, "b", "2"), of(3, "", "3")},
			domain.Traffic{Requests: 4, Retries: 1, Waited: 500 * time.Millisecond},
			0,
		},
		{
			"an end that stays short is final",
			slices.Repeat([]domaintest.Answer{of(2, "", "1")}, 5),
			domain.Traffic{Requests: 5, Retries: 4, Waited: 7500 * time.Millisecond},
			domain.BadPage,
		},
		{
			"an end without a total is asked for once more",
			[]domaintest.Answer{of(unannounced, "", "1"), of(unannounced, "", "1")},
			domain.Traffic{Requests: 2},
			0,
		},
		{
			"an end without a total that is taken back",
			[]domaintest.Answer{of(unannounced, "", "1"), of(unannounced, "a", "1"), of(unannounced, "", "2"), of(unannounced, "", "2")},
			domain.Traffic{Requests: 4},
			0,
		},
		{
			"cursors that lead in a circle are a bad page",
			append([]domaintest.Answer{of(9, "a", "1"), of(9, "b", "2"), of(9, "a", "3")},
				slices.Repeat([]domaintest.Answer{of(9, "b", "2").AskedAgain()}, 5)...),
			domain.Traffic{Requests: 8, Retries: 4, Waited: 7500 * time.Millisecond},
			domain.BadPage,
		},
		{
			"a circle that was a slip passes",
			[]domaintest.Answer{of(4, "a", "1"), of(4, "b", "2"), of(4, "a", "3"), of(4, "b", "2").AskedAgain(), of(4, "", "4")},
			domain.Traffic{Requests: 5, Retries: 1, Waited: 500 * time.Millisecond},
			0,
		},
		{
			"an empty stream is asked for once more",
			[]domaintest.Answer{of(0, ""), of(0, "")},
			domain.Traffic{Requests: 2},
			0,
		},
		{
			"an end of a stream that grows with each answer",
			[]domaintest.Answer{of(2, "a", "1"), of(5, "", "2"), of(6, "", "2")},
			domain.Traffic{Requests: 3},
			0,
		},
		{
			"an empty stream that was a glitch",
			[]domaintest.Answer{of(0, ""), of(1, "", "1")},
			domain.Traffic{Requests: 2},
			0,
		},
		{
			"a page that comes twice, as from a cache",
			[]domaintest.Answer{of(3, "a", "1"), of(3, "b", "1").AskedAgain(), of(3, "b", "2"), of(3, "", "3")},
			domain.Traffic{Requests: 4, Retries: 1, Waited: 500 * time.Millisecond},
			0,
		},
		{
			"a page that comes again and again is final",
			append([]domaintest.Answer{of(3, "a", "1")}, slices.Repeat([]domaintest.Answer{of(3, "b", "1").AskedAgain()}, 5)...),
			domain.Traffic{Requests: 6, Retries: 4, Waited: 7500 * time.Millisecond},
			domain.BadPage,
		},
		{
			"ends that differ each time are a bad page",
			slices.Repeat([]domaintest.Answer{of(unannounced, "", "1"), of(unannounced, "")}, 3),
			domain.Traffic{Requests: 6, Retries: 4, Waited: 7500 * time.Millisecond},
			domain.BadPage,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				source := says(t, tt.answers...)
				sum, err := newBench().run(t.Context(), source)
				if (err != nil) != (tt.kind != 0) || (err != nil && domain.KindOf(err) != tt.kind) {
					t.Fatalf("it ended with %v", err)
				}
				if sum.Traffic != tt.traffic {
					t.Errorf("traffic %+v, want %+v", sum.Traffic, tt.traffic)
				}
				if sum.Done != (err == nil) {
					t.Errorf("done %v with %v", sum.Done, err)
				}
			})
		})
	}
}

func TestEachPageHasItsOwnBudgetAndReceipt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		tired := slices.Repeat([]domaintest.Answer{domaintest.FailWith(domain.Transient)}, 4)
		var answers []domaintest.Answer
		answers = append(append(answers, tired...), of(2, "a", "1"))
		answers = append(append(answers, tired...), of(2, "", "2"))
		sum, err := b.run(t.Context(), says(t, answers...))
		if err != nil || sum.Requests != 10 || sum.Retries != 8 {
			t.Errorf("%+v, %v", sum, err)
		}
	})
}

func TestABackoffDoesNotOutsleepTheCursor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		first := of(2, "a", "1").ExpiringIn(600 * time.Millisecond)
		sum, err := b.run(t.Context(), says(t, first, domaintest.FailWith(domain.Transient), domaintest.FailWith(domain.Transient), of(2, "", "2")))
		// 500 ms cut to half of 600, then 1 s cut to half of the 300 left.
		if err != nil || sum.Waited != 450*time.Millisecond {
			t.Errorf("waited %s, %v", sum.Waited, err)
		}
	})
}

// A pacer holds back every request once, as a source does that keeps its requests apart.
type pacer struct {
	domain.EventSource

	gap  time.Duration
	held bool
}

func (p *pacer) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	if p.held = !p.held; p.held {
		return domain.Page{}, &domain.Error{
			Kind: domain.RateLimited, Op: "pace", Err: errors.New("too soon"), Until: time.Now().Add(p.gap), Unsent: true,
		}
	}
	return p.EventSource.FetchPage(ctx, req)
}

func TestPacingIsWaitedOutAndIsNoRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		sum, err := b.run(t.Context(), &pacer{EventSource: domaintest.NewCleanStream(3, 1), gap: 300 * time.Millisecond})
		if want := (domain.Traffic{Requests: 3, Waited: 900 * time.Millisecond}); err != nil || sum.Traffic != want {
			t.Errorf("traffic %+v, want %+v; %v", sum.Traffic, want, err)
		}
		b.wantStored(t, 0, 1, 2)
	})
}

func TestPagesWithoutEndAndWithoutRecordsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		var answers []domaintest.Answer
		for i := range 105 {
			answer := of(9, domain.Cursor(strconv.Itoa(i)))
			if i >= 100 {
				answer = answer.AskedAgain()
			}
			answers = append(answers, answer)
		}
		source := says(t, answers...)
		sum, err := b.run(t.Context(), source)
		if domain.KindOf(err) != domain.BadPage || sum.Pages != 100 {
			t.Errorf("after %d pages: %v", sum.Pages, err)
		}
	})
}

func TestARateLimitIsNeverCutShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		first := of(2, "a", "1").ExpiringIn(time.Second)
		sum, err := b.run(t.Context(), says(t, first, domaintest.RefuseFor(time.Minute), of(2, "", "2")))
		if err != nil || sum.Waited != time.Minute {
			t.Errorf("waited %s, %v", sum.Waited, err)
		}
	})
}

func TestASignalEndsAWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		sum, err := b.run(ctx, says(t, of(2, "a", "1"), domaintest.RefuseFor(time.Minute)))
		if domain.KindOf(err) != domain.Stopped || sum.Waited != 10*time.Second || sum.Seq != 1 {
			t.Errorf("%+v, %v", sum, err)
		}
	})
}
