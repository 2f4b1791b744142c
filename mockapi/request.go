package mockapi

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// A request contains the data of one counted request, and the decisions that were made when it arrived. A counted request
// has the right key and method.
type request struct {
	n          int // the number of the request, from 1
	arrival    time.Time
	endpoint   endpoint
	id         string // the id in the path, for eventEndpoint
	query      url.Values
	cursor     string // the query parameter cursor
	prevCursor string // the latest other cursor that an earlier request had, "" if there is none
	size       int    // the size of the collection on arrival
	plan       *plan  // the scenario on arrival
	fault      fault  // the zero fault if there is none
	window     window // the state of the rate limit, after this request was counted
	tooEarly   bool   // means that an earlier 429 asked to wait longer
}

// faultDelay is the time that a 429 asks to wait if a fault caused the 429.
const faultDelay = time.Second

// serveEndpoint serves the endpoints that need a key. It counts only requests with the right key and method. A counted
// request gets a number and a response, and after the response an entry in the journal.
func (s *Server) serveEndpoint(w http.ResponseWriter, r *http.Request, target endpoint, id string) {
	if apiErr := s.checkAccess(r); apiErr != nil {
		s.journal.countTurnedAway()
		sendError(w, r, apiErr)
		return
	}
	s.journal.begin()
	req := s.receive(r, target, id)
	entry := req.newEntry(r.Method)
	x := &exchange{server: s, w: w, r: r, req: req, entry: &entry}
	defer func() {
		s.journal.finish(entry)
		if x.afterEntry != nil {
			x.afterEntry()
		}
	}()
	hasWaited := sleep(r.Context(), req.plan.Latency)
	if !hasWaited { // the client has disconnected
		panic(http.ErrAbortHandler) // makes net/http send nothing; after a return it would send an empty 200
	}
	x.respond()
}

// checkAccess checks the method and the key. It returns nil if both are right. The mock decides the bodies of these errors,
// and that a missing key and a wrong key get different errors ([?] in doc.go).
func (s *Server) checkAccess(r *http.Request) *apiError {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return methodError()
	}
	switch r.Header.Get("X-API-Key") {
	case s.cfg.APIKey:
		return nil
	case "":
		return &apiError{status: http.StatusUnauthorized, code: "UNAUTHORIZED", message: "X-API-Key is missing"}
	default:
		return &apiError{status: http.StatusForbidden, code: "FORBIDDEN", message: "X-API-Key is not valid"}
	}
}

// receive numbers a request and counts it against the rate limit. The server's lock is held for all decisions that depend
// on the order of requests. If the rate limit is exhausted, a fault replaces the 429. But a fault that needs a page is then
// not applied.
func (s *Server) receive(r *http.Request, target endpoint, id string) request {
	query := r.URL.Query()
	req := request{endpoint: target, id: id, query: query, cursor: query.Get("cursor")}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrived++
	req.n, req.arrival, req.plan, req.size = s.arrived, time.Now(), s.plan, s.size
	req.prevCursor = s.recordCursor(req.cursor)
	if target == eventsEndpoint {
		s.size = min(s.size+s.plan.Grow, maxEvents) // for later requests
	}
	bucket := target.bucket()
	limit := target.limit(&s.plan.Scenario)
	req.window = s.buckets[bucket].count(req.arrival, limit, s.plan.RateWindow)
	randomIndex := uint64(req.n)                                  //nolint:gosec // requests are counted from 1
	req.fault = faults[s.plan.faults.kindFor(req.n, randomIndex)] // the zero fault if no rule selects the request
	if req.fault.exempts(r, req) {
		req.fault = fault{}
	}
	req.tooEarly = req.arrival.Before(s.retryAt[bucket])
	if delay := req.retryDelay(); delay > 0 && req.hasRetryTime() { // the response is a 429 that tells when to retry
		s.retryAt[bucket] = maxTime(s.retryAt[bucket], req.arrival.Add(delay))
	}
	return req
}

// recordCursor records the cursor of a request. It returns the latest other cursor that an earlier request had, or "" if
// there is none. A request without a cursor changes nothing, and neither does a cursor that is repeated or too long.
func (s *Server) recordCursor(cursor string) string {
	isRecordable := cursor != "" && len(cursor) <= maxCursor
	isRepeated := cursor == s.recentCursors[0]
	if isRecordable && !isRepeated {
		s.recentCursors = [2]string{cursor, s.recentCursors[0]}
	}
	return s.recentCursors[1]
}

// isRateLimited reports whether the response is a 429 that was caused by the rate limit and not by a fault.
func (req request) isRateLimited() bool { return req.fault.kind == "" && req.window.exhausted }

// retryDelay returns the time that a 429 to this request asks to wait. It returns 0 if the response is not a 429.
func (req request) retryDelay() time.Duration {
	switch {
	case req.fault.tooMany:
		return faultDelay
	case req.isRateLimited():
		return req.window.left
	default:
		return 0
	}
}

// hasRetryTime reports whether a 429 to this request contains the correct time to wait, in Retry-After or in the rate limit
// headers.
func (req request) hasRetryTime() bool {
	if req.fault.omitRetryInfo {
		return false
	}
	if req.plan.RetryAfter == RetrySeconds || req.plan.RetryAfter == RetryDate {
		return true
	}
	hasLimit := req.window.limit > 0 // without a limit there are no rate limit headers
	hasTrueHeaders := req.plan.RateHeaders != RateAbsent && req.plan.RateHeaders != RateLying
	return hasLimit && hasTrueHeaders
}

// maxTime returns the later of two times.
func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// An exchange is one counted request and its response while it is written.
type exchange struct {
	server *Server
	w      http.ResponseWriter
	r      *http.Request
	req    request
	entry  *Entry // the entry for the journal, which describes the response
	// afterEntry is called after the journal has the entry. It may be nil. A fault sets it to use the connection later.
	afterEntry func()
}

// respond writes the response, changed by the fault that was selected on arrival.
func (x *exchange) respond() {
	if replace := x.req.fault.replace; replace != nil {
		replace(x)
		return
	}
	x.entry.RequestID = x.server.requestID(x.req.n)
	x.setHeaders()
	// Buffers are used again for later responses.
	buffer := x.server.buffers.Get().(*[]byte)
	defer x.server.buffers.Put(buffer)
	*buffer = x.appendBody((*buffer)[:0])

	body, contentType := *buffer, typeJSON
	if rewrite := x.req.fault.rewriteBody; rewrite != nil {
		body, contentType = rewrite(body)
		x.entry.clearRecords()
	}
	if x.r.Method == http.MethodHead { // the body is not sent
		x.entry.clearRecords()
	}
	x.entry.setBody(body)
	if deliver := x.req.fault.deliver; deliver != nil {
		deliver(x, body)
		return
	}
	x.entry.Delivered = send(x.w, x.r, x.entry.Status, contentType, body)
}

// appendBody appends the body of the response, before a fault rewrites it, and sets the entry's status.
func (x *exchange) appendBody(dst []byte) []byte {
	if delay := x.req.retryDelay(); delay > 0 {
		x.entry.Status = http.StatusTooManyRequests
		return append(dst, tooManyBody(x.req.window.limit, ceilSeconds(delay))...)
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

// appendError appends the body of an error and sets the entry's status.
func (x *exchange) appendError(dst []byte, apiErr *apiError) []byte {
	x.entry.Status = apiErr.status
	return append(dst, apiErr.body()...)
}

// appendRequestError appends the error for an invalid request. It drops a fault that changes pages, because the response
// has no page.
func (x *exchange) appendRequestError(dst []byte, apiErr *apiError) []byte {
	if x.req.fault.editEnvelope != nil || x.req.fault.rewriteBody != nil {
		x.dropFault()
	}
	return x.appendError(dst, apiErr)
}

// dropFault removes the fault from the request and from the entry. It is called if the response has nothing to change.
func (x *exchange) dropFault() { x.req.fault, x.entry.Fault = fault{}, "" }

// snapshot returns the collection as it was when the request arrived.
func (x *exchange) snapshot() snapshot {
	return snapshot{dataset: x.server.data.withSize(x.req.size), driftPlan: x.req.plan.drifts}
}

// recordDrift adds a changed record to the entry.
func (x *exchange) recordDrift(changed *changedRecord) {
	x.entry.Drifted = append(x.entry.Drifted, DriftedRecord{Index: changed.index, Kind: changed.kind, SHA256: changed.digest()})
}

// sleep waits for d and returns true. If ctx ends before, sleep returns false at once.
func sleep(ctx context.Context, d time.Duration) (hasWaited bool) {
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
