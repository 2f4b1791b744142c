package datasync

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// A governor knows when the next request may be sent: not sooner after the last than gap, and not before the moment the
// API named when it had used up its quota or refused. It only answers; waiting is the caller's.
type governor struct {
	gap time.Duration

	mu     sync.Mutex
	sent   time.Time     // last, zero if never
	until  time.Time     // the quota is used up until then; it may have passed
	window time.Duration // of the rate limit, as the answers imply it; 0 if none did
	unit   resetUnit
}

// A hold is why a request was not sent. It is the error's cause.
type hold struct {
	until  time.Time
	reason string
}

func (h *hold) Error() string {
	return fmt.Sprintf("not sent before %s: %s", h.until.Format(time.TimeOnly), h.reason)
}

// reserve counts a request as sent now, or returns the hold that forbids it.
func (g *governor) reserve(now time.Time) *hold {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Before(g.until) {
		return &hold{until: g.until, reason: "the API's rate limit is used up"}
	}
	if next := g.sent.Add(g.gap); !g.sent.IsZero() && now.Before(next) {
		return &hold{until: next, reason: fmt.Sprintf("requests are kept %s apart", g.gap)}
	}
	g.sent = now
	return nil
}

// observe reads what an answer says about the rate limit, and returns it with the moment until which the answer forbids
// the next request, zero if it names none. It never shortens a hold, because answers can arrive out of order.
func (g *governor) observe(names HeaderNames, a answer) (rateHeaders, time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	headers := names.read(a.header, a.at, g.unit.millis)
	if g.unit.learn(headers.limit.resetText, a.at) {
		headers = names.read(a.header, a.at, true)
		g.window = 0 // it was learned from another unit
	}
	g.learnWindow(headers.limit, a)
	var until time.Time
	if isRefusal(a.status, headers) || headers.usedUp() {
		until = g.believed(headers, a)
		g.holdUntil(until)
	}
	return headers, until
}

// learnWindow notes the window that an answer announces, or implies: whoever is the first in a window is told its length.
func (g *governor) learnWindow(limit rateLimitItem, a answer) {
	left := limit.reset.Sub(a.at)
	switch {
	case limit.window > 0:
		g.window = limit.window
	case a.status == http.StatusOK && limit.hasRemaining && limit.remaining == limit.limit-1 && left > 0 && left <= longestWindow:
		g.window = left
	}
}

// believed returns when to try again, as far as that can be believed. A refusal that says itself how long it lasts is
// always believed. The end of a window is not if it is further away than a window: then it is after the window, or where
// none is known nobody knows.
func (g *governor) believed(headers rateHeaders, a answer) time.Time {
	const slack = time.Second // windows are told in whole seconds
	until := headers.tryAgain(a.at)
	longest := g.window
	if longest == 0 {
		longest = longestWindow
	}
	switch {
	case isRefusal(a.status, headers) && until.Equal(headers.retryAfter), until.Sub(a.at) <= longest+slack:
		return until
	case g.window > 0:
		return a.at.Add(g.window)
	}
	return time.Time{}
}

// holdUntil never shortens a hold; so it ignores the zero time.
func (g *governor) holdUntil(t time.Time) {
	if t.After(g.until) {
		g.until = t
	}
}

// A resetUnit finds out whether an API counts the time left in a window in seconds, as nearly all do, or in milliseconds:
// what is left shrinks as time passes. It is sure after two answers that shrink in milliseconds.
type resetUnit struct {
	millis bool

	last    float64 // what was left; 0: unknown
	at      time.Time
	matches int
}

// learn takes in what an answer says is left, and reports whether that has just made it sure of milliseconds.
func (u *resetUnit) learn(text string, at time.Time) bool {
	left, ok := number(text)
	if !ok || left > leastEpochSeconds || u.millis {
		return false
	}
	shrunk, passed := u.last-left, at.Sub(u.at)
	u.last, u.at = left, at
	switch {
	case shrunk <= 0: // another window
		return false
	case shrunk <= passed.Seconds()+rounding, !near(shrunk, float64(passed.Milliseconds())):
		u.matches = 0
		return false
	}
	u.matches++
	u.millis = u.matches == 2
	return u.millis
}

// rounding is how much more seconds may seem to pass than did.
const rounding = 5

func near(a, b float64) bool { return a >= b/2 && a <= b*2 }
