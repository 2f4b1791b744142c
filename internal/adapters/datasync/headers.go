package datasync

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// longestWindow bounds how long a rate limit's window is believed to be, even if it is announced.
const longestWindow = 24 * time.Hour

// rateHeaders are what an answer's headers say about the rate limit. Nothing here reads the local calendar: a date is
// taken relative to the answer's own Date, so that a clock that is off by minutes does not turn into a wait that is.
type rateHeaders struct {
	limit      rateLimitItem // of those that were named, the one that binds
	retryAfter time.Time     // zero if not said
	quota      domain.Quota
}

// A rateLimitItem is one limit as an answer names it. A field that is zero was not named.
type rateLimitItem struct {
	name         string // of its policy
	limit        int64  // requests in a window
	window       time.Duration
	hasRemaining bool
	remaining    int64 // requests left, not positive when there is none
	resetText    string
	reset        time.Time // when there will be more
}

// tryAgain returns when a request may be sent again after a refusal or the last of the quota, zero if nobody said.
// "Retry-After: 0" says nothing: what is said of the window counts then.
func (r rateHeaders) tryAgain(at time.Time) time.Time {
	if r.retryAfter.After(at) || r.limit.reset.IsZero() {
		return r.retryAfter
	}
	return r.limit.reset
}

// usedUp reports whether no request is left in the window.
func (r rateHeaders) usedUp() bool { return r.limit.usedUp() }

func (i rateLimitItem) usedUp() bool { return i.hasRemaining && i.remaining <= 0 }

// olderDraft holds the names in the IETF draft's versions up to 06.
var olderDraft = HeaderNames{Limit: "RateLimit-Limit", Remaining: "RateLimit-Remaining", Reset: "RateLimit-Reset"}

// read reads all forms in which an answer that came at a time may name its limits. With millis a plain number of a
// reset counts milliseconds left, else seconds.
func (n HeaderNames) read(h http.Header, at time.Time, millis bool) rateHeaders {
	server := serverClock{at: at, date: at, millis: millis}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		server.date = date
	}
	policies := readPolicies(h)
	var items []rateLimitItem
	for _, names := range []HeaderNames{n, olderDraft} {
		items = append(items, names.item(h))
	}
	items = append(items, readRateLimit(h.Values("RateLimit"))...)
	for i := range items {
		items[i].reset = server.reset(items[i].resetText)
		policies.complete(&items[i])
	}
	headers := rateHeaders{limit: binding(items), retryAfter: server.retryAfter(h.Get("Retry-After"))}
	headers.quota = headers.limit.quota(at)
	return headers
}

// item reads the headers that carry one value each.
func (n HeaderNames) item(h http.Header) rateLimitItem {
	var item rateLimitItem
	if limit, ok := firstInteger(h.Values(n.Limit)); ok {
		item.limit = limit
	}
	remaining, err := strconv.ParseInt(strings.TrimSpace(h.Get(n.Remaining)), 10, 64)
	if err == nil {
		item.hasRemaining, item.remaining = true, remaining
	}
	item.resetText = h.Get(n.Reset)
	return item
}

// binding returns the limit that forbids most: the one with the least left, and of several that are used up the one
// that is reset last. Missing fields are filled from items that name no remaining count.
func binding(items []rateLimitItem) rateLimitItem {
	var best, rest rateLimitItem
	for _, item := range items {
		switch {
		case !item.hasRemaining:
			if item.reset.After(rest.reset) {
				rest.reset, rest.resetText = item.reset, item.resetText
			}
			rest.limit = max(rest.limit, item.limit)
		case !best.hasRemaining || item.tighter(best):
			best = item
		}
	}
	if best.reset.IsZero() {
		best.reset, best.resetText = rest.reset, rest.resetText
	}
	if best.limit == 0 {
		best.limit = rest.limit
	}
	return best
}

func (i rateLimitItem) tighter(than rateLimitItem) bool {
	left, leftThan := max(i.remaining, 0), max(than.remaining, 0)
	return left < leftThan || left == leftThan && i.reset.After(than.reset)
}
