package progress

import (
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	// speedSpan is the time over which the speed is measured. It is more than a minute, so that it includes a burst and the wait
	// after it if the rate limit is per minute.
	speedSpan = 2 * time.Minute
	// minSpeedSpan is the minimum time for a measurement.
	minSpeedSpan = time.Second
)

// A sample is what a run had done at a moment.
type sample struct {
	at       time.Time
	received int64
	limited  time.Duration
}

// speed holds the samples of the last speedSpan, at most one a second, and one from before.
type speed struct {
	samples []sample
}

func (s *speed) begin(at time.Time) { s.samples = []sample{{at: at}} }

func (s *speed) add(next sample) {
	if n := len(s.samples); n > 1 && next.at.Sub(s.samples[n-2].at) < time.Second {
		s.samples[n-1] = next
	} else {
		s.samples = append(s.samples, next)
	}
	s.samples = s.samples[s.base(next.at):]
}

// base returns the index of the last sample that is at least speedSpan old, or 0 if there is none.
func (s *speed) base(now time.Time) int {
	base := 0
	for base+1 < len(s.samples) && now.Sub(s.samples[base+1].at) >= speedSpan {
		base++
	}
	return base
}

// An interval is what was done between two samples.
type interval struct {
	received         int64
	elapsed, limited time.Duration
}

// since returns the interval from the base sample to now.
func (s *speed) since(now sample) interval {
	if len(s.samples) == 0 {
		return interval{}
	}
	base := s.samples[s.base(now.at)]
	return interval{now.received - base.received, now.at.Sub(base.at), now.limited - base.limited}
}

// perSecond returns the speed in records a second, 0 if the interval is too short.
func (i interval) perSecond() float64 {
	if i.elapsed < minSpeedSpan {
		return 0
	}
	return float64(i.received) / i.elapsed.Seconds()
}

// A quota is the rate limit that the last page reported, with the length of a window if it is known.
type quota struct {
	domain.Quota

	window time.Duration
}

// observe records the quota of a page. If the API does not announce the length of a window, it is the maximum time until a reset
// that was seen.
func (q *quota) observe(r domain.Receipt) {
	q.Quota = r.Quota
	if q.Window > 0 {
		q.window = q.Window
	} else if !q.Reset.IsZero() {
		q.window = max(q.window, q.Reset.Sub(r.FetchedAt))
	}
}

func (q *quota) isKnown() bool { return q.Limit > 0 && q.window > 0 }

// wait returns how many seconds must pass until the quota allows the last of that many pages. It is 0 if the quota is not known
// or allows all of them now.
func (q *quota) wait(pages int64, now time.Time) float64 {
	if !q.isKnown() {
		return 0
	}
	free, opens := q.Remaining, q.Reset.Sub(now)
	if opens <= 0 { // the window has ended, and the next request opens another
		free, opens = q.Limit, q.window
	}
	if pages <= free {
		return 0
	}
	windows := (pages - free + q.Limit - 1) / q.Limit
	return opens.Seconds() + float64(windows-1)*q.window.Seconds()
}
