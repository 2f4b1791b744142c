// Package retry decides whether and when work that has failed is tried again. The decision depends on the kind of the error.
package retry

import (
	"cmp"
	"context"
	"errors"
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

// A Policy limits the attempts and waits for one piece of work, such as a page to fetch or a batch to commit. Without Tries and MaxTime it
// allows one attempt.
type Policy struct {
	Tries   int            // the greatest number of attempts; 0 if only MaxTime limits them; a refusal by the rate limit does not count
	MaxTime time.Duration  // the time from the first failure, without waits for the rate limit, in which attempts may begin; 0 for no limit
	MaxWait time.Duration  // the longest time that all waits for the rate limit may take together
	Jitter  func() float64 // returns random numbers that are uniformly distributed in [0, 1)

	// LongestBackoff is the greatest wait after a failure; 0 stands for the greatest wait of this package.
	LongestBackoff time.Duration

	// IsHopeless reports whether no further attempt can succeed, for example because the server has ended and nobody starts it again. It is
	// called after each failure. It may be nil.
	IsHopeless func() bool

	// Remedy is added to the error that ends the work because MaxTime has passed. It may be 0.
	Remedy domain.Remedy

	// TransientTries has an effect only if it is greater than Tries. Then it is the greatest number of attempts that may fail
	// with Transient, and such attempts do not count for Tries.
	TransientTries int
}

// Do calls work until work returns nil or a final error, or until the policy allows no further attempt. Do returns the last
// error. It calls notify before each wait. If ctx ends during a wait, Do returns domain.Stopped at once, which wraps the reason
// for the wait.
func (p Policy) Do(ctx context.Context, notify func(Wait), work func(context.Context) error) error {
	return p.Budget().Do(ctx, notify, work)
}

// A Budget counts the attempts and waits of one piece of work against its Policy.
type Budget struct {
	policy            Policy
	began             time.Time     // when the first failure ended; zero before it
	failures          int           // failed attempts; those in transientFailures are not included
	transientFailures int           // attempts that failed with Transient; always 0 if Policy.TransientTries has no effect
	refusals          int           // refusals by the rate limit
	waited            time.Duration // the time of all waits for the rate limit
	waitedBefore      time.Duration // the part of waited that was before the first failure
}

// Budget returns a budget that has counted no attempt and no wait.
func (p Policy) Budget() *Budget { return &Budget{policy: p} }

// Do is [Policy.Do] with this budget. The budget starts anew when work returns nil, or an error which shows that there is no such failure
// any more. So several calls of Do can share the time of one long failure.
//
// If work returns an error of [Final], Do makes no other attempt and returns the error inside.
func (b *Budget) Do(ctx context.Context, notify func(Wait), work func(context.Context) error) error {
	for {
		err := work(ctx)
		final, isFinal := errors.AsType[finalError](err)
		if isFinal {
			err = final.error
		}
		if isFinal && isOutage(err) {
			b.begin()
		} else if isFinal || !mayRepeat(err) {
			*b = Budget{policy: b.policy}
		}
		if err == nil || isFinal {
			return err
		}
		wait, err := b.Next(err)
		if err != nil {
			return err
		}
		notify(wait)
		if err := wait.Sleep(ctx); err != nil {
			return err
		}
	}
}

// begin begins the time of the budget, unless it has begun.
func (b *Budget) begin() {
	if b.began.IsZero() {
		b.began, b.waitedBefore = time.Now(), b.waited
	}
}

// A finalError is an error after which Do makes no other attempt.
type finalError struct{ error }

// Final returns an error that makes [Budget.Do] return err at once, although another attempt might succeed.
func Final(err error) error { return finalError{err} }

// isOutage reports whether err does not show that the other side works.
func isOutage(err error) bool {
	kind := domain.KindOf(err)
	return kind == domain.Transient || kind == domain.Uncertain
}

// mayRepeat reports whether another attempt may succeed after err.
func mayRepeat(err error) bool {
	switch domain.KindOf(err) {
	case domain.RateLimited, domain.Transient, domain.BadPage, domain.Uncertain:
		return true
	default:
		return false
	}
}

// A Wait is the time until the next attempt, and the error that is the reason for it.
type Wait struct {
	For   time.Duration // the length of the wait
	Until time.Time     // the end of the wait
	Err   error         // the reason for the wait

	// Try is the number of the next attempt, at least 2. Tries is the greatest number of attempts, or 0 if only time limits them.
	// Both are 0 if the reason for the wait is the rate limit, because a refusal does not count as an attempt.
	Try, Tries int

	// GivesUpAt is when the budget ends because of Policy.MaxTime. It is zero if there is no such limit, or if the reason for the wait
	// is the rate limit.
	GivesUpAt time.Time
}

// ByTimeAlone reports whether the work is tried again until a time, however many attempts that takes. GivesUpAt is that time.
func (w Wait) ByTimeAlone() bool { return w.Try > 0 && w.Tries == 0 }

// End returns when the state ends in which the work waits: GivesUpAt if time alone limits the attempts, otherwise the end of this wait.
func (w Wait) End() time.Time {
	if w.ByTimeAlone() {
		return w.GivesUpAt
	}
	return w.Until
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
	switch {
	case domain.KindOf(err) == domain.RateLimited:
		return b.afterRefusal(err)
	case mayRepeat(err):
		return b.afterFailure(err)
	}
	return Wait{}, err
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
// first failure and doubles with each failure, up to the longest backoff ("exponential backoff with full jitter"). A wait ends at the
// latest when the time of the policy has passed, so that one more attempt is made then. If the policy allows no further attempt,
// afterFailure returns err, or an error that wraps err and says how many attempts there were, or how long they took.
func (b *Budget) afterFailure(err error) (Wait, error) {
	b.begin()
	now := time.Now()
	failures, tries := b.countFailure(err)
	givesUpAt := b.givesUpAt()
	switch {
	case tries > 0 && failures >= tries, tries == 0 && givesUpAt.IsZero():
		if failures > 1 {
			err = fmt.Errorf("stopped after %d attempts: %w", failures, err)
		}
		return Wait{}, err
	case b.policy.IsHopeless != nil && b.policy.IsHopeless():
		return Wait{}, err
	case !givesUpAt.IsZero() && !now.Before(givesUpAt):
		return Wait{}, b.timeError(err, now, failures)
	}
	limit := doubleUpTo(cmp.Or(b.policy.LongestBackoff, maxBackoff), minBackoff, failures-1)
	wait := newWait(time.Duration(b.policy.Jitter()*float64(limit)), err)
	if !givesUpAt.IsZero() {
		wait = wait.Limit(givesUpAt.Sub(now))
	}
	wait.Try, wait.Tries, wait.GivesUpAt = failures+1, tries, givesUpAt
	return wait, nil
}

// givesUpAt returns when no further attempt may begin. It returns the zero time if the policy has no such limit.
func (b *Budget) givesUpAt() time.Time {
	if b.policy.MaxTime <= 0 {
		return time.Time{}
	}
	return b.began.Add(b.policy.MaxTime + b.waited - b.waitedBefore)
}

// timeError returns the final error after the time of the policy has passed. It keeps what err says, except its remedy.
func (b *Budget) timeError(err error, now time.Time, failures int) error {
	failing := now.Sub(b.began) - (b.waited - b.waitedBefore)
	final := *domain.AsError(err)
	final.Code, final.Hint, final.Remedy = domain.CodeOf(err), domain.HintOf(err), cmp.Or(b.policy.Remedy, domain.RemedyOf(err))
	final.Op, final.Err = fmt.Sprintf("stopped after %s and %d attempts", failing.Round(time.Second), failures), err
	return &final
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
