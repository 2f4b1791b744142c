package mockapi

import (
	"net/http"
	"net/url"
	"time"
)

// An arrival is a request as it was received: its number, and what the rate limit and the plan made of it.
type arrival struct {
	n        int
	at       time.Time
	where    endpoint
	id       string     // of a look-up
	query    url.Values // as received
	cursor   string     // of the query
	earlier  string     // the cursor that was used before this one
	size     int        // of the collection
	plan     *plan
	fault    fault
	window   window
	tooEarly bool
}

// injectedWait is what a 429 that is a fault asks to wait.
const injectedWait = time.Second

// arrive numbers and counts a request. Everything that depends on the order of requests is decided here, at once.
// A fault wins over the rate limit, so that what is scheduled happens, unless it would leave a page where there must be none;
// the request is counted all the same.
func (s *Server) arrive(r *http.Request, where endpoint, id string) arrival {
	query := r.URL.Query()
	a := arrival{where: where, id: id, query: query, cursor: query.Get("cursor")}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrived++
	a.n, a.at, a.plan, a.size = s.arrived, time.Now(), s.plan, s.size
	a.earlier = s.remember(a)
	if where == events {
		s.size = min(s.size+s.plan.Grow, maxEvents)
	}
	a.window = s.buckets[where.bucket()].count(a.at, where.limit(&s.plan.Scenario), s.plan.RateWindow)
	a.fault = faults[s.plan.faults.strike(a.n, uint64(a.n))] //nolint:gosec // requests are counted from 1
	if a.fault.sparing(r, a) {
		a.fault = fault{}
	}
	a.tooEarly = a.at.Before(s.waitUntil[where.bucket()])
	if wait := a.toldToWait(); wait > 0 && a.saysWhen() {
		s.waitUntil[where.bucket()] = later(s.waitUntil[where.bucket()], a.at.Add(wait))
	}
	return a
}

// remember gives the cursor that was used before this one, "" if there is none.
func (s *Server) remember(a arrival) string {
	if a.cursor != "" && a.cursor != s.asked[0] && len(a.cursor) <= maxCursor {
		s.asked = [2]string{a.cursor, s.asked[0]}
	}
	return s.asked[1]
}

// rateLimited says whether the answer is the rate limit's own 429.
func (a arrival) rateLimited() bool { return a.fault.kind == "" && a.window.spent }

// toldToWait is after how long a request would be served again, 0 if this one is not answered with 429.
func (a arrival) toldToWait() time.Duration {
	switch {
	case a.fault.tooMany:
		return injectedWait
	case a.rateLimited():
		return a.window.left
	default:
		return 0
	}
}

// saysWhen says whether a 429 to this request truly tells the client for how long to wait.
func (a arrival) saysWhen() bool {
	if a.fault.silent {
		return false
	}
	if a.plan.RetryAfter == RetrySeconds || a.plan.RetryAfter == RetryDate {
		return true
	}
	return a.window.limit > 0 && a.plan.RateHeaders != RateAbsent && a.plan.RateHeaders != RateLying
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
