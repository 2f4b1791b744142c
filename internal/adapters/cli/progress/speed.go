package progress

import "time"

const (
	// speedSpan is how far back speed is measured: more than a minute, so that where requests are rationed by the minute
	// a burst and the wait after it are seen together.
	speedSpan = 2 * time.Minute
	// leastSpan is the least time a speed is told from.
	leastSpan = time.Second
)

// A mark is what had been done at a moment.
type mark struct {
	at       time.Time
	received int64
	limited  time.Duration
}

// speed remembers the marks of the last speedSpan, at most one a second and the one before.
type speed struct {
	marks []mark
}

func (s *speed) begin(at time.Time) { s.marks = []mark{{at: at}} }

func (s *speed) add(m mark) {
	if n := len(s.marks); n > 1 && m.at.Sub(s.marks[n-2].at) < time.Second {
		s.marks[n-1] = m
	} else {
		s.marks = append(s.marks, m)
	}
	s.marks = s.marks[s.base(m.at):]
}

// base is the index of the last mark that is at least speedSpan old, else of the first.
func (s *speed) base(now time.Time) int {
	base := 0
	for base+1 < len(s.marks) && now.Sub(s.marks[base+1].at) >= speedSpan {
		base++
	}
	return base
}

// A stretch is what was done between two marks.
type stretch struct {
	received         int64
	elapsed, limited time.Duration
}

// until is the stretch to a mark that is made now.
func (s *speed) until(now mark) stretch {
	if len(s.marks) == 0 {
		return stretch{}
	}
	base := s.marks[s.base(now.at)]
	return stretch{now.received - base.received, now.at.Sub(base.at), now.limited - base.limited}
}

// perSecond is 0 if the stretch is too short or empty.
func (s stretch) perSecond() float64 {
	if s.elapsed < leastSpan {
		return 0
	}
	return float64(s.received) / s.elapsed.Seconds()
}
