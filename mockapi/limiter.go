package mockapi

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// A limiter is the rate limit of one bucket as recorded [R]: a fixed window that its first request opens. Requests count
// when they arrive. It is not safe for concurrent use.
type limiter struct {
	ends time.Time
	used int
}

// A window is the state of a rate limit window after a request was counted. The zero window is no limit.
type window struct {
	limit, remaining int
	left             time.Duration // until the window ends
	exhausted        bool          // the limit had been used up before this request
}

// count counts one request at now. If no window is open, it opens one of this length. A limit of 0 means no limit.
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

// setRateHeaders sets the rate limit headers, and Retry-After on a 429, in the form that the scenario asks for.
func (req request) setRateHeaders(h http.Header) {
	remaining, left := req.window.remaining, req.window.left
	if delay := req.retryDelay(); delay > 0 {
		remaining, left = 0, delay
		req.setRetryAfter(h, delay)
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

func (req request) setRetryAfter(h http.Header, delay time.Duration) {
	switch req.plan.RetryAfter {
	case RetrySeconds:
		h.Set("Retry-After", strconv.Itoa(ceilSeconds(delay)))
	case RetryDate:
		h.Set("Retry-After", ceilTime(req.at.Add(delay), time.Second).UTC().Format(http.TimeFormat))
	case RetryZero:
		h.Set("Retry-After", "0")
	case RetryAbsent:
	}
}

// ceilSeconds returns d in seconds, rounded up: the first response of a window says 60 [R].
func ceilSeconds(d time.Duration) int {
	return int((d + time.Second - 1) / time.Second)
}

// ceilTime returns t rounded up to a multiple of unit, so that a client that waits until then is never too early.
func ceilTime(t time.Time, unit time.Duration) time.Time {
	rounded := t.Truncate(unit)
	if rounded.Before(t) {
		rounded = rounded.Add(unit)
	}
	return rounded
}
