package mockapi

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// A limiter counts the requests of one bucket in fixed windows, as the service does ([R] in doc.go). A bucket is a set of
// endpoints with one limit (see endpoint.bucket). The first request after the end of a window opens the next window. A
// request counts when it arrives. A limiter is not safe for concurrent use.
type limiter struct {
	ends time.Time // the end of the newest window
	used int       // the number of requests that the newest window allowed
}

// A window is the state of a rate limit window after a request was counted. The zero window means that there is no limit.
type window struct {
	limit     int           // the number of requests that the window allows
	remaining int           // the number of requests that the window still allows
	left      time.Duration // the time until the window ends
	exhausted bool          // means that the limit was already used up before this request
}

// count counts one request at the time now, and returns the window. If no window is open, it opens a window of this length.
// A limit of 0 means that there is no limit.
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
	remaining := max(limit-l.used, 0) // used exceeds limit if a change of the scenario has reduced the limit
	return window{limit: limit, remaining: remaining, left: l.ends.Sub(now), exhausted: exhausted}
}

// setRateHeaders sets the rate limit headers. On a 429 it also sets Retry-After. The scenario decides the forms. If there is
// no limit, it sets Retry-After only.
func (req request) setRateHeaders(h http.Header) {
	remaining, left := req.window.remaining, req.window.left
	if delay := req.retryDelay(); delay > 0 {
		remaining, left = 0, delay
		req.setRetryAfter(h, delay)
	}
	if req.window.limit == 0 {
		return
	}
	reset := strconv.Itoa(ceilSeconds(left)) // X-RateLimit-Reset
	end := req.arrival.Add(left)
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
	case RateSeconds: // reset is in seconds already
	}
	h.Set("X-RateLimit-Limit", strconv.Itoa(req.window.limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
	h.Set("X-RateLimit-Reset", reset)
}

// setRetryAfter sets Retry-After in the form of the scenario. delay is the time to wait.
func (req request) setRetryAfter(h http.Header, delay time.Duration) {
	switch req.plan.RetryAfter {
	case RetrySeconds:
		h.Set("Retry-After", strconv.Itoa(ceilSeconds(delay)))
	case RetryDate:
		h.Set("Retry-After", ceilTime(req.arrival.Add(delay), time.Second).UTC().Format(http.TimeFormat))
	case RetryZero:
		h.Set("Retry-After", "0")
	case RetryAbsent:
	}
}

// ceilSeconds returns d in seconds, rounded up. The service rounds up too, because a window's first response says 60 [R].
func ceilSeconds(d time.Duration) int {
	return int((d + time.Second - 1) / time.Second)
}

// ceilTime rounds t up to a multiple of unit. A client that waits until the result is never too early.
func ceilTime(t time.Time, unit time.Duration) time.Time {
	rounded := t.Truncate(unit)
	if rounded.Before(t) {
		rounded = rounded.Add(unit)
	}
	return rounded
}
