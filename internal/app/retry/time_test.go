package retry_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// A step is the result of an attempt, and the time that the attempt takes.
type step struct {
	kind   domain.Kind
	takes  time.Duration
	demand time.Duration // for RateLimited: the wait that the API demands
}

// failFor returns a step that fails with Transient after a time.
func failFor(takes time.Duration) step { return step{kind: domain.Transient, takes: takes} }

// TestDo_MaxTime checks when the attempts begin if their time is limited, and how the work ends. Each policy waits as long as it may.
func TestDo_MaxTime(t *testing.T) {
	t.Parallel()
	const second = time.Second
	tests := []struct {
		name   string
		policy retry.Policy
		steps  []step // the attempts that fail; the last one is repeated
		times  int    // how often the last step is repeated before an attempt succeeds; 0 for ever
		begins []time.Duration
		want   domain.Kind // Unknown if the work succeeds
		text   string      // in the error
	}{
		{
			name: "time alone, until it has passed", policy: retry.Policy{MaxTime: 5 * second}, steps: []step{failFor(0)},
			begins: []time.Duration{0, second / 2, 3 * second / 2, 7 * second / 2, 5 * second}, // the last wait is shortened
			want:   domain.Transient, text: "stopped after 5s and 5 attempts",
		},
		{
			name: "time alone, and success", policy: retry.Policy{MaxTime: 5 * second}, steps: []step{failFor(0)}, times: 3,
			begins: []time.Duration{0, second / 2, 3 * second / 2, 7 * second / 2},
		},
		{
			name: "the time begins when the first failure ends", policy: retry.Policy{MaxTime: 5 * second}, steps: []step{failFor(30 * second)},
			begins: []time.Duration{0, 61 * second / 2}, want: domain.Transient, text: "stopped after 31s and 2 attempts",
		},
		{
			name: "tries end it first", policy: retry.Policy{Tries: 2, MaxTime: time.Hour}, steps: []step{failFor(0)},
			begins: []time.Duration{0, second / 2}, want: domain.Transient, text: "stopped after 2 attempts",
		},
		{
			name: "time ends it before the tries", policy: retry.Policy{Tries: 10, MaxTime: 10 * time.Minute}, steps: []step{failFor(4 * time.Minute)},
			begins: []time.Duration{0, 4*time.Minute + second/2, 8*time.Minute + 3*second/2, 12*time.Minute + 7*second/2},
			want:   domain.Transient, text: "stopped after 12m4s and 4 attempts",
		},
		{
			name:   "a longest backoff",
			policy: retry.Policy{MaxTime: 5 * second, LongestBackoff: second}, steps: []step{failFor(0)},
			begins: []time.Duration{0, second / 2, 3 * second / 2, 5 * second / 2, 7 * second / 2, 9 * second / 2, 5 * second},
			want:   domain.Transient, text: "stopped after 5s and 7 attempts",
		},
		{
			name:   "waits for the rate limit do not count",
			policy: retry.Policy{MaxTime: 2 * second, MaxWait: time.Hour},
			steps:  []step{failFor(0), {kind: domain.RateLimited, demand: time.Minute}, failFor(0)}, times: 1,
			begins: []time.Duration{0, second / 2, time.Minute + second/2, time.Minute + 3*second/2},
		},
		{
			name:   "an unanswered commit counts like a failure",
			policy: retry.Policy{MaxTime: second}, steps: []step{{kind: domain.Uncertain}},
			begins: []time.Duration{0, second / 2, second}, want: domain.Uncertain, text: "stopped after 1s and 3 attempts",
		},
		{name: "no limit is one attempt", policy: retry.Policy{}, steps: []step{failFor(0)}, begins: []time.Duration{0}, want: domain.Transient},
		{
			name: "a final kind", policy: retry.Policy{MaxTime: time.Hour}, steps: []step{{kind: domain.Invalid}},
			begins: []time.Duration{0}, want: domain.Invalid,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var begins []time.Duration
				tt.policy.Jitter, tt.policy.Remedy = maxJitter, domain.AllowLongerOutage
				err := tt.policy.Do(t.Context(), func(retry.Wait) {}, func(context.Context) error {
					begins = append(begins, time.Since(began))
					n := len(begins) - 1
					if tt.times > 0 && n >= len(tt.steps)-1+tt.times {
						return nil
					}
					s := tt.steps[min(n, len(tt.steps)-1)]
					time.Sleep(s.takes)
					return &domain.Error{Kind: s.kind, Op: "op", Err: errors.New("cause"), Hint: "hint", Until: time.Now().Add(s.demand)}
				})
				if !slices.Equal(begins, tt.begins) {
					t.Errorf("got attempts after %v, want %v", begins, tt.begins)
				}
				if tt.want == domain.Unknown {
					if err != nil {
						t.Errorf("got error %v, want none", err)
					}
					return
				}
				if domain.KindOf(err) != tt.want || !strings.Contains(err.Error(), tt.text) || domain.HintOf(err) != "hint" {
					t.Errorf("got error %v of kind %s, hint %q; want %s with %q and the hint of the cause",
						err, domain.KindOf(err), domain.HintOf(err), tt.want, tt.text)
				}
			})
		})
	}
}

// TestBudget_Outage checks that the time of a budget goes on over several calls of Do until work shows that the other side works.
func TestBudget_Outage(t *testing.T) {
	t.Parallel()
	transient, final := newError(domain.Transient), retry.Final(newError(domain.Transient))
	for _, tt := range []struct {
		name    string
		between error // the result of a call of Do in the middle
		want    time.Duration
	}{
		{name: "a final failure", between: final, want: 10 * time.Second},
		{name: "success", between: nil, want: 14 * time.Second},
		{name: "a final error that shows an answer", between: retry.Final(newError(domain.BadPage)), want: 14 * time.Second},
		{name: "another kind of error", between: newError(domain.Fenced), want: 14 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				budget := retry.Policy{MaxTime: 10 * time.Second, Jitter: maxJitter}.Budget()
				do := func(err error) error {
					return budget.Do(t.Context(), func(retry.Wait) {}, func(context.Context) error { return err })
				}
				if err := do(final); domain.KindOf(err) != domain.Transient {
					t.Fatalf("got %v, want the error inside", err)
				}
				time.Sleep(4 * time.Second)
				if err := do(tt.between); (err == nil) != (tt.between == nil) {
					t.Fatalf("got %v, want %v", err, tt.between)
				}
				if err := do(transient); domain.KindOf(err) != domain.Transient {
					t.Errorf("got %v, want Transient", err)
				}
				if took := time.Since(began); took != tt.want {
					t.Errorf("gave up after %s, want %s", took, tt.want)
				}
			})
		})
	}
}

// TestDo_Hopeless checks that a policy makes no further attempt once none can succeed.
func TestDo_Hopeless(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		attempts, began := 0, time.Now()
		policy := retry.Policy{MaxTime: time.Hour, Jitter: maxJitter, IsHopeless: func() bool { return attempts == 3 }}
		err := policy.Do(t.Context(), func(retry.Wait) {}, func(context.Context) error {
			attempts++
			return newError(domain.Transient)
		})
		if domain.KindOf(err) != domain.Transient || attempts != 3 || time.Since(began) > time.Minute {
			t.Errorf("got %v after %d attempts and %s, want Transient after 3", err, attempts, time.Since(began))
		}
	})
}
