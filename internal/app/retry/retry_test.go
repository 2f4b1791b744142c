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

func of(kind domain.Kind) error { return &domain.Error{Kind: kind, Op: "op", Err: errors.New("cause")} }

func fullJitter() float64 { return 1 }

func policy() retry.Policy {
	return retry.Policy{Tries: 5, MaxWait: time.Hour, Jitter: fullJitter}
}

func TestNext_KindsToRetry(t *testing.T) {
	t.Parallel()
	retried := map[domain.Kind]bool{
		domain.RateLimited: true, domain.Transient: true, domain.BadPage: true, domain.Uncertain: true,
	}
	for kind := domain.Unknown; kind <= domain.Stopped; kind++ {
		_, err := policy().Budget().Next(of(kind))
		if got := err == nil; got != retried[kind] {
			t.Errorf("%s: got retry %v, want %v", kind, got, retried[kind])
		}
		if err != nil && domain.KindOf(err) != kind {
			t.Errorf("got kind %[2]s for %[1]s, want the same", kind, domain.KindOf(err))
		}
	}
}

func TestNext_BackoffAfterFailures(t *testing.T) {
	t.Parallel()
	budget := retry.Policy{Tries: 9, MaxWait: time.Hour, Jitter: fullJitter}.Budget()
	for failures, ms := range []int{500, 1000, 2000, 4000, 8000, 16000, 30000, 30000} {
		want := time.Duration(ms) * time.Millisecond
		wait, err := budget.Next(of(domain.Transient))
		if err != nil {
			t.Fatal(err)
		}
		if wait.For != want {
			t.Errorf("got backoff %s, want %s", wait.For, want)
		}
		if cut := wait.Limit(time.Millisecond); cut.Try != failures+2 || cut.Tries != 9 {
			t.Errorf("got attempt %d of %d after failure %d, want attempt %d of 9", cut.Try, cut.Tries, failures+1, failures+2)
		}
	}
	if _, err := budget.Next(of(domain.BadPage)); domain.KindOf(err) != domain.BadPage {
		t.Errorf("got %v after the ninth failure, want BadPage", err)
	}
}

// TestNext_TransientTries: transient failures are counted separately, so that they do not use up the attempts for others.
func TestNext_TransientTries(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		transientTries, transient, others int // failures after which the error is final
	}{{0, 3, 3}, {2, 3, 3}, {25, 25, 3}} {
		count := func(budget *retry.Budget, kind domain.Kind) (failures int) {
			for failures = 1; ; failures++ {
				if _, err := budget.Next(of(kind)); err != nil {
					return failures
				}
			}
		}
		policy := retry.Policy{Tries: 3, TransientTries: tt.transientTries, Jitter: fullJitter}
		if n := count(policy.Budget(), domain.Transient); n != tt.transient {
			t.Errorf("%+v: Transient is final after %d failures", tt, n)
		}
		if n := count(policy.Budget(), domain.BadPage); n != tt.others {
			t.Errorf("%+v: BadPage is final after %d failures", tt, n)
		}
		if tt.transientTries > policy.Tries {
			budget := policy.Budget()
			for range tt.transientTries - 1 {
				if _, err := budget.Next(of(domain.Transient)); err != nil {
					t.Fatal(err)
				}
			}
			if n := count(budget, domain.BadPage); n != tt.others {
				t.Errorf("%+v: after Transient, BadPage is final after %d failures", tt, n)
			}
		}
	}
}

func TestNext_Jitter(t *testing.T) {
	t.Parallel()
	for _, jitter := range []float64{0, 0.25, 0.999} {
		budget := retry.Policy{Tries: 2, Jitter: func() float64 { return jitter }}.Budget()
		wait, err := budget.Next(of(domain.Transient))
		if err != nil {
			t.Fatal(err)
		}
		if want := time.Duration(jitter * float64(500*time.Millisecond)); wait.For != want {
			t.Errorf("jitter %v: got wait %s, want %s", jitter, wait.For, want)
		}
	}
}

func TestNext_RateLimited(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		in      time.Duration // Until, from now; negative: in the past
		noUntil bool
		unsent  bool
		refused int // times before
		want    time.Duration
	}{
		{name: "as long as the API demands", in: 41 * time.Second, want: 41 * time.Second},
		{name: "Retry-After: 0 waits a second", in: 0, want: time.Second},
		{name: "a time in the past waits a second", in: -time.Hour, want: time.Second},
		{name: "an unsent request waits only its time", in: 20 * time.Millisecond, unsent: true, want: 20 * time.Millisecond},
		{name: "an unsent request whose time has passed", in: -time.Second, unsent: true, want: 0},
		{name: "no time", noUntil: true, want: time.Second},
		{name: "no time, four times", noUntil: true, refused: 3, want: 8 * time.Second},
		{name: "no time, 21 times", noUntil: true, refused: 20, want: time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				refusal := &domain.Error{Kind: domain.RateLimited, Op: "fetch", Err: errors.New("429"), Unsent: tt.unsent}
				if !tt.noUntil {
					refusal.Until = time.Now().Add(tt.in)
				}
				budget := policy().Budget()
				var wait retry.Wait
				for range tt.refused + 1 {
					var err error
					if wait, err = budget.Next(refusal); err != nil {
						t.Fatal(err)
					}
				}
				if wait.Try != 0 || wait.Tries != 0 {
					t.Errorf("got attempt %d of %d, want a refusal to cost none", wait.Try, wait.Tries)
				}
				if wait.For != tt.want || !wait.Until.Equal(time.Now().Add(tt.want)) {
					t.Errorf("got wait %s until %s, want %s", wait.For, wait.Until, tt.want)
				}
			})
		})
	}
}

func TestNext_MaxWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		budget := retry.Policy{Tries: 1, MaxWait: 100 * time.Second, Jitter: fullJitter}.Budget()
		refusal := &domain.Error{Kind: domain.RateLimited, Op: "fetch", Err: errors.New("429"), Until: time.Now().Add(40 * time.Second)}
		for range 2 {
			if _, err := budget.Next(refusal); err != nil {
				t.Fatal(err)
			}
		}
		_, err := budget.Next(refusal)
		if domain.KindOf(err) != domain.RateLimited || domain.RemedyOf(err) != domain.WaitLonger {
			t.Errorf("got %v beyond MaxWait, want RateLimited with a remedy", err)
		}
	})
}

func TestDo_RetriesUntilSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var waits []time.Duration
		tries := 0
		err := policy().Do(t.Context(), func(w retry.Wait) { waits = append(waits, w.For) }, func(context.Context) error {
			if tries++; tries < 3 {
				return of(domain.Transient)
			}
			return nil
		})
		if err != nil || tries != 3 || len(waits) != 2 {
			t.Errorf("got %d attempts, waits %v, error %v; want 3 attempts with 2 waits", tries, waits, err)
		}
	})
}

func TestDo_Cancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		cause := &domain.Error{Kind: domain.RateLimited, Op: "fetch", Err: errors.New("429"), Until: began.Add(30 * time.Minute)}
		err := policy().Do(ctx, func(retry.Wait) {}, func(context.Context) error { return cause })
		if domain.KindOf(err) != domain.Stopped || !errors.Is(err, cause) {
			t.Errorf("got %v, want Stopped with the cause of the wait", err)
		}
		if waited := time.Since(began); waited != time.Minute {
			t.Errorf("returned after %s, want a minute", waited)
		}
	})
}
