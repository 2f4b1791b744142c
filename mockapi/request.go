package mockapi

import (
	"context"
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

// An exchange is one counted request on its way to an answer.
type exchange struct {
	s     *Server
	w     http.ResponseWriter
	r     *http.Request
	a     arrival
	entry *Entry
}

// serveCounted answers the endpoints that need a key. A request without the right one is turned away before it is counted;
// every other one gets a number, an answer and, when that is written, an entry in the journal.
func (s *Server) serveCounted(w http.ResponseWriter, r *http.Request, where endpoint, id string) {
	if why := s.turnAway(r); why != nil {
		s.journal.turnAway()
		refuse(w, r, *why)
		return
	}
	s.journal.begin()
	a := s.arrive(r, where, id)
	entry := a.entry(r.Method)
	defer func() { s.journal.finish(entry) }()
	if !pause(r.Context(), a.plan.Latency) {
		panic(http.ErrAbortHandler) // net/http's way to send nothing; to return would send an empty 200
	}
	(&exchange{s: s, w: w, r: r, a: a, entry: &entry}).answer()
}

// turnAway checks method and key. The bodies of these answers, and that a missing key and a wrong one differ, are
// decisions [?].
func (s *Server) turnAway(r *http.Request) *refusal {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return refuseMethod()
	}
	switch r.Header.Get("X-API-Key") {
	case s.cfg.APIKey:
		return nil
	case "":
		return &refusal{http.StatusUnauthorized, "UNAUTHORIZED", "X-API-Key is missing"}
	default:
		return &refusal{http.StatusForbidden, "FORBIDDEN", "X-API-Key is not valid"}
	}
}

// answer does to a request what was decided when it arrived, and notes in the entry what was sent.
func (x *exchange) answer() {
	if instead := x.a.fault.instead; instead != nil {
		instead(x)
		return
	}
	x.entry.RequestID = x.s.requestID(x.a.n)
	x.setHeaders()
	buffer := x.s.buffers.Get().(*[]byte)
	defer x.s.buffers.Put(buffer)
	*buffer = x.compose((*buffer)[:0])

	body, contentType := *buffer, typeJSON
	if rewrite := x.a.fault.rewrite; rewrite != nil {
		body, contentType = rewrite(body)
		x.entry.withoutRecords()
	}
	if x.r.Method == http.MethodHead {
		x.entry.withoutRecords()
	}
	x.entry.note(body)
	if deliver := x.a.fault.deliver; deliver != nil {
		deliver(x, body)
		return
	}
	x.entry.Delivered = send(x.w, x.r, x.entry.Status, contentType, body)
}

// compose writes the body of an answer that the service itself gives, and notes it in the entry.
func (x *exchange) compose(dst []byte) []byte {
	if wait := x.a.toldToWait(); wait > 0 {
		x.entry.Status = http.StatusTooManyRequests
		return append(dst, tooManyBody(x.a.window.limit, wholeSeconds(wait))...)
	}
	if x.a.fault.refuse != nil {
		return x.appendRefusal(dst, x.a.fault.refuse())
	}
	x.entry.Status = http.StatusOK
	if x.a.where == lookUp {
		return x.appendEvent(dst)
	}
	p, why := x.open()
	if why != nil {
		return x.deny(dst, why)
	}
	return x.appendPage(dst, p)
}

func (x *exchange) appendRefusal(dst []byte, why *refusal) []byte {
	x.entry.Status = why.status
	return append(dst, why.body()...)
}

// deny refuses what was asked. A fault that would have changed a good answer has nothing to strike then.
func (x *exchange) deny(dst []byte, why *refusal) []byte {
	if x.a.fault.bend != nil || x.a.fault.rewrite != nil {
		x.missed()
	}
	return x.appendRefusal(dst, why)
}

// missed takes back a fault that found nothing to strike.
func (x *exchange) missed() { x.a.fault, x.entry.Fault = fault{}, "" }

// view is the collection as the request sees it.
func (x *exchange) view() view {
	return view{dataset: x.s.data.of(x.a.size), drifts: x.a.plan.drifts}
}

// met notes a record that is not as it should be.
func (x *exchange) met(d *drifted) {
	x.entry.Drifted = append(x.entry.Drifted, DriftedRecord{Index: d.index, Kind: d.kind, SHA256: d.sum()})
}

// pause waits and says true, or says false as soon as the client has gone away.
func pause(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
