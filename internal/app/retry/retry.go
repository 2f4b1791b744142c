// Package retry decides from the kind of an error whether and when to try again. [Wait.Sleep] does the waiting.
package retry

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	// minBackoff and maxBackoff limit the time from which the wait after a failure is chosen.
	minBackoff = 500 * time.Millisecond
	maxBackoff = 30 * time.Second

	// minRefusalWait is the shortest wait after a refusal by the rate limit. Without it, an answer 429 with "Retry-After: 0"
	// would be followed by the next request at once.
	minRefusalWait = time.Second

	// maxRefusalWait is the longest wait after a refusal that does not say how long to wait.
	maxRefusalWait = time.Minute
)

// A Policy limits the attempts and waits for one piece of work, such as a page to fetch or a batch to commit.
type Policy struct {
	Tries   int            // the greatest number of attempts, at least 1; a refusal by the rate limit does not count
	MaxWait time.Duration  // the longest time that all waits for the rate limit may take together
	Jitter  func() float64 // returns random numbers that are uniformly distributed in [0, 1)

	// TransientTries is used only if it is greater than Tries. It is then the greatest number of attempts that fail with
	// Transient. Such attempts do not count for Tries.
	TransientTries int
}

// Do calls work until it returns nil or a final error, or until the policy allows no further attempt. It returns the last
// error. Do calls notify before each wait. If ctx ends during a wait, Do returns domain.Stopped at once. That error wraps
// the error that was the reason for the wait.
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
	policy            Policy
	failures          int
	transientFailures int // counted here and not in failures if Policy.TransientTries is used
	refusals          int // refusals by the rate limit
	waited            time.Duration
}

// Budget returns a budget from which nothing is spent.
func (p Policy) Budget() *Budget { return &Budget{policy: p} }

// A Wait is the time until the next attempt, and the error that is the reason for it.
type Wait struct {
	For   time.Duration
	Until time.Time
	Err   error

	// Try is the number of the next attempt, at least 2. Tries is the greatest number of attempts. Both are 0 if the
	// reason for the wait is the rate limit, because a refusal does not count as an attempt.
	Try, Tries int
}

// ForRateLimit reports whether the reason for the wait is the rate limit. Otherwise the reason is a failure.
func (w Wait) ForRateLimit() bool { return domain.KindOf(w.Err) == domain.RateLimited }

// Limit returns a wait that is at most d long.
func (w Wait) Limit(d time.Duration) Wait {
	if w.For <= d {
		return w
	}
	w.For, w.Until = d, time.Now().Add(d)
	return w
}

// Sleep waits for the time w.For. If ctx ends first, Sleep returns domain.Stopped at once. That error wraps w.Err.
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

// Next counts an attempt that failed with err. It returns the wait before the next attempt. If there must be no further
// attempt, Next returns a final error of the same kind as err.
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

// afterRefusal returns the wait after a refusal by the rate limit. The wait is as long as the API demands, but at least
// minRefusalWait if a request was sent. If the API demands no certain time, the wait begins with minRefusalWait and doubles
// with each refusal, up to maxRefusalWait.
func (b *Budget) afterRefusal(err error) (Wait, error) {
	refusal := domain.AsError(err)
	b.refusals++
	wait := time.Until(refusal.Until)
	switch {
	case refusal.Until.IsZero():
		wait = doubleUpTo(maxRefusalWait, minRefusalWait, b.refusals-1)
	case !refusal.Unsent:
		wait = max(wait, minRefusalWait)
	}
	wait = max(wait, 0)
	b.waited += wait
	if b.waited > b.policy.MaxWait {
		return Wait{}, &domain.Error{
			Kind: domain.RateLimited, Op: "wait for the rate limit",
			Err: fmt.Errorf("it would take until %s, longer than the %s that a run may wait: %w",
				time.Now().Add(wait).Format(time.DateTime), b.policy.MaxWait, err),
			Remedy: domain.WaitLonger,
		}
	}
	return newWait(wait, err), nil
}

// afterFailure returns the wait after a failure. It is a random time between 0 and a limit. The limit begins with minBackoff
// and doubles with each failure, up to maxBackoff ("exponential backoff with full jitter").
func (b *Budget) afterFailure(err error) (Wait, error) {
	failures, tries := &b.failures, b.policy.Tries
	if domain.KindOf(err) == domain.Transient && b.policy.TransientTries > tries {
		failures, tries = &b.transientFailures, b.policy.TransientTries
	}
	*failures++
	if *failures >= tries {
		return Wait{}, fmt.Errorf("stopped after %d attempts: %w", *failures, err)
	}
	limit := doubleUpTo(maxBackoff, minBackoff, *failures-1)
	wait := newWait(time.Duration(b.policy.Jitter()*float64(limit)), err)
	wait.Try, wait.Tries = *failures+1, tries
	return wait, nil
}

// doubleUpTo doubles d a number of times and returns the result, or limit if the result is greater.
func doubleUpTo(limit, d time.Duration, times int) time.Duration {
	for ; times > 0 && d < limit; times-- {
		d *= 2
	}
	return min(d, limit)
}

func newWait(d time.Duration, err error) Wait {
	return Wait{For: d, Until: time.Now().Add(d), Err: err}
}
