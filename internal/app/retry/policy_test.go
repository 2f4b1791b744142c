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

func TestWhatIsWorthAnotherTry(t *testing.T) {
	t.Parallel()
	again := map[domain.Kind]bool{
		domain.RateLimited: true, domain.Transient: true, domain.BadPage: true, domain.Uncertain: true,
	}
	for kind := domain.Unknown; kind <= domain.Stopped; kind++ {
		_, err := policy().Budget().Next(of(kind))
		if got := err == nil; got != again[kind] {
			t.Errorf("%s: again %v, want %v", kind, got, again[kind])
		}
		if err != nil && domain.KindOf(err) != kind {
			t.Errorf("%s became %s", kind, domain.KindOf(err))
		}
	}
}

func TestFailuresBackOffAndEnd(t *testing.T) {
	t.Parallel()
	budget := retry.Policy{Tries: 9, MaxWait: time.Hour, Jitter: fullJitter}.Budget()
	for failed, ms := range []int{500, 1000, 2000, 4000, 8000, 16000, 30000, 30000} {
		want := time.Duration(ms) * time.Millisecond
		wait, err := budget.Next(of(domain.Transient))
		if err != nil {
			t.Fatal(err)
		}
		if wait.For != want {
			t.Errorf("backoff %s, want %s", wait.For, want)
		}
		if cut := wait.AtMost(time.Millisecond); cut.Try != failed+2 || cut.Tries != 9 {
			t.Errorf("try %d of %d follows failure %d of 9", cut.Try, cut.Tries, failed+1)
		}
	}
	if _, err := budget.Next(of(domain.BadPage)); domain.KindOf(err) != domain.BadPage {
		t.Errorf("the ninth failure ends in %v", err)
	}
}

// TestTransientFailuresMayHaveMoreTries: these are counted by themselves, so that none of them ends other failures early.
func TestTransientFailuresMayHaveMoreTries(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		transientTries, transient, others int // failures after which it ends
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
			t.Errorf("%+v: Transient ends after %d failures", tt, n)
		}
		if n := count(policy.Budget(), domain.BadPage); n != tt.others {
			t.Errorf("%+v: BadPage ends after %d failures", tt, n)
		}
		if tt.transientTries > policy.Tries {
			budget := policy.Budget()
			for range tt.transientTries - 1 {
				if _, err := budget.Next(of(domain.Transient)); err != nil {
					t.Fatal(err)
				}
			}
			if n := count(budget, domain.BadPage); n != tt.others {
				t.Errorf("%+v: after Transient, BadPage ends after %d failures", tt, n)
			}
		}
	}
}

func TestJitterTakesAShareOfTheWholeBackoff(t *testing.T) {
	t.Parallel()
	for _, share := range []float64{0, 0.25, 0.999} {
		budget := retry.Policy{Tries: 2, Jitter: func() float64 { return share }}.Budget()
		wait, err := budget.Next(of(domain.Transient))
		if err != nil {
			t.Fatal(err)
		}
		if want := time.Duration(share * float64(500*time.Millisecond)); wait.For != want {
			t.Errorf("share %v waits %s, want %s", share, wait.For, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		in      time.Duration // Until, from now; negative: in the past
		unsaid  bool
		unsent  bool
		refused int // times before
		want    time.Duration
	}{
		{name: "as long as told", in: 41 * time.Second, want: 41 * time.Second},
		{name: "Retry-After: 0 does not ask again in the same instant", in: 0, want: time.Second},
		{name: "a moment in the past neither", in: -time.Hour, want: time.Second},
		{name: "pacing that sent nothing waits just its time", in: 20 * time.Millisecond, unsent: true, want: 20 * time.Millisecond},
		{name: "pacing whose moment has passed", in: -time.Second, unsent: true, want: 0},
		{name: "nobody said when", unsaid: true, want: time.Second},
		{name: "nobody says when, again and again", unsaid: true, refused: 3, want: 8 * time.Second},
		{name: "nobody ever says when", unsaid: true, refused: 20, want: time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				refusal := &domain.Error{Kind: domain.RateLimited, Op: "fetch", Err: errors.New("429"), Unsent: tt.unsent}
				if !tt.unsaid {
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
					t.Errorf("a refusal costs try %d of %d", wait.Try, wait.Tries)
				}
				if wait.For != tt.want || !wait.Until.Equal(time.Now().Add(tt.want)) {
					t.Errorf("waits %s until %s, want %s", wait.For, wait.Until, tt.want)
				}
			})
		})
	}
}

func TestRefusalsCostNoTryButEndAtMaxWait(t *testing.T) {
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
			t.Errorf("past the longest wait: %v", err)
		}
	})
}

func TestDoTriesUntilItSucceeds(t *testing.T) {
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
			t.Errorf("%d tries, waits %v, error %v", tries, waits, err)
		}
	})
}

func TestDoStopsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		cause := &domain.Error{Kind: domain.RateLimited, Op: "fetch", Err: errors.New("429"), Until: began.Add(30 * time.Minute)}
		err := policy().Do(ctx, func(retry.Wait) {}, func(context.Context) error { return cause })
		if domain.KindOf(err) != domain.Stopped || !errors.Is(err, cause) {
			t.Errorf("stopped with %v", err)
		}
		if waited := time.Since(began); waited != time.Minute {
			t.Errorf("left after %s", waited)
		}
	})
}
