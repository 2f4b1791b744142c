// Package retry says, by an error's kind alone, whether to try again and when, and it is where pawl waits.
package retry

import (
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	backoffBase = 500 * time.Millisecond
	backoffCap  = 30 * time.Second

	// refusalFloor keeps a server that refuses and says "Retry-After: 0" from being asked again in the same instant.
	refusalFloor = time.Second
	refusalCap   = time.Minute
)

// A Policy is what one piece of work may cost: a page to fetch, a batch to commit.
type Policy struct {
	Tries   int            // attempts in all, at least 1; a refusal for the rate limit costs none
	MaxWait time.Duration  // for the rate limit, all waits together
	Jitter  func() float64 // uniform in [0, 1)

	// TransientTries, if greater than Tries, is the number of attempts that may fail with Transient. These are then counted
	// by themselves.
	TransientTries int
}

// A Budget is what is left of a Policy for one piece of work.
type Budget struct {
	policy    Policy
	failures  int
	transient int // counted by themselves, see Policy.TransientTries
	refusals  int
	waited    time.Duration
}

// Budget returns a full one.
func (p Policy) Budget() *Budget { return &Budget{policy: p} }

// A Wait is time to pass before the next try, and why.
type Wait struct {
	For   time.Duration
	Until time.Time
	Err   error

	// The try that follows a failure, from 2, and how many there may be; both 0 where a wait costs no try.
	Try, Tries int
}

// ForRateLimit reports whether the wait is due to the rate limit rather than to a failure.
func (w Wait) ForRateLimit() bool { return domain.KindOf(w.Err) == domain.RateLimited }

// AtMost is the wait cut to d.
func (w Wait) AtMost(d time.Duration) Wait {
	if w.For <= d {
		return w
	}
	w.For, w.Until = d, time.Now().Add(d)
	return w
}

// Next decides what follows err: a wait, after which the work is tried again, or a final error of the same kind.
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

// afterRefusal waits as long as the upstream said, never less; if it did not say, a second, doubled each time.
func (b *Budget) afterRefusal(err error) (Wait, error) {
	refusal := domain.AsError(err)
	b.refusals++
	wait := time.Until(refusal.Until)
	switch {
	case refusal.Until.IsZero():
		wait = doubled(refusalFloor, refusalCap, b.refusals)
	case !refusal.Unsent:
		wait = max(wait, refusalFloor)
	}
	wait = max(wait, 0)
	b.waited += wait
	if b.waited > b.policy.MaxWait {
		return Wait{}, &domain.Error{
			Kind: domain.RateLimited, Op: "wait for the rate limit",
			Err:    fmt.Errorf("it would take until %s, longer than the %s that a run may wait: %w", clock(wait), b.policy.MaxWait, err),
			Remedy: domain.WaitLonger,
		}
	}
	return waitFor(wait, err), nil
}

// afterFailure backs off exponentially with full jitter: a uniform share of a bound that doubles with each failure.
func (b *Budget) afterFailure(err error) (Wait, error) {
	failures, tries := &b.failures, b.policy.Tries
	if domain.KindOf(err) == domain.Transient && b.policy.TransientTries > tries {
		failures, tries = &b.transient, b.policy.TransientTries
	}
	*failures++
	if *failures >= tries {
		return Wait{}, fmt.Errorf("gave up at try %d: %w", *failures, err)
	}
	bound := doubled(backoffBase, backoffCap, *failures)
	wait := waitFor(time.Duration(b.policy.Jitter()*float64(bound)), err)
	wait.Try, wait.Tries = *failures+1, tries
	return wait, nil
}

func doubled(base, limit time.Duration, times int) time.Duration {
	for ; times > 1 && base < limit; times-- {
		base *= 2
	}
	return min(base, limit)
}

func waitFor(d time.Duration, err error) Wait {
	return Wait{For: d, Until: time.Now().Add(d), Err: err}
}

func clock(d time.Duration) string { return time.Now().Add(d).Format(time.DateTime) }
