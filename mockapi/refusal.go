package mockapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// A refusal is an error as the service words it: {error, message, code}.
type refusal struct {
	status  int
	code    string
	message string
}

func (r refusal) body() []byte {
	return marshal(map[string]any{"error": http.StatusText(r.status), "message": r.message, "code": r.code})
}

func refuseExpiredCursor(age time.Duration) *refusal {
	message := fmt.Sprintf("Cursor expired %d minute(s) ago", int(age.Minutes()))
	return &refusal{http.StatusBadRequest, "CURSOR_EXPIRED", message}
}

func refuseInvalidCursor() *refusal {
	return &refusal{http.StatusBadRequest, "CURSOR_INVALID_FORMAT", "Invalid cursor format"}
}

func refuseUnknownEndpoint() refusal {
	return refusal{http.StatusNotFound, "ENDPOINT_NOT_FOUND", "No such endpoint"}
}

func refuseMethod() *refusal {
	return &refusal{http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "Only GET and HEAD are served"}
}

// tooManyBody is the body of a 429 as claimed [C]; reset is in seconds.
func tooManyBody(limit, reset int) []byte {
	return marshal(map[string]any{
		"error":     http.StatusText(http.StatusTooManyRequests),
		"code":      "RATE_LIMIT_EXCEEDED",
		"rateLimit": map[string]any{"limit": limit, "remaining": 0, "reset": reset},
	})
}

// loadBalancerBody is what stands in front of the service says when the service does not answer [C].
func loadBalancerBody(status int) []byte {
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	return []byte("<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title + "</h1></center>\r\n</body>\r\n</html>\r\n")
}

// dashboardBody answers any path outside the API, with status 200 [C].
const dashboardBody = "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>DataSync Analytics</title></head>\n" +
	"<body><div id=\"root\"></div></body>\n</html>\n"

// marshal encodes values that are known to have an encoding.
func marshal(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		return []byte(`{"error":"the mock could not encode its own answer"}`)
	}
	return body
}
