package datasync

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// What an answer's headers say about the rate limit. Nothing here reads the local calendar: a date is taken relative to
// the answer's own Date, so that a clock that is off by minutes does not turn into a wait that is.
type told struct {
	hasRemaining bool
	remaining    int64     // requests left, not positive when there is none
	reset        time.Time // when there will be more; zero if not said
	retryAfter   time.Time // zero if not said
	quota        domain.Quota
}

// tryAgain is when a refused request may be sent again, zero if nobody said. "Retry-After: 0" says nothing: what is told
// of the window counts then.
func (t told) tryAgain(at time.Time) time.Time {
	if t.retryAfter.After(at) || t.reset.IsZero() {
		return t.retryAfter
	}
	return t.reset
}

func (n HeaderNames) read(h http.Header, at time.Time) told {
	server := serverClock{at: at, date: at}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		server.date = date
	}
	var t told
	var limit int64
	t.retryAfter = server.retryAfter(h.Get("Retry-After"))
	for _, names := range []HeaderNames{n, olderDraft} {
		remaining, err := strconv.ParseInt(h.Get(names.Remaining), 10, 64)
		if err == nil && !t.hasRemaining {
			t.hasRemaining, t.remaining = true, remaining
		}
		if t.reset.IsZero() {
			t.reset = server.reset(h.Get(names.Reset))
		}
		if limit == 0 {
			limit, _ = wholeNumber(h.Get(names.Limit))
		}
	}
	policies := readPolicies(h.Values("RateLimit-Policy"))
	inForce := policies.withLimit(limit)
	if !t.hasRemaining && t.reset.IsZero() {
		tightest := readStructured(h.Values("RateLimit"), server)
		t.hasRemaining, t.remaining, t.reset = tightest.found, tightest.remaining, tightest.reset
		inForce = policies.named(tightest.name)
		limit = inForce.limit
	}
	t.quota = t.quotaOf(limit, inForce.window, at)
	return t
}

// olderDraft are the names in the IETF draft's versions up to 07.
var olderDraft = HeaderNames{Limit: "RateLimit-Limit", Remaining: "RateLimit-Remaining", Reset: "RateLimit-Reset"}

// A serverClock turns what the server says about time into moments of the local clock.
type serverClock struct {
	at   time.Time // when the answer came, by the local clock
	date time.Time // when it was made, by the server's; at if it did not say
}

// From these on a number cannot be seconds left in any window: it is the time itself, in seconds or milliseconds.
const (
	leastEpochSeconds = 1e9
	leastEpochMillis  = 1e12
	mostEpochMillis   = 1e14
)

// reset reads whole seconds left in the window (recorded), or an epoch, which other APIs send under the same name.
func (c serverClock) reset(text string) time.Time {
	n, ok := wholeNumber(text)
	switch {
	case !ok || n >= mostEpochMillis:
		return time.Time{}
	case n > leastEpochMillis:
		return c.local(time.UnixMilli(n))
	case n > leastEpochSeconds:
		return c.local(time.Unix(n, 0))
	}
	return c.at.Add(time.Duration(n) * time.Second)
}

// retryAfter reads delay-seconds or an HTTP-date (RFC 9110, section 10.2.3). A delay is cut to leastEpochSeconds,
// some 31 years, which a time.Duration still holds.
func (c serverClock) retryAfter(text string) time.Time {
	if n, ok := wholeNumber(text); ok {
		return c.at.Add(time.Duration(min(n, leastEpochSeconds)) * time.Second)
	}
	if date, err := http.ParseTime(text); err == nil {
		return c.local(date)
	}
	return time.Time{}
}

func (c serverClock) local(t time.Time) time.Time { return c.at.Add(t.Sub(c.date)) }

// wholeNumber reads digits and nothing else; one too large for an int64 is the largest.
func wholeNumber(text string) (int64, bool) {
	text = strings.TrimSpace(text)
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil || n > 0
}
