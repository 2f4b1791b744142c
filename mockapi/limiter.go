package mockapi

import "time"

// A limiter is the recorded rate limit [R]: a fixed window, opened by its first request, counted on arrival.
// Its owner serialises the calls.
type limiter struct {
	limit  int // 0 means none
	length time.Duration
	ends   time.Time
	used   int
}

// A window is what a request found when it was counted.
type window struct {
	limit, remaining int
	left             time.Duration // until the window ends
	spent            bool          // the limit had been used up before this request
}

// count takes one request into the window open at now, or opens one.
func (l *limiter) count(now time.Time) window {
	if l.limit == 0 {
		return window{}
	}
	if !now.Before(l.ends) {
		l.ends, l.used = now.Add(l.length), 0
	}
	spent := l.used >= l.limit
	if !spent {
		l.used++
	}
	return window{limit: l.limit, remaining: l.limit - l.used, left: l.ends.Sub(now), spent: spent}
}

// wholeSeconds rounds up: a window's first answer says 60 [R].
func wholeSeconds(d time.Duration) int {
	return int((d + time.Second - 1) / time.Second)
}
