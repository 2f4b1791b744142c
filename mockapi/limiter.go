package mockapi

import "time"

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
