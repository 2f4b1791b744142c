package datasync

import "time"

// rounding is how much the told end of a window may be wrong, because most APIs tell it in whole seconds.
const rounding = time.Second

// A window is the newest window of the rate limit, as the headers of its answers tell it. A time left in whole seconds is assumed
// to be rounded up. Then no answer tells an end that is too early, and the earliest of the told ends is the best. Usually it is the
// end that the first answer told, because its request opened the window, when the time left was a whole number of seconds.
type window struct {
	end       time.Time // the earliest end that its answers told; zero if nothing is known
	firstSent time.Time // when the request was sent whose answer was its first
	lastSent  time.Time // when the newest of the answered requests was sent
	inFlight  int       // requests without an answer
	hasLeft   bool      // whether an answer of the window told how many requests are left
	left      int64     // requests left, without those in flight

	// isLater means that a refusal after the end has disproved it: the API rounds down, or its clock is behind. From then on each
	// end counts as told a second too early.
	isLater bool
}

// heldUntil returns the end of the window if all its requests are used or in flight. Otherwise it returns the zero time.
func (w *window) heldUntil() time.Time {
	if w.hasLeft && w.left <= 0 {
		return w.end
	}
	return time.Time{}
}

// send counts a request.
func (w *window) send() {
	w.inFlight++
	w.left--
}

// forget drops all that is known, except the requests in flight.
func (w *window) forget() { *w = window{inFlight: w.inFlight} }

// observe records what an answer tells. It ignores an end that is more than maxLeft after the answer, and an answer that was overtaken
// by one of a newer window.
func (w *window) observe(o outcome, maxLeft time.Duration) {
	w.inFlight--
	if !o.answered {
		return
	}
	told := o.headers.limit.reset
	if told.IsZero() && o.isUsedUp() && o.headers.retryAfter.After(o.receivedAt) {
		told = o.headers.retryAfter
	}
	if told.IsZero() || told.Sub(o.receivedAt) > maxLeft || o.sentAt.Before(w.firstSent) {
		return
	}
	told = w.shift(told)
	latency := o.receivedAt.Sub(o.sentAt)
	isAfterEnd := !o.sentAt.Before(w.end)
	if o.isUsedUp() && isAfterEnd && !w.isLater && !told.After(w.end.Add(rounding+latency)) {
		w.isLater = true
		told = w.shift(told)
	}
	wasOvertaken := o.sentAt.Before(w.lastSent)
	if !wasOvertaken {
		w.lastSent = o.sentAt
	}
	limit := o.headers.limit
	switch {
	case isAfterEnd || told.After(w.end.Add(rounding)): // the answer is in another window
		w.end, w.firstSent = told, o.sentAt
		// A request in flight may arrive in this window, even if it was sent in the one before.
		w.hasLeft, w.left = limit.hasRemaining, limit.remaining-int64(w.inFlight)
		return
	case told.Before(w.end):
		w.end = told
	}
	switch {
	case !limit.hasRemaining:
	case !w.hasLeft || w.inFlight == 0 && !wasOvertaken:
		w.hasLeft, w.left = true, limit.remaining-int64(w.inFlight)
	default:
		w.left = min(w.left, limit.remaining)
	}
}

func (w *window) shift(told time.Time) time.Time {
	if w.isLater {
		return told.Add(rounding)
	}
	return told
}

// bringForward returns the end of the window if until can be the same time, told in another answer. Otherwise it returns until.
func (w *window) bringForward(until time.Time) time.Time {
	if until.IsZero() {
		return until
	}
	if distance := w.shift(until).Sub(w.end); distance >= -rounding && distance <= rounding {
		return w.end
	}
	return until
}
