// Package retry decides from an error's kind whether and when to try again. All waits of pawl happen here.
package retry

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	minBackoff = 500 * time.Millisecond
	maxBackoff = 30 * time.Second

	// minRefusalWait prevents a request in the same instant after an answer 429 with "Retry-After: 0".
	minRefusalWait = time.Second
	maxRefusalWait = time.Minute // if the API does not say how long to wait
)

// A Policy limits the attempts and waits for one piece of work, such as a page to fetch or a batch to commit.
type Policy struct {
	Tries   int            // attempts in all, at least 1; a request refused by the rate limit costs none
	MaxWait time.Duration  // for the rate limit, all waits together
	Jitter  func() float64 // uniform in [0, 1)

	// TransientTries, if greater than Tries, is the number of attempts that may fail with Transient. These failures are then
	// counted separately.
	TransientTries int
}

// Do runs work until it succeeds, until its error is final, or until the policy allows no further attempt, and returns the
// last error. It calls notify before each wait. When ctx ends during a wait, Do returns at once with kind domain.Stopped
// and the error that was the reason for the wait.
func (p Policy) Do(ctx context.Context, notify func(Wait), work func(context.Context) error) error {
	budget := p.Budget()
	for {
		err := work(ctx)
		if err == nil {
			return nil
		}
		wait, err := budget.Next(err)
		if err != nil {
			return err
		}
		notify(wait)
		if err := wait.Sleep(ctx); err != nil {
			return err
		}
	}
}

// A Budget counts the attempts and waits of one piece of work against its Policy.
type Budget struct {
	policy    Policy
	failures  int
	transient int // failures, if counted separately, see Policy.TransientTries
	refusals  int
	waited    time.Duration
}

// Budget returns a new budget.
func (p Policy) Budget() *Budget { return &Budget{policy: p} }

// A Wait is the time until the next attempt, and the error that is the reason for it.
type Wait struct {
	For   time.Duration
	Until time.Time
	Err   error

	// The number of the next attempt, from 2, and how many there may be. Both are 0 if the wait costs no attempt.
	Try, Tries int
}

// ForRateLimit reports whether the wait is due to the rate limit rather than to a failure.
func (w Wait) ForRateLimit() bool { return domain.KindOf(w.Err) == domain.RateLimited }

// Limit returns the wait, shortened to d if it is longer.
func (w Wait) Limit(d time.Duration) Wait {
	if w.For <= d {
		return w
	}
	w.For, w.Until = d, time.Now().Add(d)
	return w
}

// Sleep waits. When ctx ends first it returns at once with kind domain.Stopped.
func (w Wait) Sleep(ctx context.Context) error {
	timer := time.NewTimer(w.For)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return &domain.Error{Kind: domain.Stopped, Op: "wait", Err: fmt.Errorf("%w, after: %w", ctx.Err(), w.Err)}
	}
}

// Next returns the wait before the next attempt after err, or a final error of the same kind.
func (b *Budget) Next(err error) (Wait, error) {
	switch domain.KindOf(err) {
	case domain.RateLimited:
		return b.afterRefusal(err)
	case domain.Transient, domain.BadPage, domain.Uncertain:
		return b.afterFailure(err)
	default:
		return Wait{}, err
	}
}

// afterRefusal waits at least as long as the API demands. If the API does not say how long, it waits a second and doubles
// that each time.
func (b *Budget) afterRefusal(err error) (Wait, error) {
	refusal := domain.AsError(err)
	b.refusals++
	wait := time.Until(refusal.Until)
	switch {
	case refusal.Until.IsZero():
		wait = backoff(minRefusalWait, maxRefusalWait, b.refusals)
	case !refusal.Unsent:
		wait = max(wait, minRefusalWait)
	}
	wait = max(wait, 0)
	b.waited += wait
	if b.waited > b.policy.MaxWait {
		return Wait{}, &domain.Error{
			Kind: domain.RateLimited, Op: "wait for the rate limit",
			Err:    fmt.Errorf("it would take until %s, longer than the %s that a run may wait: %w", formatTimeAfter(wait), b.policy.MaxWait, err),
			Remedy: domain.WaitLonger,
		}
	}
	return newWait(wait, err), nil
}

// afterFailure backs off exponentially with full jitter: it waits a random part of a bound that doubles with each failure.
func (b *Budget) afterFailure(err error) (Wait, error) {
	failures, tries := &b.failures, b.policy.Tries
	if domain.KindOf(err) == domain.Transient && b.policy.TransientTries > tries {
		failures, tries = &b.transient, b.policy.TransientTries
	}
	*failures++
	if *failures >= tries {
		return Wait{}, fmt.Errorf("stopped after %d attempts: %w", *failures, err)
	}
	bound := backoff(minBackoff, maxBackoff, *failures)
	wait := newWait(time.Duration(b.policy.Jitter()*float64(bound)), err)
	wait.Try, wait.Tries = *failures+1, tries
	return wait, nil
}

// backoff returns base, doubled times-1 times, but at most limit.
func backoff(base, limit time.Duration, times int) time.Duration {
	for ; times > 1 && base < limit; times-- {
		base *= 2
	}
	return min(base, limit)
}

func newWait(d time.Duration, err error) Wait {
	return Wait{For: d, Until: time.Now().Add(d), Err: err}
}

func formatTimeAfter(d time.Duration) string { return time.Now().Add(d).Format(time.DateTime) }
