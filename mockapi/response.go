package mockapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	typeJSON = "application/json; charset=utf-8" // as recorded, [R] in doc.go
	typeHTML = "text/html; charset=utf-8"
	// sendTimeout is the time within which a client must read a response, or each piece of a response that is sent in pieces.
	sendTimeout = time.Minute
)

// setHeaders sets the headers that the service adds to the response of every counted request [R].
func (x *exchange) setHeaders() {
	h := x.w.Header()
	h.Set("X-Request-ID", x.entry.RequestID) // equals meta.requestId of the body
	h.Set("X-Cache", "MISS")
	h.Set("X-Cache-TTL", "30")
	h.Set("ETag", fmt.Sprintf(`W/"%016x"`, mixBits(x.server.requestRandom.forRequest(x.req.n)))) // differs in each response
	if !x.req.fault.omitRetryInfo {
		x.req.setRateHeaders(h)
	}
}

// requestID returns the X-Request-ID of the n-th request.
func (s *Server) requestID(n int) string {
	x := s.requestRandom.forRequest(n)
	return newUUID(x&mask60, mixBits(x)).String()
}

// send writes a whole response. It reports whether all of it was written to the connection without an error. It leaves out
// the body of a response to HEAD.
func send(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) bool {
	controller := http.NewResponseController(w)
	// SetWriteDeadline fails only for a writer without deadlines, for example a test's recorder, which cannot block.
	_ = controller.SetWriteDeadline(time.Now().Add(sendTimeout))
	writeHeader(w, status, contentType, len(body))
	if r.Method != http.MethodHead {
		if _, err := w.Write(body); err != nil { //nolint:gosec // the body is JSON, or HTML without input of the client
			return false
		}
	}
	return controller.Flush() == nil
}

// writeHeader writes the status line and the headers. length is the Content-Length.
func writeHeader(w http.ResponseWriter, status int, contentType string, length int) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(length))
	w.WriteHeader(status)
}

func sendError(w http.ResponseWriter, r *http.Request, apiErr *apiError) {
	send(w, r, apiErr.status, typeJSON, apiErr.body())
}

// An apiError is an error of the service. Its body is {error, message, code}.
type apiError struct {
	status  int
	code    string
	message string
}

func (e *apiError) body() []byte {
	return marshal(map[string]any{"error": http.StatusText(e.status), "message": e.message, "code": e.code})
}

func expiredCursorError(age time.Duration) *apiError {
	message := fmt.Sprintf("Cursor expired %d minute(s) ago", int(age.Minutes()))
	return &apiError{status: http.StatusBadRequest, code: "CURSOR_EXPIRED", message: message}
}

func invalidCursorError() *apiError {
	return &apiError{status: http.StatusBadRequest, code: "CURSOR_INVALID_FORMAT", message: "Invalid cursor format"}
}

func unknownEndpointError() *apiError {
	return &apiError{status: http.StatusNotFound, code: "ENDPOINT_NOT_FOUND", message: "No such endpoint"}
}

func methodError() *apiError {
	return &apiError{status: http.StatusMethodNotAllowed, code: "METHOD_NOT_ALLOWED", message: "Only GET and HEAD are served"}
}

// tooManyBody returns the body of a 429, as several people claim it [C].
func tooManyBody(limit, resetSeconds int) []byte {
	return marshal(map[string]any{
		"error":     http.StatusText(http.StatusTooManyRequests),
		"code":      "RATE_LIMIT_EXCEEDED",
		"rateLimit": map[string]any{"limit": limit, "remaining": 0, "reset": resetSeconds},
	})
}

// loadBalancerBody returns the HTML that the load balancer sends when the service does not respond [C].
func loadBalancerBody(status int) []byte {
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	return []byte("<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n" +
		"<center><h1>" + title + "</h1></center>\r\n</body>\r\n</html>\r\n")
}

// dashboardBody is the body for any path outside the API. The service sends it with status 200 [C].
const dashboardBody = "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>DataSync Analytics</title></head>\n" +
	"<body><div id=\"root\"></div></body>\n</html>\n"

// emptyPageHead and emptyPageTail are the beginning and the end of the body of an empty last page. They are for responses
// that the service does not send. Any number of spaces may be between them.
const (
	emptyPageHead = `{"data":[`
	emptyPageTail = `],"pagination":{"limit":1,"hasMore":false,"nextCursor":null,"cursorExpiresIn":null},"meta":{"total":0,"returned":0}}`
)

// marshal returns the JSON of v. All callers pass values that can be encoded, so it does not return an error.
func marshal(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		return []byte(`{"error":"the mock could not encode its response"}`)
	}
	return body
}
