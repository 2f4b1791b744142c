package datasync

import "time"

// A silentWindow learns the rate limit of an API whose answers do not tell it, from its refusals. The limit is how many requests
// were answered before a refusal. It is believed once two windows in turn had the same. The length of the window is between two
// bounds: a refusal raises the lower one, and an answer after it lowers the upper one. Each window tries the middle of the bounds,
// until they are near each other, so that no window has more than one refusal.
//
// Another client of the same quota, or refusals at random, give a different number each time. Then nothing is believed. After
// maxCalm windows without a refusal the limit is tried again, because it may be higher now.
type silentWindow struct {
	opened     time.Time // when the answer to the window's first request arrived; zero until then
	openedSent time.Time // when the window's first request was sent; zero: no window is open
	used       int       // requests in the window, with those that were not answered when the window before ended
	inFlight   int       // requests without an answer
	refused    bool      // whether the API has refused a request in the window

	limit      int  // requests before the latest refusal; 0 if there was none
	isBelieved bool // whether two windows in turn had the same limit
	calm       int  // windows in turn without a refusal
	shortest   time.Duration
	longest    time.Duration // 0 if unknown
	latency    time.Duration // the longest from a request to its answer
}

const maxCalm = 16

// isFound reports whether the bounds of the length are near enough to stop trying.
func (s *silentWindow) isFound() bool { return s.longest-s.shortest <= s.longest/64 }

// heldUntil returns when to try whether this window has ended, if it is used up. Otherwise it returns the zero time.
func (s *silentWindow) heldUntil() time.Time {
	if !s.isBelieved || s.longest == 0 || s.openedSent.IsZero() || s.used < s.limit {
		return time.Time{}
	}
	opened := s.opened
	if opened.IsZero() {
		opened = s.openedSent.Add(s.latency)
	}
	if s.refused || s.isFound() {
		return opened.Add(s.longest)
	}
	return opened.Add((s.shortest + s.longest) / 2)
}

// send counts a request. The answer shows whether it opened the next window, see observe.
func (s *silentWindow) send(now time.Time) {
	if s.openedSent.IsZero() {
		s.openedSent, s.opened, s.used = now, time.Time{}, s.inFlight
	}
	s.used++
	s.inFlight++
}

// observe records how a request ended.
func (s *silentWindow) observe(o outcome) {
	s.inFlight--
	if !o.answered {
		return
	}
	limit := o.headers.limit
	if limit.hasRemaining || !limit.reset.IsZero() || o.headers.retryAfter.After(o.receivedAt) {
		*s = silentWindow{inFlight: s.inFlight} // the API tells its limit
		return
	}
	s.latency = max(s.latency, o.receivedAt.Sub(o.sentAt))
	if o.isRefusal() {
		s.observeRefusal(o)
		return
	}
	if isNext := s.refused || s.isBelieved && s.used > s.limit; isNext && !o.sentAt.Before(s.openedSent) {
		s.longest = s.boundedLongest(o.receivedAt.Sub(s.openedSent))
		s.countCalm()
		s.openedSent, s.opened, s.used, s.refused = o.sentAt, o.receivedAt, 1+s.inFlight, false
	}
	if s.opened.IsZero() {
		s.opened = o.receivedAt
	}
}

// countCalm counts a window that has ended.
func (s *silentWindow) countCalm() {
	s.calm++
	if s.refused {
		s.calm = 0
	}
	if s.calm == maxCalm {
		s.isBelieved, s.calm = false, 0
	}
}

// boundedLongest returns the upper bound of the length after a request was answered at this time after the window opened.
func (s *silentWindow) boundedLongest(passed time.Duration) time.Duration {
	if s.longest > 0 {
		passed = min(passed, s.longest)
	}
	return max(passed, s.shortest)
}

func (s *silentWindow) observeRefusal(o outcome) {
	answered := s.used - 1 - s.inFlight // in this window, without the refused one
	s.used--
	if !s.refused {
		if s.isBelieved && answered < s.limit { // the limit is lower now, or another client uses it too
			s.isBelieved, s.shortest, s.longest = false, 0, 0
		}
		s.isBelieved = answered == s.limit && answered > 0
		s.limit = answered
	}
	s.refused = true
	if passed := o.sentAt.Sub(s.opened); !s.opened.IsZero() {
		s.shortest = max(s.shortest, passed)
		if s.longest > 0 && s.shortest >= s.longest { // the window is longer than was thought
			s.longest = 0
		}
	}
}
