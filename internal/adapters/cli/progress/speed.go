package progress

import (
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	// speedSpan is the time over which the speed is measured. Many APIs limit the requests per minute. The span is longer than a
	// minute, so that it always includes both the requests of a minute and the wait for the next minute.
	speedSpan = 2 * time.Minute
	// minSpeedSpan is the minimum time over which a speed can be measured.
	minSpeedSpan = time.Second
)

// A sample records what a run had done at a moment.
type sample struct {
	at        time.Time
	received  int64         // the records that the run had received
	quotaWait time.Duration // how long the run had waited for the next window of its quota
}

// A speed measures the speed of a run. It holds the samples of the last speedSpan, about one per second, and the newest sample that is
// older.
type speed struct {
	samples []sample
}

// begin starts the measurement: it removes all samples and stores a first sample, with no record received.
func (s *speed) begin(at time.Time) { s.samples = []sample{{at: at}} }

// add stores the sample next and removes the samples that are too old. To keep about one sample per second, next replaces the last sample
// if the last sample but one is less than a second old.
func (s *speed) add(next sample) {
	if n := len(s.samples); n > 1 && next.at.Sub(s.samples[n-2].at) < time.Second {
		s.samples = s.samples[:n-1]
	}
	s.samples = append(s.samples, next)
	s.samples = s.samples[s.baseIndex(next.at):]
}

// last returns the newest sample, or the zero sample if there is none.
func (s *speed) last() sample {
	if len(s.samples) == 0 {
		return sample{}
	}
	return s.samples[len(s.samples)-1]
}

// baseIndex returns the index of the newest sample that is at least speedSpan old. If no sample is so old, it returns 0, the index of
// the oldest sample.
func (s *speed) baseIndex(now time.Time) int {
	i := 0
	for i+1 < len(s.samples) && now.Sub(s.samples[i+1].at) >= speedSpan {
		i++
	}
	return i
}

// An interval records what a run did between two samples.
type interval struct {
	received  int64         // the records that the run received
	elapsed   time.Duration // the time between the samples
	quotaWait time.Duration // the part of elapsed in which the run waited for the next window of its quota
}

// intervalUntil returns the interval from the sample at baseIndex to now. It returns the zero interval if there are no samples.
func (s *speed) intervalUntil(now sample) interval {
	if len(s.samples) == 0 {
		return interval{}
	}
	base := s.samples[s.baseIndex(now.at)]
	return interval{
		received:  now.received - base.received,
		elapsed:   now.at.Sub(base.at),
		quotaWait: now.quotaWait - base.quotaWait,
	}
}

// perSecond returns the speed in records per second. It returns 0 if the interval is shorter than minSpeedSpan.
func (i interval) perSecond() float64 {
	if i.elapsed < minSpeedSpan {
		return 0
	}
	return float64(i.received) / i.elapsed.Seconds()
}

// A quota is the rate limit that the last page reported. The API allows Limit requests per window of time.
type quota struct {
	domain.Quota

	windowLength time.Duration // announced by the API, or estimated by observe; 0 if not known
}

// observe records the quota that a page reported. If the API does not announce the length of a window, observe estimates it: as the
// longest time so far from the fetch of a page to the reset of its window.
func (q *quota) observe(r domain.Receipt) {
	q.Quota = r.Quota
	switch {
	case q.Window > 0:
		q.windowLength = q.Window
	case !q.Reset.IsZero():
		q.windowLength = max(q.windowLength, q.Reset.Sub(r.FetchedAt))
	}
}

// isKnown reports whether secondsUntilAllowed can calculate with the quota.
func (q *quota) isKnown() bool { return q.Limit > 0 && q.windowLength > 0 }

// secondsUntilAllowed returns the seconds from now until the quota allows the last of a number of requests. It returns 0 if the quota is
// not known or allows all of them now.
func (q *quota) secondsUntilAllowed(requests int64, now time.Time) float64 {
	if !q.isKnown() {
		return 0
	}
	free, untilReset := q.Remaining, q.Reset.Sub(now)
	if untilReset <= 0 { // the window has ended, and the next request begins a new one
		free, untilReset = q.Limit, q.windowLength
	}
	if requests <= free {
		return 0
	}
	moreWindows := (requests - free + q.Limit - 1) / q.Limit // the windows needed after this one, rounded up
	return untilReset.Seconds() + float64(moreWindows-1)*q.windowLength.Seconds()
}
