package datasync

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A serverClock turns what a server says about time into moments of the local clock.
type serverClock struct {
	at     time.Time // when the answer came, by the local clock
	date   time.Time // when it was made, by the server's; at if it did not say
	millis bool      // a plain number counts milliseconds that are left, not seconds
}

// From these on a number cannot be time left in any window: it is the time itself, in seconds or milliseconds.
const (
	leastEpochSeconds = 1e9
	leastEpochMillis  = 1e12
	mostEpochMillis   = 1e14
)

// reset reads when a window ends: seconds left (recorded), whole or with a fraction, an epoch in seconds or milliseconds,
// a time as RFC 3339 or as an HTTP-date, or a duration with its unit, like 42s. Zero if it is none of these.
func (c serverClock) reset(text string) time.Time {
	n, ok := number(text)
	switch {
	case !ok:
		return c.moment(text)
	case n >= mostEpochMillis:
		return time.Time{}
	case n > leastEpochMillis:
		return c.local(time.UnixMilli(int64(n)))
	case n > leastEpochSeconds:
		return c.local(time.UnixMilli(int64(n * 1000)))
	case c.millis:
		n /= 1000
	}
	return c.at.Add(seconds(n))
}

// retryAfter reads delay-seconds or an HTTP-date (RFC 9110, section 10.2.3), and beside them the other forms of reset but
// for an epoch. A delay is cut to leastEpochSeconds, some 31 years, which a time.Duration still holds.
func (c serverClock) retryAfter(text string) time.Time {
	if n, ok := number(text); ok {
		return c.at.Add(seconds(min(n, leastEpochSeconds)))
	}
	return c.moment(text)
}

// moment reads a time, or a duration with its unit.
func (c serverClock) moment(text string) time.Time {
	text = strings.TrimSpace(text)
	if left, err := time.ParseDuration(text); err == nil && left >= 0 {
		return c.at.Add(left)
	}
	if date, err := http.ParseTime(text); err == nil {
		return c.local(date)
	}
	if date, err := time.Parse(time.RFC3339, text); err == nil {
		return c.local(date)
	}
	return time.Time{}
}

func (c serverClock) local(t time.Time) time.Time { return c.at.Add(t.Sub(c.date)) }

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// number reads digits with at most one point between them, and nothing else.
func number(text string) (float64, bool) {
	text = strings.TrimSpace(text)
	if strings.Trim(text, "0123456789.") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil || n > 0
}
