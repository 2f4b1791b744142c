package mockapi

import (
	"fmt"
	"net/http"
	"strconv"
)

// requestID names the n-th request to the client.
func (s *Server) requestID(n int) string {
	x := s.requests.forRequest(n)
	return newUUID(x&mask60, mix(x)).String()
}

// setHeaders gives an answer the headers that the service adds to everything it counts [R].
func (s *Server) setHeaders(h http.Header, a arrival, requestID string) {
	h.Set("X-Request-ID", requestID) // the same as meta.requestId
	h.Set("X-Cache", "MISS")
	h.Set("X-Cache-TTL", "30")
	h.Set("ETag", fmt.Sprintf(`W/"%016x"`, mix(s.requests.forRequest(a.n)))) // changes with each answer

	remaining, left := a.window.remaining, a.window.left
	if wait := a.toldToWait(); wait > 0 {
		remaining, left = 0, wait
		h.Set("Retry-After", strconv.Itoa(wholeSeconds(wait)))
	}
	if s.cfg.RateLimit > 0 {
		h.Set("X-RateLimit-Limit", strconv.Itoa(a.window.limit))
		h.Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
		h.Set("X-RateLimit-Reset", strconv.Itoa(wholeSeconds(left)))
	}
}
