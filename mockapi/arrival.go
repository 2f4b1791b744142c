package mockapi

import (
	"net/http"
	"time"
)

// An arrival is a request to /events as it was received: its number, and what the rate limit and the scenario made of it.
type arrival struct {
	n        int
	at       time.Time
	fault    FaultKind
	window   window
	tooEarly bool
	limit    string // as asked for
	cursor   string // as received
}

// injectedWait is the Retry-After of a 429 that is a fault.
const injectedWait = time.Second

// arrive numbers and counts a request. Everything that depends on the order of requests is decided here, at once.
// A fault wins over the rate limit, so that what is scheduled happens; the request is counted all the same.
func (s *Server) arrive(r *http.Request) arrival {
	query := r.URL.Query()
	a := arrival{limit: query.Get("limit"), cursor: query.Get("cursor")}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrived++
	a.n, a.at = s.arrived, time.Now()
	a.window = s.limiter.count(a.at)
	a.fault = s.scenario.strike(a.n, a.cursor != "")
	a.tooEarly = a.at.Before(s.waitUntil)
	if wait := a.toldToWait(); wait > 0 {
		s.waitUntil = later(s.waitUntil, a.at.Add(wait))
	}
	return a
}

// rateLimited says whether the answer is the rate limit's own 429.
func (a arrival) rateLimited() bool { return a.fault == "" && a.window.spent }

// toldToWait is how long a 429 to this request says to wait, 0 if it is not a 429.
func (a arrival) toldToWait() time.Duration {
	switch {
	case a.fault == FaultTooMany:
		return injectedWait
	case a.rateLimited():
		return a.window.left
	default:
		return 0
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
