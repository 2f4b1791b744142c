package mockapi

import (
	"net/http"
	"strconv"
	"time"
)

// A FaultKind is one way in which an answer goes wrong. [FaultKinds] lists them all.
type FaultKind string

// A fault is a kind and what it does, at one or more stages of an answer. All stages are optional.
type fault struct {
	kind        FaultKind
	description string // for the help
	// spares says that a request cannot be struck.
	exempt func(*http.Request, request) bool
	// instead answers in place of the service, which knows nothing of the request.
	replace func(*exchange)
	// tooMany makes the answer a 429 that the rate limit did not cause; silent leaves out what tells of the limit.
	tooMany, omitRetryInfo bool
	// refuse is the error that is answered.
	apiError func() *apiError
	// bend changes what stands around the items of a page, and says whether there was anything to change.
	editEnvelope func(*exchange, *page, *envelope) bool
	// rewrite changes the whole body and its type.
	rewriteBody func([]byte) (body []byte, contentType string)
	// deliver sends the answer in its own way.
	deliver func(*exchange, []byte)
	// harmless says that a page stays as good as any: a client must take it.
	valid bool
}

// faultTable is all faults, in the order of the help.
var faultTable = concat(errorFaults, outageFaults, brokenPageFaults, wrongPaginationFaults, deliveryFaults)

var faults = indexBy(faultTable, func(f fault) FaultKind { return f.kind })

// FaultKinds lists every kind.
func FaultKinds() []FaultKind {
	kinds := make([]FaultKind, len(faultTable))
	for i, f := range faultTable {
		kinds[i] = f.kind
	}
	return kinds
}

// Describe says in a few words what a fault does.
func (k FaultKind) Describe() string { return faults[k].description }

func (FaultKind) info() kindInfo { return kindInfo{"fault", "request", 1, toStrings(FaultKinds())} }

// sparing says whether a request cannot be struck. What changes a page needs one, which a spent window does not give.
func (f fault) exempts(r *http.Request, req request) bool {
	changesPage := f.editEnvelope != nil || f.rewriteBody != nil || f.valid
	return req.window.exhausted && changesPage || f.exempt != nil && f.exempt(r, req)
}

// withoutCursor spares a request that has no cursor.
func hasNoCursor(_ *http.Request, req request) bool { return req.cursor == "" }

// notAList spares a request that asks for no page.
func isLookup(_ *http.Request, req request) bool { return req.endpoint == eventEndpoint }

// notAGet spares a request whose answer has no body.
func isNotGet(r *http.Request, _ request) bool { return r.Method != http.MethodGet }

func indexBy[K comparable, V any](all []V, key func(V) K) map[K]V {
	m := make(map[K]V, len(all))
	for _, v := range all {
		m[key(v)] = v
	}
	return m
}

func concat[V any](tables ...[]V) []V {
	var all []V
	for _, t := range tables {
		all = append(all, t...)
	}
	return all
}

func toStrings[K ~string](kinds []K) []string {
	all := make([]string, len(kinds))
	for i, k := range kinds {
		all[i] = string(k)
	}
	return all
}

// unless gives a fault something else to spare.
func (f fault) alsoExempting(also func(*http.Request, request) bool) fault {
	earlier := f.exempt
	f.exempt = func(r *http.Request, req request) bool { return also(r, req) || earlier != nil && earlier(r, req) }
	return f
}

// refusals are errors that the service words itself.
var errorFaults = []fault{
	{kind: "429", description: "429 with a Retry-After of 1 s, not the rate limit's own", tooMany: true},
	{kind: "429-bare", description: "429 without Retry-After and without rate limit headers", tooMany: true, omitRetryInfo: true},
	{kind: "500", description: "500 with a JSON body", apiError: newAPIError(http.StatusInternalServerError, "INTERNAL_ERROR", "An unexpected error occurred")},
	{kind: "401", description: "401 though the key is right", apiError: newAPIError(http.StatusUnauthorized, "UNAUTHORIZED", "X-API-Key is not valid any more")},
	{kind: "403", description: "403 though the key is right", apiError: newAPIError(http.StatusForbidden, "FORBIDDEN", "X-API-Key may not read this")},
	{
		kind: "expired", description: "400 CURSOR_EXPIRED to a cursor that is fresh",
		exempt: hasNoCursor, apiError: func() *apiError { return expiredCursorError(time.Minute) },
	},
	{kind: "invalid", description: "400 CURSOR_INVALID_FORMAT to a cursor that is good", exempt: hasNoCursor, apiError: invalidCursorError},
}

// outages are what the load balancer says when the service does not answer [C].
var outageFaults = []fault{outageFault(http.StatusBadGateway), outageFault(http.StatusServiceUnavailable), outageFault(http.StatusGatewayTimeout)}

func outageFault(status int) fault {
	return fault{
		kind: FaultKind(strconv.Itoa(status)), description: "the load balancer's HTML, with Server: awselb/2.0",
		replace: func(x *exchange) {
			x.w.Header().Set("Server", "awselb/2.0")
			body := loadBalancerBody(status)
			x.entry.Status = status
			x.entry.setBody(body)
			x.entry.Delivered = send(x.w, x.r, status, typeHTML, body)
		},
	}
}

func newAPIError(status int, code, message string) func() *apiError {
	return func() *apiError { return &apiError{status, code, message} }
}

// badPages are broken 200s [C]: each is a page to fetch again, never an end and never an empty page.
var brokenPageFaults = []fault{
	bodyFault("null", "200 with the body null", func([]byte) ([]byte, string) { return []byte("null"), typeJSON }),
	bodyFault("truncated", "200 with half of the JSON, and a Content-Length that fits", func(body []byte) ([]byte, string) {
		return body[:len(body)/2], typeJSON
	}),
	bodyFault("html", "200 with the dashboard's HTML", func([]byte) ([]byte, string) { return []byte(dashboardBody), typeHTML }),
	envelopeFault("data-null", "200 with data: null", omitting(func(e *envelope) { e.data = dataNull })),
	envelopeFault("data-missing", "200 without data", omitting(func(e *envelope) { e.data = dataMissing })),
	envelopeFault("pagination-missing", "200 without pagination; flat, without hasMore and nextCursor", omitting(func(e *envelope) { e.omitPagination = true })),
	envelopeFault("hasmore-missing", "200 without hasMore", omitting(func(e *envelope) { e.omitHasMore = true })),
	envelopeFault("hasmore-null", "200 with hasMore: null", func(_ *exchange, _ *page, e *envelope) bool {
		e.hasMore = "null"
		return true
	}),
	envelopeFault("returned-lies", "200 with a meta.returned that the records do not bear out", func(x *exchange, _ *page, e *envelope) bool {
		e.returned += 1 + x.randomBelow(5)
		return !e.flat
	}),
}

func bodyFault(kind FaultKind, description string, rewriteBody func([]byte) ([]byte, string)) fault {
	return fault{kind: kind, description: description, rewriteBody: rewriteBody}
}

func envelopeFault(kind FaultKind, description string, editEnvelope func(*exchange, *page, *envelope) bool) fault {
	return fault{kind: kind, description: description, exempt: isLookup, editEnvelope: editEnvelope}
}

// missing leaves something out, and says so in a header as the service does [C].
func omitting(drop func(*envelope)) func(*exchange, *page, *envelope) bool {
	return func(x *exchange, _ *page, e *envelope) bool {
		x.w.Header().Set("X-Chaos-Applied", "missingFields")
		drop(e)
		return true
	}
}

// dice is a number below n that the request's number decides.
func (x *exchange) randomBelow(n int) int {
	return int(mixBits(x.req.plan.faults.random.forRequest(x.req.n)) >> 32 * uint64(n) >> 32) //nolint:gosec // n is small, the result smaller
}

// falsePlaces are good records with a wrong word about what comes next [C].
var wrongPaginationFaults = []fault{
	envelopeFault("stray-end", "hasMore: false long before the end", func(_ *exchange, p *page, e *envelope) bool {
		e.hasMore, e.next, e.expiresIn = "false", "null", "null"
		return p.to < p.items.end()
	}),
	envelopeFault("no-cursor", "hasMore: true with nextCursor: null", func(_ *exchange, _ *page, e *envelope) bool {
		e.hasMore, e.next, e.expiresIn = "true", "null", "null"
		return true
	}),
	envelopeFault("repeat-cursor", "the cursor that was asked for as the next one", func(x *exchange, _ *page, e *envelope) bool {
		e.hasMore, e.next = "true", strconv.Quote(x.req.cursor)
		return true
	}).alsoExempting(hasNoCursor),
	envelopeFault("cycle-cursor", "the cursor that was used before this one as the next one", func(x *exchange, _ *page, e *envelope) bool {
		if x.req.prevCursor == "" {
			return false
		}
		e.hasMore, e.next = "true", strconv.Quote(x.req.prevCursor)
		return true
	}).alsoExempting(hasNoCursor),
	asValid(envelopeFault("last-cursor", "a cursor beside hasMore: false, on the last page", func(x *exchange, p *page, e *envelope) bool {
		if p.to < p.items.end() || p.count == 0 {
			return false
		}
		x.setNext(p, e)
		e.hasMore = "false"
		return true
	})),
	asValid(envelopeFault("empty-tail", "hasMore: true on the last page, so that an empty one follows", func(x *exchange, p *page, e *envelope) bool {
		if p.to < p.items.end() || p.count == 0 {
			return false
		}
		x.setNext(p, e)
		return true
	})),
	asValid(envelopeFault("total-moves", "a meta.total that is up to 500 off", func(x *exchange, _ *page, e *envelope) bool {
		off := 1 + x.randomBelow(1000)
		if off > 500 {
			off = 500 - off
		}
		e.total = max(e.total+off, 0)
		return !e.flat
	})),
}

func asValid(f fault) fault {
	f.valid = true
	return f
}
