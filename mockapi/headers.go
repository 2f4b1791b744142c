package mockapi

import "fmt"

// requestID names the n-th request to the client.
func (s *Server) requestID(n int) string {
	x := s.requests.forRequest(n)
	return newUUID(x&mask60, mix(x)).String()
}

// setHeaders gives an answer the headers that the service adds to everything it counts [R].
func (x *exchange) setHeaders() {
	h := x.w.Header()
	h.Set("X-Request-ID", x.entry.RequestID) // the same as meta.requestId
	h.Set("X-Cache", "MISS")
	h.Set("X-Cache-TTL", "30")
	h.Set("ETag", fmt.Sprintf(`W/"%016x"`, mix(x.s.requests.forRequest(x.a.n)))) // changes with each answer
	if !x.a.fault.silent {
		x.a.setRateHeaders(h)
	}
}
