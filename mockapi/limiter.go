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
	exhausted        bool          // the limit had been used up before this request
}

// count takes one request into the window open at now, or opens one of this length. A limit of 0 is none.
func (l *limiter) count(now time.Time, limit int, length time.Duration) window {
	if limit == 0 {
		return window{}
	}
	if !now.Before(l.ends) {
		l.ends, l.used = now.Add(length), 0
	}
	exhausted := l.used >= limit
	if !exhausted {
		l.used++
	}
	return window{limit: limit, remaining: max(limit-l.used, 0), left: l.ends.Sub(now), exhausted: exhausted}
}

// wholeSeconds rounds up: a window's first answer says 60 [R].
func ceilSeconds(d time.Duration) int {
	return int((d + time.Second - 1) / time.Second)
}

// setRateHeaders tells of the window as the scenario asks, and on a 429 when to come back.
func (req request) setRateHeaders(h http.Header) {
	remaining, left := req.window.remaining, req.window.left
	if wait := req.retryDelay(); wait > 0 {
		remaining, left = 0, wait
		req.setRetryAfter(h, wait)
	}
	if req.window.limit == 0 {
		return
	}
	reset := strconv.Itoa(ceilSeconds(left))
	end := req.at.Add(left)
	switch req.plan.RateHeaders {
	case RateAbsent:
		return
	case RateIETF:
		h.Set("RateLimit", fmt.Sprintf(`"default";r=%d;t=%s`, remaining, reset))
		h.Set("RateLimit-Policy", fmt.Sprintf(`"default";q=%d;w=%d`, req.window.limit, ceilSeconds(req.plan.RateWindow)))
		return
	case RateLying:
		remaining, reset = req.window.limit, "1"
	case RateEpoch:
		reset = strconv.FormatInt(ceilTime(end, time.Second).Unix(), 10)
	case RateEpochMillis:
		reset = strconv.FormatInt(ceilTime(end, time.Millisecond).UnixMilli(), 10)
	case RateDate:
		reset = ceilTime(end, time.Second).UTC().Format(http.TimeFormat)
	case RateSeconds:
	}
	h.Set("X-RateLimit-Limit", strconv.Itoa(req.window.limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
	h.Set("X-RateLimit-Reset", reset)
}

func (req request) setRetryAfter(h http.Header, wait time.Duration) {
	switch req.plan.RetryAfter {
	case RetrySeconds:
		h.Set("Retry-After", strconv.Itoa(ceilSeconds(wait)))
	case RetryDate:
		h.Set("Retry-After", ceilTime(req.at.Add(wait), time.Second).UTC().Format(http.TimeFormat))
	case RetryZero:
		h.Set("Retry-After", "0")
	case RetryAbsent:
	}
}

// whole is the first whole unit that is not before t: who waits until then never comes too early.
func ceilTime(t time.Time, unit time.Duration) time.Time {
	rounded := t.Truncate(unit)
	if rounded.Before(t) {
		rounded = rounded.Add(unit)
	}
	return rounded
}
