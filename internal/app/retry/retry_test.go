package retry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

func newError(kind domain.Kind) error {
	return &domain.Error{Kind: kind, Op: "op", Err: errors.New("cause")}
}

// maxJitter makes each wait after a failure as long as it can be.
func maxJitter() float64 { return 1 }

func newPolicy() retry.Policy {
	return retry.Policy{Tries: 5, MaxWait: time.Hour, Jitter: maxJitter}
}

// TestNext_KindsToRetry checks for which kinds of errors Next allows another attempt, and that a final error keeps its kind.
func TestNext_KindsToRetry(t *testing.T) {
	t.Parallel()
	isRetried := map[domain.Kind]bool{
		domain.RateLimited: true, domain.Transient: true, domain.BadPage: true, domain.Uncertain: true,
	}
	for kind := domain.Unknown; kind <= domain.Stopped; kind++ {
		_, err := newPolicy().Budget().Next(newError(kind))
		if got := err == nil; got != isRetried[kind] {
			t.Errorf("%s: got retry %v, want %v", kind, got, isRetried[kind])
		}
		if err != nil && domain.KindOf(err) != kind {
			t.Errorf("%s: got final error of kind %s, want the same kind", kind, domain.KindOf(err))
		}
	}
}

// TestNext_BackoffAfterFailures checks that the wait doubles after each failure up to a maximum, and that the failure of the last
// attempt is final.
func TestNext_BackoffAfterFailures(t *testing.T) {
	t.Parallel()
	const tries = 9 // one more than the number of waits below
	budget := retry.Policy{Tries: tries, MaxWait: time.Hour, Jitter: maxJitter}.Budget()
	for i, milliseconds := range []int{500, 1000, 2000, 4000, 8000, 16000, 30000, 30000} {
		failures := i + 1
		want := time.Duration(milliseconds) * time.Millisecond
		wait, err := budget.Next(newError(domain.Transient))
		if err != nil {
			t.Fatal(err)
		}
		if wait.For != want {
			t.Errorf("after %d failures: got wait %s, want %s", failures, wait.For, want)
		}
		limited := wait.Limit(time.Millisecond)
		if limited.For != time.Millisecond || limited.Try != failures+1 || limited.Tries != tries {
			t.Errorf("after %d failures: got limited wait %+v, want 1ms before attempt %d of %d", failures, limited, failures+1, tries)
		}
	}
	if _, err := budget.Next(newError(domain.BadPage)); domain.KindOf(err) != domain.BadPage {
		t.Errorf("after %d failures: got %v, want the final BadPage", tries, err)
	}
}

// countFailures reports failures of a kind to the budget until it returns a final error, and returns their number.
func countFailures(budget *retry.Budget, kind domain.Kind) int {
	for failures := 1; ; failures++ {
		if _, err := budget.Next(newError(kind)); err != nil {
			return failures
		}
	}
}

// TestNext_TransientTries checks that TransientTries is used only if it is greater than Tries, and only for Transient.
func TestNext_TransientTries(t *testing.T) {
	t.Parallel()
	const tries, moreTries = 3, 25
	for _, tt := range []struct{ transientTries, want int }{
		{transientTries: 0, want: tries},
		{transientTries: tries - 1, want: tries},
		{transientTries: moreTries, want: moreTries},
	} {
		policy := retry.Policy{Tries: tries, TransientTries: tt.transientTries, Jitter: maxJitter}
		if got := countFailures(policy.Budget(), domain.Transient); got != tt.want {
			t.Errorf("TransientTries %d: Transient is final after %d failures, want %d", tt.transientTries, got, tt.want)
		}
		if got := countFailures(policy.Budget(), domain.BadPage); got != tries {
			t.Errorf("TransientTries %d: BadPage is final after %d failures, want %d", tt.transientTries, got, tries)
		}
	}
}

// TestNext_TransientTriesSeparate checks that transient failures do not reduce the number of attempts after other failures.
func TestNext_TransientTriesSeparate(t *testing.T) {
	t.Parallel()
	const tries, transientTries = 3, 25
	budget := retry.Policy{Tries: tries, TransientTries: transientTries, Jitter: maxJitter}.Budget()
	for range transientTries - 1 { // one more would be final
		if _, err := budget.Next(newError(domain.Transient)); err != nil {
			t.Fatal(err)
		}
	}
	if got := countFailures(budget, domain.BadPage); got != tries {
		t.Errorf("after transient failures: BadPage is final after %d failures, want %d", got, tries)
	}
}

// TestNext_Jitter checks that the random number of the policy decides which part of the limit a wait takes.
func TestNext_Jitter(t *testing.T) {
	t.Parallel()
	const minBackoff = 500 * time.Millisecond // as in the package
	for _, jitter := range []float64{0, 0.25, 0.999} {
		budget := retry.Policy{Tries: 2, Jitter: func() float64 { return jitter }}.Budget()
		wait, err := budget.Next(newError(domain.Transient))
		if err != nil {
			t.Fatal(err)
		}
		if want := time.Duration(jitter * float64(minBackoff)); wait.For != want {
			t.Errorf("jitter %v: got wait %s, want %s", jitter, wait.For, want)
		}
	}
}

// TestNext_RateLimited checks the wait after a refusal by the rate limit.
func TestNext_RateLimited(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		delay    time.Duration // the time from now to Error.Until
		noUntil  bool          // Error.Until is zero
		unsent   bool
		refusals int // the number of refusals before the checked wait; 0 means one
		want     time.Duration
	}{
		{name: "as long as the API demands", delay: 41 * time.Second, want: 41 * time.Second},
		{name: "Retry-After: 0 waits a second", delay: 0, want: time.Second},
		{name: "a time in the past waits a second", delay: -time.Hour, want: time.Second},
		{name: "an unsent request waits as long as demanded", delay: 20 * time.Millisecond, unsent: true, want: 20 * time.Millisecond},
		{name: "an unsent request with a time in the past does not wait", delay: -time.Second, unsent: true, want: 0},
		{name: "first refusal without a time", noUntil: true, want: time.Second},
		{name: "fourth refusal without a time", noUntil: true, refusals: 4, want: 8 * time.Second}, // doubled three times
		{name: "21st refusal without a time", noUntil: true, refusals: 21, want: time.Minute},      // the longest wait
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				refusal := &domain.Error{Kind: domain.RateLimited, Op: "fetch", Err: errors.New("429"), Unsent: tt.unsent}
				if !tt.noUntil {
					refusal.Until = time.Now().Add(tt.delay)
				}
				budget := newPolicy().Budget()
				var wait retry.Wait
				for range max(tt.refusals, 1) {
					var err error
					if wait, err = budget.Next(refusal); err != nil {
						t.Fatal(err)
					}
				}
				if wait.Try != 0 || wait.Tries != 0 {
					t.Errorf("got attempt %d of %d, want 0 of 0, because a refusal costs no attempt", wait.Try, wait.Tries)
				}
				if until := time.Now().Add(tt.want); wait.For != tt.want || !wait.Until.Equal(until) {
					t.Errorf("got wait of %s until %s, want %s until %s", wait.For, wait.Until, tt.want, until)
				}
			})
		})
	}
}

// TestNext_MaxWait checks that MaxWait limits all waits for the rate limit together. Here two waits of 40 s are allowed. The
// third would make 120 s, and MaxWait is 100 s.
func TestNext_MaxWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		budget := retry.Policy{Tries: 1, MaxWait: 100 * time.Second, Jitter: maxJitter}.Budget()
		refusal := &domain.Error{Kind: domain.RateLimited, Op: "fetch", Err: errors.New("429"), Until: time.Now().Add(40 * time.Second)}
		for range 2 {
			if _, err := budget.Next(refusal); err != nil {
				t.Fatal(err)
			}
		}
		_, err := budget.Next(refusal)
		if domain.KindOf(err) != domain.RateLimited || domain.RemedyOf(err) != domain.WaitLonger {
			t.Errorf("third wait: got error %v, want RateLimited with the remedy WaitLonger", err)
		}
	})
}

// TestDo_RetriesUntilSuccess checks that Do repeats work that fails twice, with a wait before each repetition.
func TestDo_RetriesUntilSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var waits []time.Duration
		const failures = 2
		tries := 0
		notify := func(w retry.Wait) { waits = append(waits, w.For) }
		err := newPolicy().Do(t.Context(), notify, func(context.Context) error {
			tries++
			if tries <= failures {
				return newError(domain.Transient)
			}
			return nil
		})
		if err != nil || tries != failures+1 || len(waits) != failures {
			t.Errorf("got %d attempts, waits %v, error %v; want %d attempts with %d waits", tries, waits, err, failures+1, failures)
		}
	})
}

// TestDo_Cancelled checks that Do ends a wait of 30 minutes when ctx ends after a minute.
func TestDo_Cancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		cause := &domain.Error{Kind: domain.RateLimited, Op: "fetch", Err: errors.New("429"), Until: began.Add(30 * time.Minute)}
		err := newPolicy().Do(ctx, func(retry.Wait) {}, func(context.Context) error { return cause })
		if domain.KindOf(err) != domain.Stopped || !errors.Is(err, cause) {
			t.Errorf("got %v, want Stopped with the cause of the wait", err)
		}
		if waited := time.Since(began); waited != time.Minute {
			t.Errorf("Do returned after %s, want a minute", waited)
		}
	})
}
