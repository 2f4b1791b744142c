package mockapi

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// A FaultKind names one way in which a response is wrong. [FaultKinds] returns all kinds.
type FaultKind string

// A fault is a kind and the hooks that change a response. One of replace, tooMany, apiError, editEnvelope, rewriteBody and
// deliver is set. An [exchange] is a request together with its response.
type fault struct {
	kind        FaultKind
	description string // for the help
	// exempt reports whether the fault must not be applied to a request. If exempt is nil, no request is exempted.
	exempt func(*http.Request, request) bool
	// replace writes the whole response instead of the normal handler.
	replace func(*exchange)
	// tooMany makes the response a 429 that the rate limit did not cause.
	tooMany bool
	// omitRetryInfo omits Retry-After and the rate limit headers from the 429.
	omitRetryInfo bool
	// apiError returns the error to respond with.
	apiError func() *apiError
	// editEnvelope changes the envelope of a page, which is the JSON around the items. It returns false if the fault has
	// nothing to change. The journal then does not count the fault.
	editEnvelope func(*exchange, *page, *envelope) (changed bool)
	// rewriteBody replaces the whole body and its content type.
	rewriteBody func([]byte) (body []byte, contentType string)
	// deliver sends the response. If deliver is nil, the function send does this.
	deliver func(x *exchange, body []byte)
	// valid means that the fault leaves a valid page, which a client must accept.
	valid bool
}

// faultTable contains all faults in the order of the help.
var faultTable = slices.Concat(errorFaults, outageFaults, brokenPageFaults, wrongPaginationFaults, deliveryFaults, hostileFaults)

// faults contains all faults by their kinds.
var faults = indexBy(faultTable, func(f fault) FaultKind { return f.kind })

// FaultKinds returns all kinds in the order of the help of cmd/mockapi.
func FaultKinds() []FaultKind {
	kinds := make([]FaultKind, len(faultTable))
	for i, f := range faultTable {
		kinds[i] = f.kind
	}
	return kinds
}

// Describe returns a short description of the fault.
func (k FaultKind) Describe() string { return faults[k].description }

func (FaultKind) info() kindInfo {
	return kindInfo{ruleName: "fault", numbered: "request", firstNumber: 1, kinds: toStrings(FaultKinds())}
}

// exempts reports whether the fault must not be applied to a request. A fault that needs a page cannot be applied when the
// rate limit is exhausted, because the response is then a 429 without a page.
func (f fault) exempts(r *http.Request, req request) bool {
	needsPage := f.editEnvelope != nil || f.rewriteBody != nil || f.valid // a valid page is a page
	if needsPage && req.window.exhausted {
		return true
	}
	return f.exempt != nil && f.exempt(r, req)
}

// hasNoCursor reports whether a request has no cursor. Faults exempt such a request if they need a cursor.
func hasNoCursor(_ *http.Request, req request) bool { return req.cursor == "" }

// isLookup reports whether a request is a look-up of one event. Faults exempt such a request if they need a page.
func isLookup(_ *http.Request, req request) bool { return req.endpoint == eventEndpoint }

// isLookupOrHasNoCursor reports whether a request is a look-up or has no cursor.
func isLookupOrHasNoCursor(r *http.Request, req request) bool {
	return isLookup(r, req) || hasNoCursor(r, req)
}

// isNotGet reports whether the method of a request is not GET. Faults exempt such a request if they need a body, because
// the response to a HEAD has no body.
func isNotGet(r *http.Request, _ request) bool { return r.Method != http.MethodGet }

// errorFaults are errors in the JSON form of the service.
var errorFaults = []fault{
	{kind: "429", description: "429 that asks to wait 1 s, not caused by the rate limit", tooMany: true},
	{kind: "429-bare", description: "429 without Retry-After and without rate limit headers", tooMany: true, omitRetryInfo: true},
	{
		kind: "500", description: "500 with a JSON body",
		apiError: returnError(http.StatusInternalServerError, "INTERNAL_ERROR", "An unexpected error occurred"),
	},
	{
		kind: "401", description: "401 although the key is valid",
		apiError: returnError(http.StatusUnauthorized, "UNAUTHORIZED", "X-API-Key is not valid any more"),
	},
	{
		kind: "403", description: "403 although the key is valid",
		apiError: returnError(http.StatusForbidden, "FORBIDDEN", "X-API-Key may not read this"),
	},
	{
		kind: "expired", description: "400 CURSOR_EXPIRED for a cursor that has not expired",
		exempt: hasNoCursor, apiError: func() *apiError { return expiredCursorError(time.Minute) },
	},
	{
		kind: "invalid", description: "400 CURSOR_INVALID_FORMAT for a valid cursor",
		exempt: hasNoCursor, apiError: invalidCursorError,
	},
}

// returnError returns a hook apiError that always returns the same error.
func returnError(status int, code, message string) func() *apiError {
	return func() *apiError { return &apiError{status: status, code: code, message: message} }
}

// outageFaults are the responses that the load balancer sends when the service does not respond [C]. The mark is explained
// in doc.go.
var outageFaults = []fault{
	outageFault(http.StatusBadGateway), outageFault(http.StatusServiceUnavailable), outageFault(http.StatusGatewayTimeout),
}

// outageFault returns the fault for one status of the load balancer.
func outageFault(status int) fault {
	return fault{
		kind: FaultKind(strconv.Itoa(status)), description: "the load balancer's HTML, with Server: awselb/2.0",
		replace: func(x *exchange) {
			x.w.Header().Set("Server", "awselb/2.0")
			body := loadBalancerBody(status)
			x.entry.Status = status // the journal's entry for the request
			x.entry.setBody(body)
			x.entry.Delivered = send(x.w, x.r, status, typeHTML, body)
		},
	}
}

// brokenPageFaults are invalid responses with status 200 [C]. A client must fetch such a page again. The client must not
// mistake the response for the last page or for an empty page.
var brokenPageFaults = []fault{
	bodyFault("null", "200 with the body null", func([]byte) ([]byte, string) { return []byte("null"), typeJSON }),
	bodyFault("truncated", "200 with half of the JSON, and a Content-Length that fits", func(body []byte) ([]byte, string) {
		return body[:len(body)/2], typeJSON
	}),
	bodyFault("html", "200 with the dashboard's HTML", func([]byte) ([]byte, string) { return []byte(dashboardBody), typeHTML }),
	envelopeFault("data-null", "200 with data: null", omitField(func(e *envelope) { e.data = dataNull })),
	envelopeFault("data-missing", "200 without data", omitField(func(e *envelope) { e.data = dataMissing })),
	envelopeFault("pagination-missing", "200 without pagination; in the flat form without hasMore and nextCursor",
		omitField(func(e *envelope) { e.omitPagination = true })),
	envelopeFault("hasmore-missing", "200 without hasMore", omitField(func(e *envelope) { e.omitHasMore = true })),
	envelopeFault("hasmore-null", "200 with hasMore: null", func(_ *exchange, _ *page, e *envelope) bool {
		e.hasMore = "null"
		return true
	}),
	envelopeFault("returned-lies", "200 with a meta.returned larger than the number of records", func(x *exchange, _ *page, e *envelope) bool {
		e.returned += 1 + x.randomBelow(5)
		hasMeta := !e.flat
		return hasMeta
	}),
}

// wrongPaginationFaults are pages with valid records whose pagination is wrong, or unusual but valid [C].
var wrongPaginationFaults = []fault{
	envelopeFault("stray-end", "hasMore: false before the end", func(_ *exchange, p *page, e *envelope) bool {
		e.hasMore, e.next, e.expiresIn = "false", "null", "null" // the last page has these values anyway
		return !p.isLast()
	}),
	envelopeFault("no-cursor", "hasMore: true with nextCursor: null", func(_ *exchange, _ *page, e *envelope) bool {
		e.hasMore, e.next, e.expiresIn = "true", "null", "null"
		return true
	}),
	{
		kind: "repeat-cursor", description: "the request's own cursor as nextCursor", exempt: isLookupOrHasNoCursor,
		editEnvelope: func(x *exchange, _ *page, e *envelope) bool {
			e.hasMore, e.next = "true", strconv.Quote(x.req.cursor)
			return true
		},
	},
	{
		kind: "cycle-cursor", description: "the cursor before the request's own as nextCursor", exempt: isLookupOrHasNoCursor,
		editEnvelope: func(x *exchange, _ *page, e *envelope) bool {
			if x.req.prevCursor == "" {
				return false
			}
			e.hasMore, e.next = "true", strconv.Quote(x.req.prevCursor)
			return true
		},
	},
	markValid(envelopeFault("last-cursor", "a cursor with hasMore: false, on the last page", func(x *exchange, p *page, e *envelope) bool {
		isLastWithItems := p.isLast() && p.count > 0
		if isLastWithItems {
			x.setNext(p, e) // also sets hasMore to true
			e.hasMore = "false"
		}
		return isLastWithItems
	})),
	markValid(envelopeFault("empty-tail", "hasMore: true on the last page, then an empty page", func(x *exchange, p *page, e *envelope) bool {
		isLastWithItems := p.isLast() && p.count > 0
		if isLastWithItems {
			x.setNext(p, e) // also sets hasMore to true
		}
		return isLastWithItems
	})),
	markValid(envelopeFault("total-moves", "a meta.total that is wrong by up to 500", func(x *exchange, _ *page, e *envelope) bool {
		const maxDifference = 500
		difference := 1 + x.randomBelow(2*maxDifference) // from 1 to 1000
		if difference > maxDifference {
			difference = maxDifference - difference // from -1 to -500
		}
		e.total = max(e.total+difference, 0)
		hasMeta := !e.flat
		return hasMeta
	})),
}

// bodyFault returns a fault that replaces the whole body.
func bodyFault(kind FaultKind, description string, rewriteBody func([]byte) (body []byte, contentType string)) fault {
	return fault{kind: kind, description: description, rewriteBody: rewriteBody}
}

// envelopeFault returns a fault that edits the envelope. Look-ups are exempt, because they have no page.
func envelopeFault(kind FaultKind, description string, edit func(*exchange, *page, *envelope) bool) fault {
	return fault{kind: kind, description: description, exempt: isLookup, editEnvelope: edit}
}

// omitField returns a hook editEnvelope that calls edit to omit a field. The hook also sets the header X-Chaos-Applied, with
// which the service marks such a page [C].
func omitField(edit func(*envelope)) func(*exchange, *page, *envelope) bool {
	return func(x *exchange, _ *page, e *envelope) bool {
		x.w.Header().Set("X-Chaos-Applied", "missingFields")
		edit(e)
		return true
	}
}

// markValid returns f as a fault that leaves a valid page.
func markValid(f fault) fault {
	f.valid = true
	return f
}

// randomBelow returns a number in [0, n) that depends on the number of the request. It mixes the bits again, because the
// schedule of the faults uses the same random number to select the fault.
func (x *exchange) randomBelow(n int) int {
	upper := mixBits(x.req.plan.faults.random.forRequest(x.req.n)) >> 32
	return int(upper * uint64(n) >> 32) //nolint:gosec // the 32 bits are scaled to n, which is small
}
