package mockapi

import (
	"context"
	"net/http"
	"time"
)

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
