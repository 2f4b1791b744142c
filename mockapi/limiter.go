package mockapi

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// A limiter is the recorded rate limit [R]: a fixed window, opened by its first request, counted on arrival.
// Its owner serialises the calls.
type limiter struct {
	ends time.Time
	used int
}

// A window is what a request found when it was counted.
type window struct {
	limit, remaining int
	left             time.Duration // until the window ends
	spent            bool          // the limit had been used up before this request
}

// count takes one request into the window open at now, or opens one of this length. A limit of 0 is none.
func (l *limiter) count(now time.Time, limit int, length time.Duration) window {
	if limit == 0 {
		return window{}
	}
	if !now.Before(l.ends) {
		l.ends, l.used = now.Add(length), 0
	}
	spent := l.used >= limit
	if !spent {
		l.used++
	}
	return window{limit: limit, remaining: max(limit-l.used, 0), left: l.ends.Sub(now), spent: spent}
}

// wholeSeconds rounds up: a window's first answer says 60 [R].
func wholeSeconds(d time.Duration) int {
	return int((d + time.Second - 1) / time.Second)
}

// setRateHeaders tells of the window as the scenario asks, and on a 429 when to come back.
func (a arrival) setRateHeaders(h http.Header) {
	remaining, left := a.window.remaining, a.window.left
	if wait := a.toldToWait(); wait > 0 {
		remaining, left = 0, wait
		a.setRetryAfter(h, wait)
	}
	if a.window.limit == 0 {
		return
	}
	reset := strconv.Itoa(wholeSeconds(left))
	end := a.at.Add(left)
	switch a.plan.RateHeaders {
	case RateAbsent:
		return
	case RateIETF:
		h.Set("RateLimit", fmt.Sprintf(`"default";r=%d;t=%s`, remaining, reset))
		h.Set("RateLimit-Policy", fmt.Sprintf(`"default";q=%d;w=%d`, a.window.limit, wholeSeconds(a.plan.RateWindow)))
		return
	case RateLying:
		remaining, reset = a.window.limit, "1"
	case RateEpoch:
		reset = strconv.FormatInt(whole(end, time.Second).Unix(), 10)
	case RateEpochMillis:
		reset = strconv.FormatInt(whole(end, time.Millisecond).UnixMilli(), 10)
	case RateDate:
		reset = whole(end, time.Second).UTC().Format(http.TimeFormat)
	case RateSeconds:
	}
	h.Set("X-RateLimit-Limit", strconv.Itoa(a.window.limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
	h.Set("X-RateLimit-Reset", reset)
}

func (a arrival) setRetryAfter(h http.Header, wait time.Duration) {
	switch a.plan.RetryAfter {
	case RetrySeconds:
		h.Set("Retry-After", strconv.Itoa(wholeSeconds(wait)))
	case RetryDate:
		h.Set("Retry-After", whole(a.at.Add(wait), time.Second).UTC().Format(http.TimeFormat))
	case RetryZero:
		h.Set("Retry-After", "0")
	case RetryAbsent:
	}
}

// whole is the first whole unit that is not before t: who waits until then never comes too early.
func whole(t time.Time, unit time.Duration) time.Time {
	rounded := t.Truncate(unit)
	if rounded.Before(t) {
		rounded = rounded.Add(unit)
	}
	return rounded
}
