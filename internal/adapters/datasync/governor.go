package datasync

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// permits is the port through which the client obeys the rate limit. An implementation never waits; its caller does. It has no
// clock either: each call brings the time. It is safe for concurrent use.
type permits interface {
	// take records one request as sent at now and returns nil. If no request may be sent at now, it returns the hold.
	take(now time.Time) *hold

	// tell reports how a request ended for which take returned nil. If the rate limit is used up, tell returns when the answer
	// allows the next request. That time is zero if the answer does not say it, or if the rate limit is not used up.
	tell(o outcome) time.Time
}

// An outcome is what is known about the rate limit after a request. All times are by the local clock.
type outcome struct {
	sentAt   time.Time
	answered bool // false: no answer arrived, and the rest is zero

	receivedAt time.Time
	status     int
	headers    rateHeaders
}

func (o outcome) isRefusal() bool { return o.answered && isRateLimited(o.status, o.headers) }

// isUsedUp reports whether the answer refuses the request because of the quota. A 503 says that the API is overloaded, which is no
// news of the quota.
func (o outcome) isUsedUp() bool { return o.isRefusal() && o.status != http.StatusServiceUnavailable }

// A governor implements permits for one process: at least minDelay passes from one request to the next, and no request is sent
// before the rate limit allows it.
type governor struct {
	minDelay time.Duration // minimum time from one request to the next

	mu              sync.Mutex
	lastSent        time.Time     // the time of the latest request; zero if no request was sent
	until           time.Time     // the rate limit allows no request before this time, which may be in the past
	announcedWindow time.Duration // the window of the rate limit in the latest answer that announced one; 0 if no answer did
	impliedWindow   time.Duration // the longest window that answers implied, see learnWindow; 0 if no answer did
	window          window
	silent          silentWindow
}

// A hold says why, and until when, no request is sent. It is the cause of the error that [Client.FetchPage] returns.
type hold struct {
	until  time.Time
	reason string
}

func (h *hold) Error() string {
	return fmt.Sprintf("not sent before %s: %s", h.until.Format(time.TimeOnly), h.reason)
}

// take implements permits.
func (g *governor) take(now time.Time) *hold {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holdUntil(g.window.heldUntil())
	g.holdUntil(g.silent.heldUntil())
	if now.Before(g.until) {
		return &hold{until: g.until, reason: "the API's rate limit is used up"}
	}
	if next := g.lastSent.Add(g.minDelay); !g.lastSent.IsZero() && now.Before(next) {
		return &hold{until: next, reason: fmt.Sprintf("at least %s must pass between two requests", g.minDelay)}
	}
	g.lastSent = now
	g.window.send()
	g.silent.send(now)
	return nil
}

// tell implements permits. It never shortens a hold, because answers can arrive out of order.
func (g *governor) tell(o outcome) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	if o.headers.otherUnit { // what is known was computed from resets in the wrong unit
		g.impliedWindow = 0
		g.window.forget()
	}
	g.learnWindow(o.headers.limit, o)
	g.window.observe(o, g.maxLeft(false)+rounding)
	g.silent.observe(o)
	if !o.isRefusal() && !o.headers.isUsedUp() {
		return time.Time{}
	}
	until := g.window.bringForward(g.retryTime(o.headers, o))
	g.holdUntil(until)
	return until
}

// maxImpliedWindow is the longest window that an answer can imply, because a larger number may count milliseconds.
const maxImpliedWindow = time.Hour

// minWindow is the fallback of retryTime if no window is known, and the shortest implied window that retryTime uses.
const minWindow = time.Minute

// learnWindow records the window that an answer announces or implies. The first answer in a window implies that the window
// is as long as the time left to the reset. If windows begin at full minutes of the clock, the first answer can be late in its
// window, and then it implies too short a window. Therefore an implied window never shrinks, and later answers can make it
// longer.
func (g *governor) learnWindow(limit rateLimitItem, o outcome) {
	if limit.window > 0 {
		g.announcedWindow = limit.window
		return
	}
	left := limit.reset.Sub(o.receivedAt)
	if o.status != http.StatusOK || left <= 0 || left > maxImpliedWindow {
		return
	}
	isFirstInWindow := limit.hasRemaining && limit.remaining == limit.limit-1
	mayProlong := g.impliedWindow > 0 && !limit.isUsedUp()
	if isFirstInWindow || mayProlong {
		g.impliedWindow = max(g.impliedWindow, left)
	}
}

// retryTime returns the time of the next attempt, or zero if the answer does not say it. It always believes the Retry-After
// of a refusal. It believes any other time only up to a maximum after the answer, and replaces a later time by a fallback. The
// first line that applies gives the maximum and the fallback:
//
//	the window was announced     that window               that window
//	the time is a Retry-After    maxWindow                 minWindow
//	the window was implied       it, but >= minWindow      the same as the maximum
//	nothing is known             maxImpliedWindow          minWindow
func (g *governor) retryTime(headers rateHeaders, o outcome) time.Time {
	until := headers.retryTime(o.receivedAt)
	isRetryAfter := until.Equal(headers.retryAfter)
	if isRetryAfter && isRateLimited(o.status, headers) {
		return until
	}
	maxLeft := g.maxLeft(isRetryAfter)
	if until.Sub(o.receivedAt) <= maxLeft+rounding {
		return until
	}
	fallback := minWindow
	if g.announcedWindow > 0 || !isRetryAfter && g.impliedWindow > 0 {
		fallback = maxLeft
	}
	return o.receivedAt.Add(fallback)
}

// maxLeft returns the longest time from an answer to the end of its window that the governor believes, see retryTime.
func (g *governor) maxLeft(isRetryAfter bool) time.Duration {
	switch {
	case g.announcedWindow > 0:
		return g.announcedWindow
	case isRetryAfter:
		return maxWindow
	case g.impliedWindow > 0:
		return max(g.impliedWindow, minWindow)
	}
	return maxImpliedWindow
}

// holdUntil extends the hold to the time until. It never shortens a hold, so it ignores the zero time.
func (g *governor) holdUntil(until time.Time) {
	if until.After(g.until) {
		g.until = until
	}
}
