package mockapi

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// An arrival is a request as it was received: its number, and what the rate limit and the plan made of it.
type request struct {
	n          int
	at         time.Time
	endpoint   endpoint
	id         string     // of a look-up
	query      url.Values // as received
	cursor     string     // of the query
	prevCursor string     // the cursor that was used before this one
	size       int        // of the collection
	plan       *plan
	fault      fault
	window     window
	tooEarly   bool
}

// injectedWait is what a 429 that is a fault asks to wait.
const injectedDelay = time.Second

// arrive numbers and counts a request. Everything that depends on the order of requests is decided here, at once.
// A fault wins over the rate limit, so that what is scheduled happens, unless it would leave a page where there must be none;
// the request is counted all the same.
func (s *Server) receive(r *http.Request, target endpoint, id string) request {
	query := r.URL.Query()
	req := request{endpoint: target, id: id, query: query, cursor: query.Get("cursor")}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrived++
	req.n, req.at, req.plan, req.size = s.arrived, time.Now(), s.plan, s.size
	req.prevCursor = s.previousCursor(req)
	if target == eventsEndpoint {
		s.size = min(s.size+s.plan.Grow, maxEvents)
	}
	req.window = s.buckets[target.bucket()].count(req.at, target.limit(&s.plan.Scenario), s.plan.RateWindow)
	req.fault = faults[s.plan.faults.kindFor(req.n, uint64(req.n))] //nolint:gosec // requests are counted from 1
	if req.fault.exempts(r, req) {
		req.fault = fault{}
	}
	req.tooEarly = req.at.Before(s.retryAt[target.bucket()])
	if wait := req.retryDelay(); wait > 0 && req.hasRetryTime() {
		s.retryAt[target.bucket()] = maxTime(s.retryAt[target.bucket()], req.at.Add(wait))
	}
	return req
}

// remember gives the cursor that was used before this one, "" if there is none.
func (s *Server) previousCursor(req request) string {
	if req.cursor != "" && req.cursor != s.recentCursors[0] && len(req.cursor) <= maxCursor {
		s.recentCursors = [2]string{req.cursor, s.recentCursors[0]}
	}
	return s.recentCursors[1]
}

// rateLimited says whether the answer is the rate limit's own 429.
func (req request) isRateLimited() bool { return req.fault.kind == "" && req.window.exhausted }

// toldToWait is after how long a request would be served again, 0 if this one is not answered with 429.
func (req request) retryDelay() time.Duration {
	switch {
	case req.fault.tooMany:
		return injectedDelay
	case req.isRateLimited():
		return req.window.left
	default:
		return 0
	}
}

// saysWhen says whether a 429 to this request truly tells the client for how long to wait.
func (req request) hasRetryTime() bool {
	if req.fault.omitRetryInfo {
		return false
	}
	if req.plan.RetryAfter == RetrySeconds || req.plan.RetryAfter == RetryDate {
		return true
	}
	return req.window.limit > 0 && req.plan.RateHeaders != RateAbsent && req.plan.RateHeaders != RateLying
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// An exchange is one counted request on its way to an answer.
type exchange struct {
	server *Server
	w      http.ResponseWriter
	r      *http.Request
	req    request
	entry  *Entry
}

// serveCounted answers the endpoints that need a key. A request without the right one is turned away before it is counted;
// every other one gets a number, an answer and, when that is written, an entry in the journal.
func (s *Server) serveEndpoint(w http.ResponseWriter, r *http.Request, target endpoint, id string) {
	if apiErr := s.checkAccess(r); apiErr != nil {
		s.journal.countTurnedAway()
		sendError(w, r, *apiErr)
		return
	}
	s.journal.begin()
	req := s.receive(r, target, id)
	entry := req.newEntry(r.Method)
	defer func() { s.journal.finish(entry) }()
	if !sleep(r.Context(), req.plan.Latency) {
		panic(http.ErrAbortHandler) // net/http's way to send nothing; to return would send an empty 200
	}
	(&exchange{server: s, w: w, r: r, req: req, entry: &entry}).respond()
}

// turnAway checks method and key. The bodies of these answers, and that a missing key and a wrong one differ, are
// decisions [?].
func (s *Server) checkAccess(r *http.Request) *apiError {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return methodError()
	}
	switch r.Header.Get("X-API-Key") {
	case s.cfg.APIKey:
		return nil
	case "":
		return &apiError{http.StatusUnauthorized, "UNAUTHORIZED", "X-API-Key is missing"}
	default:
		return &apiError{http.StatusForbidden, "FORBIDDEN", "X-API-Key is not valid"}
	}
}

// answer does to a request what was decided when it arrived, and notes in the entry what was sent.
func (x *exchange) respond() {
	if instead := x.req.fault.replace; instead != nil {
		instead(x)
		return
	}
	x.entry.RequestID = x.server.requestID(x.req.n)
	x.setHeaders()
	buffer := x.server.buffers.Get().(*[]byte)
	defer x.server.buffers.Put(buffer)
	*buffer = x.appendBody((*buffer)[:0])

	body, contentType := *buffer, typeJSON
	if rewrite := x.req.fault.rewriteBody; rewrite != nil {
		body, contentType = rewrite(body)
		x.entry.clearRecords()
	}
	if x.r.Method == http.MethodHead {
		x.entry.clearRecords()
	}
	x.entry.setBody(body)
	if deliver := x.req.fault.deliver; deliver != nil {
		deliver(x, body)
		return
	}
	x.entry.Delivered = send(x.w, x.r, x.entry.Status, contentType, body)
}

// compose writes the body of an answer that the service itself gives, and notes it in the entry.
func (x *exchange) appendBody(dst []byte) []byte {
	if wait := x.req.retryDelay(); wait > 0 {
		x.entry.Status = http.StatusTooManyRequests
		return append(dst, tooManyBody(x.req.window.limit, ceilSeconds(wait))...)
	}
	if x.req.fault.apiError != nil {
		return x.appendError(dst, x.req.fault.apiError())
	}
	x.entry.Status = http.StatusOK
	if x.req.endpoint == eventEndpoint {
		return x.appendLookup(dst)
	}
	p, apiErr := x.openPage()
	if apiErr != nil {
		return x.appendRequestError(dst, apiErr)
	}
	return x.appendPage(dst, p)
}

func (x *exchange) appendError(dst []byte, apiErr *apiError) []byte {
	x.entry.Status = apiErr.status
	return append(dst, apiErr.body()...)
}

// deny refuses what was asked. A fault that would have changed a good answer has nothing to strike then.
func (x *exchange) appendRequestError(dst []byte, apiErr *apiError) []byte {
	if x.req.fault.editEnvelope != nil || x.req.fault.rewriteBody != nil {
		x.dropFault()
	}
	return x.appendError(dst, apiErr)
}

// missed takes back a fault that found nothing to strike.
func (x *exchange) dropFault() { x.req.fault, x.entry.Fault = fault{}, "" }

// view is the collection as the request sees it.
func (x *exchange) snapshot() snapshot {
	return snapshot{dataset: x.server.data.withSize(x.req.size), plan: x.req.plan.drifts}
}

// met notes a record that is not as it should be.
func (x *exchange) recordDrift(d *changedRecord) {
	x.entry.Drifted = append(x.entry.Drifted, DriftedRecord{Index: d.index, Kind: d.kind, SHA256: d.digest()})
}

// pause waits and says true, or says false as soon as the client has gone away.
func sleep(ctx context.Context, d time.Duration) bool {
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
