// Package retry decides whether and when work that has failed is tried again. The decision depends on the kind of the error.
package retry

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	// The wait after a failure is a random time below a limit. minBackoff is the limit after the first failure, and maxBackoff
	// is the greatest limit.
	minBackoff = 500 * time.Millisecond
	maxBackoff = 30 * time.Second

	// minRefusalWait is the shortest wait after the rate limit has refused a request that was sent. Without it, the next
	// request would follow at once after an answer 429 with "Retry-After: 0".
	minRefusalWait = time.Second

	// maxRefusalWait is the longest wait after a refusal that does not say how long to wait.
	maxRefusalWait = time.Minute
)

// A Policy limits the attempts and waits for one piece of work, such as a page to fetch or a batch to commit.
type Policy struct {
	Tries   int            // the greatest number of attempts, at least 1; a refusal by the rate limit does not count
	MaxWait time.Duration  // the longest time that all waits for the rate limit may take together
	Jitter  func() float64 // returns random numbers that are uniformly distributed in [0, 1)

	// TransientTries has an effect only if it is greater than Tries. Then it is the greatest number of attempts that may fail
	// with Transient, and such attempts do not count for Tries.
	TransientTries int
}

// Do calls work until work returns nil or a final error, or until the policy allows no further attempt. Do returns the last
// error. It calls notify before each wait. If ctx ends during a wait, Do returns domain.Stopped at once, which wraps the reason
// for the wait.
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
	failures          int           // failed attempts; those in transientFailures are not included
	transientFailures int           // attempts that failed with Transient; always 0 if Policy.TransientTries has no effect
	refusals          int           // refusals by the rate limit
	waited            time.Duration // the time of all waits for the rate limit
}

// Budget returns a budget that has counted no attempt and no wait.
func (p Policy) Budget() *Budget { return &Budget{policy: p} }

// A Wait is the time until the next attempt, and the error that is the reason for it.
type Wait struct {
	For   time.Duration // the length of the wait
	Until time.Time     // the end of the wait
	Err   error         // the reason for the wait

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
		return &domain.Error{Kind: domain.Stopped, Code: domain.CodeStopped, Op: "wait", Err: fmt.Errorf("%w, after: %w", ctx.Err(), w.Err)}
	}
}

// Next counts an attempt that failed with err, and returns the wait before the next attempt. If no further attempt is allowed,
// Next returns a final error of the same kind as err.
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

// afterRefusal returns the wait after a refusal by the rate limit:
//   - If the API says how long to wait, the wait ends at that time. If the request was sent, the wait takes at least
//     minRefusalWait.
//   - If the API does not say it, the first wait takes minRefusalWait, and the wait doubles with each refusal, up to
//     maxRefusalWait.
//
// If all waits together would be longer than Policy.MaxWait, afterRefusal returns RateLimited.
func (b *Budget) afterRefusal(err error) (Wait, error) {
	refusal := domain.AsError(err)
	b.refusals++
	wait := max(time.Until(refusal.Until), 0)
	switch {
	case refusal.Until.IsZero():
		wait = doubleUpTo(maxRefusalWait, minRefusalWait, b.refusals-1)
	case !refusal.Unsent:
		wait = max(wait, minRefusalWait)
	}
	b.waited += wait
	if b.waited > b.policy.MaxWait {
		return Wait{}, &domain.Error{
			Kind: domain.RateLimited, Code: domain.CodeRateLimitWaitTooLong, Op: "wait for the rate limit",
			Err: fmt.Errorf("it would take until %s, longer than the %s that a run may wait: %w",
				time.Now().Add(wait).Format(time.DateTime+" MST"), b.policy.MaxWait, err),
			Remedy: domain.WaitLonger,
		}
	}
	return newWait(wait, err), nil
}

// afterFailure returns the wait after a failure. The wait is a random time between 0 and a limit. The limit is minBackoff after the
// first failure and doubles with each failure, up to maxBackoff ("exponential backoff with full jitter"). If the policy allows no
// further attempt, afterFailure returns err, or an error that wraps err and says how many attempts there were.
func (b *Budget) afterFailure(err error) (Wait, error) {
	failures, tries := b.countFailure(err)
	if failures >= tries {
		if failures > 1 {
			err = fmt.Errorf("stopped after %d attempts: %w", failures, err)
		}
		return Wait{}, err
	}
	limit := doubleUpTo(maxBackoff, minBackoff, failures-1)
	wait := newWait(time.Duration(b.policy.Jitter()*float64(limit)), err)
	wait.Try, wait.Tries = failures+1, tries
	return wait, nil
}

// countFailure counts a failed attempt. It returns the number of such failures so far, and the greatest number of attempts.
// If Policy.TransientTries has an effect, Transient failures are counted separately.
func (b *Budget) countFailure(err error) (failures, tries int) {
	if domain.KindOf(err) == domain.Transient && b.policy.TransientTries > b.policy.Tries {
		b.transientFailures++
		return b.transientFailures, b.policy.TransientTries
	}
	b.failures++
	return b.failures, b.policy.Tries
}

// doubleUpTo doubles d the given number of times and returns the result. If the result is greater than limit, it returns limit.
func doubleUpTo(limit, d time.Duration, times int) time.Duration {
	for ; times > 0 && d < limit; times-- {
		d *= 2
	}
	return min(d, limit)
}

func newWait(d time.Duration, err error) Wait {
	return Wait{For: d, Until: time.Now().Add(d), Err: err}
}
