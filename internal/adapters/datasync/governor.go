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

	mu        sync.Mutex
	sent      time.Time     // last, zero if never
	until     time.Time     // the quota is used up until then; it may have passed
	announced time.Duration // the window of the rate limit that an answer named last, 0 if none did
	implied   time.Duration // the longest window that answers implied, 0 if none did
	unit      resetUnit
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
		g.implied = 0 // it was learned from another unit
	}
	g.learnWindow(headers.limit, a)
	var until time.Time
	if isRefusal(a.status, headers) || headers.usedUp() {
		until = g.believed(headers, a)
		g.holdUntil(until)
	}
	return headers, until
}

// longestImplied bounds the window that answers imply, and the reset that is believed where no window is announced: a
// number above it may as well count milliseconds.
const longestImplied = time.Hour

// leastWindow is the shortest hold that replaces a reset that is not believed, unless a shorter window is announced.
const leastWindow = time.Minute

// learnWindow notes the window that an answer announces or implies: the first answer of a window names its whole
// length. Where windows begin with the clock's minutes it names less, so an implied window only grows, also by later
// answers.
func (g *governor) learnWindow(limit rateLimitItem, a answer) {
	left := limit.reset.Sub(a.at)
	first := limit.hasRemaining && limit.remaining == limit.limit-1
	switch {
	case limit.window > 0:
		g.announced = limit.window
	case a.status == http.StatusOK && left > 0 && left <= longestImplied && (first || g.implied > 0 && !limit.usedUp()):
		g.implied = max(g.implied, left)
	}
}

// believed returns when to try again, the zero time if nobody said. A refusal that says itself how long it lasts is
// always believed. A reset that is further away than a window is not: then believed returns the end of one window, or
// of leastWindow if no window is known.
func (g *governor) believed(headers rateHeaders, a answer) time.Time {
	const slack = time.Second // windows are told in whole seconds
	until := headers.tryAgain(a.at)
	confirmed := until.Equal(headers.retryAfter)
	if confirmed && isRefusal(a.status, headers) {
		return until
	}
	longest, again := longestImplied, leastWindow
	switch {
	case g.announced > 0:
		longest, again = g.announced, g.announced
	case confirmed:
		longest = longestWindow
	case g.implied > 0:
		longest = max(g.implied, leastWindow)
		again = longest
	}
	if until.Sub(a.at) <= longest+slack {
		return until
	}
	return a.at.Add(again)
}

// holdUntil never shortens a hold; so it ignores the zero time.
func (g *governor) holdUntil(t time.Time) {
	if t.After(g.until) {
		g.until = t
	}
}

// A resetUnit finds out whether an API counts the time left in a window in seconds, as nearly all do, or in
// milliseconds: what is left shrinks as time passes. It is sure after two answers that shrink in milliseconds.
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

// rounding allows for resets in whole seconds: more of them may seem to pass than did.
const rounding = 5

func near(a, b float64) bool { return a >= b/2 && a <= b*2 }
