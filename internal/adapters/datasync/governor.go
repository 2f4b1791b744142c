package datasync

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// A governor decides when the next request may be sent: at least minDelay after the last one, and not before the rate limit
// allows it. It never waits; its caller does. It is safe for concurrent use.
type governor struct {
	minDelay time.Duration // from send to send

	mu              sync.Mutex
	lastSent        time.Time     // zero if nothing was sent
	until           time.Time     // the rate limit allows no request before; may be in the past
	announcedWindow time.Duration // the window of the rate limit that an answer announced last, 0 if none did
	impliedWindow   time.Duration // the longest window that answers implied, 0 if none did
	unit            resetUnit
}

// A hold says why no request was sent. It is the cause of the error that [Client.FetchPage] returns.
type hold struct {
	until  time.Time
	reason string
}

func (h *hold) Error() string {
	return fmt.Sprintf("not sent before %s: %s", h.until.Format(time.TimeOnly), h.reason)
}

// reserve counts one request as sent at now, or returns the hold that forbids it.
func (g *governor) reserve(now time.Time) *hold {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Before(g.until) {
		return &hold{until: g.until, reason: "the API's rate limit is used up"}
	}
	if next := g.lastSent.Add(g.minDelay); !g.lastSent.IsZero() && now.Before(next) {
		return &hold{until: next, reason: fmt.Sprintf("at least %s must pass between two requests", g.minDelay)}
	}
	g.lastSent = now
	return nil
}

// observe records the rate-limit headers of an answer and returns them. The returned time is when the answer allows the
// next request, zero if the answer does not say. observe never shortens a hold, because answers can arrive out of order.
func (g *governor) observe(names HeaderNames, a answer) (rateHeaders, time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	headers := names.parse(a.header, a.receivedAt, g.unit.millis)
	if g.unit.learn(headers.limit.resetText, a.receivedAt) {
		headers = names.parse(a.header, a.receivedAt, true)
		g.impliedWindow = 0 // it was learned in the wrong unit
	}
	g.learnWindow(headers.limit, a)
	var until time.Time
	if isRateLimited(a.status, headers) || headers.isUsedUp() {
		until = g.retryTime(headers, a)
		g.holdUntil(until)
	}
	return headers, until
}

// maxImpliedWindow bounds the window that answers imply. Without an announced window it also bounds the reset: a larger
// number may count milliseconds.
const maxImpliedWindow = time.Hour

// minWindow is the minimum hold that replaces a reset that is too far away, unless a shorter window is announced.
const minWindow = time.Minute

// learnWindow records the window that an answer announces or implies. The first answer in a window implies the whole
// window by its reset. It implies less if windows begin with the minutes of the clock. So an implied window only grows, and
// later answers in a window count too.
func (g *governor) learnWindow(limit rateLimitItem, a answer) {
	left := limit.reset.Sub(a.receivedAt)
	isFirst := limit.hasRemaining && limit.remaining == limit.limit-1
	switch {
	case limit.window > 0:
		g.announcedWindow = limit.window
	case a.status == http.StatusOK && left > 0 && left <= maxImpliedWindow && (isFirst || g.impliedWindow > 0 && !limit.isUsedUp()):
		g.impliedWindow = max(g.impliedWindow, left)
	}
}

// retryTime returns when to try again, zero if the answer does not say. The Retry-After of a refusal is always believed. A
// reset that is more than one window away is not: then retryTime returns the end of one window, or of minWindow if no
// window is known.
func (g *governor) retryTime(headers rateHeaders, a answer) time.Time {
	const slack = time.Second // windows are announced in whole seconds
	until := headers.retryTime(a.receivedAt)
	inRetryAfter := until.Equal(headers.retryAfter)
	if inRetryAfter && isRateLimited(a.status, headers) {
		return until
	}
	maxLeft, fallback := maxImpliedWindow, minWindow
	switch {
	case g.announcedWindow > 0:
		maxLeft, fallback = g.announcedWindow, g.announcedWindow
	case inRetryAfter:
		maxLeft = maxWindow
	case g.impliedWindow > 0:
		maxLeft = max(g.impliedWindow, minWindow)
		fallback = maxLeft
	}
	if until.Sub(a.receivedAt) <= maxLeft+slack {
		return until
	}
	return a.receivedAt.Add(fallback)
}

// holdUntil extends the hold to t. It never shortens a hold, so it ignores the zero time.
func (g *governor) holdUntil(t time.Time) {
	if t.After(g.until) {
		g.until = t
	}
}

// A resetUnit finds out whether the API counts the time left in a window in seconds, as nearly all APIs do, or in
// milliseconds. It compares how much the number shrinks with the time that passes. Two answers that shrink in milliseconds,
// with none between them that shrinks in seconds, prove milliseconds.
type resetUnit struct {
	millis bool // proved

	lastLeft   float64 // in the last answer; 0 if unknown
	receivedAt time.Time
	matches    int // answers that shrank in milliseconds, since the last that shrank in seconds
}

// learn records the time left that an answer names. It reports whether this answer has proved milliseconds.
func (u *resetUnit) learn(text string, receivedAt time.Time) bool {
	left, ok := parseDecimal(text)
	if !ok || left > minEpochSeconds || u.millis {
		return false
	}
	shrunk, passed := u.lastLeft-left, receivedAt.Sub(u.receivedAt)
	u.lastLeft, u.receivedAt = left, receivedAt
	switch {
	case shrunk <= 0: // another window
		return false
	case shrunk <= passed.Seconds()+maxRounding, !isNear(shrunk, float64(passed.Milliseconds())):
		u.matches = 0
		return false
	}
	u.matches++
	u.millis = u.matches == 2
	return u.millis
}

// maxRounding is how much more a reset in whole seconds may shrink than the seconds that passed.
const maxRounding = 5

// isNear reports whether a and b differ by a factor of at most two.
func isNear(a, b float64) bool { return a >= b/2 && a <= b*2 }
