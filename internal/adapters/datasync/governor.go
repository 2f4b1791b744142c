package datasync

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// A governor decides when the next request may be sent: at least minDelay after the last one, and not before the rate limit
// allows it. The governor never waits; its caller does. It is safe for concurrent use.
type governor struct {
	minDelay time.Duration // minimum time from one request to the next

	mu              sync.Mutex
	lastSent        time.Time     // the time of the latest request; zero if no request was sent
	until           time.Time     // the rate limit allows no request before this time, which may be in the past
	announcedWindow time.Duration // the window of the rate limit in the latest answer that announced one; 0 if no answer did
	impliedWindow   time.Duration // the longest window that answers implied, see learnWindow; 0 if no answer did
	unit            resetUnit
}

// A hold says why, and until when, no request is sent. It is the cause of the error that [Client.FetchPage] returns.
type hold struct {
	until  time.Time
	reason string
}

func (h *hold) Error() string {
	return fmt.Sprintf("not sent before %s: %s", h.until.Format(time.TimeOnly), h.reason)
}

// reserve records one request as sent at now and returns nil. If no request may be sent at now, it returns the hold.
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

// observe records the rate-limit headers of an answer and returns them. If the rate limit is used up, it also returns when
// the answer allows the next request. That time is zero if the answer does not say it, or if the rate limit is not used up.
// observe never shortens a hold, because answers can arrive out of order.
func (g *governor) observe(names HeaderNames, a answer) (rateHeaders, time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	headers := names.parse(a.header, a.receivedAt, g.unit.millis)
	if g.unit.learn(headers.limit.resetText, a.receivedAt) {
		headers = names.parse(a.header, a.receivedAt, g.unit.millis)
		g.impliedWindow = 0 // it was computed from resets in the wrong unit
	}
	g.learnWindow(headers.limit, a)
	var until time.Time
	if isRateLimited(a.status, headers) || headers.isUsedUp() {
		until = g.retryTime(headers, a)
		g.holdUntil(until)
	}
	return headers, until
}

// maxImpliedWindow is the longest window that an answer can imply, because a larger number may count milliseconds.
const maxImpliedWindow = time.Hour

// minWindow is the fallback of retryTime if no window is known, and the shortest implied window that retryTime uses.
const minWindow = time.Minute

// learnWindow records the window that an answer announces or implies. The first answer in a window implies that the window
// is as long as the time left to the reset. If windows begin at full minutes of the clock, the first answer can be late in its
// window, and then it implies too short a window. Therefore an implied window never shrinks, and later answers can make it
// longer.
func (g *governor) learnWindow(limit rateLimitItem, a answer) {
	if limit.window > 0 {
		g.announcedWindow = limit.window
		return
	}
	left := limit.reset.Sub(a.receivedAt)
	if a.status != http.StatusOK || left <= 0 || left > maxImpliedWindow {
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
func (g *governor) retryTime(headers rateHeaders, a answer) time.Time {
	const slack = time.Second // windows are announced in whole seconds
	until := headers.retryTime(a.receivedAt)
	isRetryAfter := until.Equal(headers.retryAfter)
	if isRetryAfter && isRateLimited(a.status, headers) {
		return until
	}
	maxLeft, fallback := maxImpliedWindow, minWindow
	switch {
	case g.announcedWindow > 0:
		maxLeft, fallback = g.announcedWindow, g.announcedWindow
	case isRetryAfter:
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

// holdUntil extends the hold to the time until. It never shortens a hold, so it ignores the zero time.
func (g *governor) holdUntil(until time.Time) {
	if until.After(g.until) {
		g.until = until
	}
}

// A resetUnit finds out whether the API counts the time left in a window in seconds, as nearly all APIs do, or in
// milliseconds. It compares how much the number shrinks from answer to answer with the time that passes. If the number
// shrinks as fast as milliseconds, the answer is a match. Two matches (minMatches) prove milliseconds. If the number shrinks
// in another way, the count of matches begins again. An answer in a new window does not change the count.
type resetUnit struct {
	millis bool // whether it is proved that the API counts milliseconds

	lastLeft   float64   // the time left in the latest answer; 0 if unknown
	receivedAt time.Time // when the latest answer arrived
	matches    int       // how many matches there were since the count began
}

const minMatches = 2

// learn compares the time left, which text says, with the one in the answer before. It reports whether this answer has proved
// milliseconds. It ignores a text that is not a number, or is a time since 1970.
func (u *resetUnit) learn(text string, receivedAt time.Time) bool {
	left, isNumber := parseDecimal(text)
	isTimeLeft := isNumber && left <= minEpochSeconds
	if u.millis || !isTimeLeft {
		return false
	}
	shrunk, passed := u.lastLeft-left, receivedAt.Sub(u.receivedAt)
	u.lastLeft, u.receivedAt = left, receivedAt
	if shrunk <= 0 { // the answer is in a new window
		return false
	}
	mayBeSeconds := shrunk <= passed.Seconds()+maxRounding
	if mayBeSeconds || !isNear(shrunk, float64(passed.Milliseconds())) {
		u.matches = 0
		return false
	}
	u.matches++
	u.millis = u.matches == minMatches
	return u.millis
}

// maxRounding is how much more than the passed seconds a number may shrink, and still be taken for seconds.
const maxRounding = 5

// isNear reports whether a and b differ by a factor of at most two.
func isNear(a, b float64) bool { return a >= b/2 && a <= b*2 }
