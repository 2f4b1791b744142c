package mockapi

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// serveEvents is GET {base}/events. A request without the right key is turned away before it is counted; every other one
// gets a number, an answer and, when that is written, an entry in the journal.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	if why := s.turnAway(r); why != nil {
		s.journal.turnAway()
		refuse(w, r, *why)
		return
	}
	s.journal.begin()
	a := s.arrive(r)
	entry := a.entry(r.Method)
	defer func() { s.journal.finish(entry) }()
	if !pause(r.Context(), s.cfg.Latency) {
		panic(http.ErrAbortHandler) // net/http's way to send nothing; to return would send an empty 200
	}
	s.answer(w, r, a, &entry)
}

// turnAway checks method and key. The bodies of these answers, and that a missing key and a wrong one differ, are
// decisions [?].
func (s *Server) turnAway(r *http.Request) *refusal {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return &refusal{http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "Only GET and HEAD are served"}
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
func (s *Server) answer(w http.ResponseWriter, r *http.Request, a arrival, entry *Entry) {
	switch a.fault {
	case FaultReset:
		entry.Status = reset(w, r)
		return
	case FaultUnavailable:
		w.Header().Set("Server", "awselb/2.0")
		entry.Status = http.StatusServiceUnavailable
		entry.Delivered = send(w, r, entry.Status, typeHTML, []byte(loadBalancerBody))
		return
	case FaultTooMany, FaultServerError, FaultExpired, FaultResetBody, "":
	}

	entry.RequestID = s.requestID(a.n)
	s.setHeaders(w.Header(), a, entry.RequestID)
	buffer := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buffer)
	*buffer = s.compose(a, entry, (*buffer)[:0])
	if a.fault == FaultResetBody {
		entry.Returned, entry.Last = 0, false
		resetHalfway(w, entry.Status, *buffer)
		return
	}
	entry.Delivered = send(w, r, entry.Status, typeJSON, *buffer)
}

// compose writes the body of an answer that the service itself gives, a page or an error, and notes it in the entry.
func (s *Server) compose(a arrival, entry *Entry, dst []byte) []byte {
	if wait := a.toldToWait(); wait > 0 {
		entry.Status = http.StatusTooManyRequests
		return append(dst, tooManyBody(s.cfg.RateLimit, wholeSeconds(wait))...)
	}
	page, why := s.open(a)
	if why != nil {
		entry.Status = why.status
		return append(dst, why.body()...)
	}
	entry.Status = http.StatusOK
	entry.From, entry.Returned, entry.Last = page.from, page.to-page.from, page.to == s.data.n
	return s.appendPage(dst, page, entry.RequestID)
}

// open finds the page that was asked for, or why there is none.
func (s *Server) open(a arrival) (page, *refusal) {
	switch a.fault {
	case FaultServerError:
		return page{}, &refusal{http.StatusInternalServerError, "INTERNAL_ERROR", "An unexpected error occurred"}
	case FaultExpired:
		return page{}, refuseExpiredCursor(time.Minute)
	case FaultTooMany, FaultUnavailable, FaultReset, FaultResetBody, "":
	}
	limit, why := s.pageSize(a.limit)
	if why != nil {
		return page{}, why
	}
	from, why := s.locate(a.cursor, a.at)
	if why != nil {
		return page{}, why
	}
	return page{from: from, to: min(from+limit, s.data.n), limit: limit, asked: a.at}, nil
}

// pageSize defaults a missing limit and caps a large one silently [R]. What the service makes of a limit that is no
// positive number is unknown [?]; a 400 is the answer that no client can overlook.
func (s *Server) pageSize(asked string) (int, *refusal) {
	if asked == "" {
		return s.cfg.DefaultLimit, nil
	}
	limit, err := strconv.Atoi(asked)
	if err != nil || limit < 1 {
		return 0, &refusal{http.StatusBadRequest, "INVALID_LIMIT", "limit must be a positive integer"}
	}
	return min(limit, s.cfg.MaxLimit), nil
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
