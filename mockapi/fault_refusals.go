package mockapi

import (
	"net/http"
	"strconv"
	"time"
)

// refusals are errors that the service words itself.
var refusals = []fault{
	{kind: "429", what: "429 with a Retry-After of 1 s, not the rate limit's own", tooMany: true},
	{kind: "429-bare", what: "429 without Retry-After and without rate limit headers", tooMany: true, silent: true},
	{kind: "500", what: "500 with a JSON body", refuse: refuseWith(http.StatusInternalServerError, "INTERNAL_ERROR", "An unexpected error occurred")},
	{kind: "401", what: "401 though the key is right", refuse: refuseWith(http.StatusUnauthorized, "UNAUTHORIZED", "X-API-Key is not valid any more")},
	{kind: "403", what: "403 though the key is right", refuse: refuseWith(http.StatusForbidden, "FORBIDDEN", "X-API-Key may not read this")},
	{
		kind: "expired", what: "400 CURSOR_EXPIRED to a cursor that is fresh",
		spares: withoutCursor, refuse: func() *refusal { return refuseExpiredCursor(time.Minute) },
	},
	{kind: "invalid", what: "400 CURSOR_INVALID_FORMAT to a cursor that is good", spares: withoutCursor, refuse: refuseInvalidCursor},
}

// outages are what the load balancer says when the service does not answer [C].
var outages = []fault{outage(http.StatusBadGateway), outage(http.StatusServiceUnavailable), outage(http.StatusGatewayTimeout)}

func outage(status int) fault {
	return fault{
		kind: FaultKind(strconv.Itoa(status)), what: "the load balancer's HTML, with Server: awselb/2.0",
		instead: func(x *exchange) {
			x.w.Header().Set("Server", "awselb/2.0")
			body := loadBalancerBody(status)
			x.entry.Status = status
			x.entry.note(body)
			x.entry.Delivered = send(x.w, x.r, status, typeHTML, body)
		},
	}
}

func refuseWith(status int, code, message string) func() *refusal {
	return func() *refusal { return &refusal{status, code, message} }
}
