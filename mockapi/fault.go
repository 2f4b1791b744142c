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
	kind FaultKind
	what string // for the help
	// spares says that a request cannot be struck.
	spares func(*http.Request, arrival) bool
	// instead answers in place of the service, which knows nothing of the request.
	instead func(*exchange)
	// tooMany makes the answer a 429 that the rate limit did not cause; silent leaves out what tells of the limit.
	tooMany, silent bool
	// refuse is the error that is answered.
	refuse func() *refusal
	// bend changes what stands around the items of a page, and says whether there was anything to change.
	bend func(*exchange, *page, *envelope) bool
	// rewrite changes the whole body and its type.
	rewrite func([]byte) (body []byte, contentType string)
	// deliver sends the answer in its own way.
	deliver func(*exchange, []byte)
	// harmless says that a page stays as good as any: a client must take it.
	harmless bool
}

// faultTable is all faults, in the order of the help.
var faultTable = concat(refusals, outages, badPages, falsePlaces, deliveries)

var faults = index(faultTable, func(f fault) FaultKind { return f.kind })

// FaultKinds lists every kind.
func FaultKinds() []FaultKind {
	kinds := make([]FaultKind, len(faultTable))
	for i, f := range faultTable {
		kinds[i] = f.kind
	}
	return kinds
}

// Describe says in a few words what a fault does.
func (k FaultKind) Describe() string { return faults[k].what }

func (FaultKind) terms() terms { return terms{"fault", "request", 1, texts(FaultKinds())} }

// sparing says whether a request cannot be struck. What changes a page needs one, which a spent window does not give.
func (f fault) sparing(r *http.Request, a arrival) bool {
	changesPage := f.bend != nil || f.rewrite != nil || f.harmless
	return a.window.spent && changesPage || f.spares != nil && f.spares(r, a)
}

// withoutCursor spares a request that has no cursor.
func withoutCursor(_ *http.Request, a arrival) bool { return a.cursor == "" }

// notAList spares a request that asks for no page.
func notAList(_ *http.Request, a arrival) bool { return a.where == lookUp }

// notAGet spares a request whose answer has no body.
func notAGet(r *http.Request, _ arrival) bool { return r.Method != http.MethodGet }

func index[K comparable, V any](all []V, key func(V) K) map[K]V {
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

func texts[K ~string](kinds []K) []string {
	all := make([]string, len(kinds))
	for i, k := range kinds {
		all[i] = string(k)
	}
	return all
}

// unless gives a fault something else to spare.
func (f fault) unless(also func(*http.Request, arrival) bool) fault {
	before := f.spares
	f.spares = func(r *http.Request, a arrival) bool { return also(r, a) || before != nil && before(r, a) }
	return f
}

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

// badPages are broken 200s [C]: each is a page to fetch again, never an end and never an empty page.
var badPages = []fault{
	rewritten("null", "200 with the body null", func([]byte) ([]byte, string) { return []byte("null"), typeJSON }),
	rewritten("truncated", "200 with half of the JSON, and a Content-Length that fits", func(body []byte) ([]byte, string) {
		return body[:len(body)/2], typeJSON
	}),
	rewritten("html", "200 with the dashboard's HTML", func([]byte) ([]byte, string) { return []byte(dashboardBody), typeHTML }),
	bent("data-null", "200 with data: null", missing(func(e *envelope) { e.data = dataNull })),
	bent("data-missing", "200 without data", missing(func(e *envelope) { e.data = dataMissing })),
	bent("pagination-missing", "200 without pagination; flat, without hasMore and nextCursor", missing(func(e *envelope) { e.noPlace = true })),
	bent("hasmore-missing", "200 without hasMore", missing(func(e *envelope) { e.noHasMore = true })),
	bent("hasmore-null", "200 with hasMore: null", func(_ *exchange, _ *page, e *envelope) bool {
		e.hasMore = "null"
		return true
	}),
	bent("returned-lies", "200 with a meta.returned that the records do not bear out", func(x *exchange, _ *page, e *envelope) bool {
		e.returned += 1 + x.dice(5)
		return !e.flat
	}),
}

func rewritten(kind FaultKind, what string, rewrite func([]byte) ([]byte, string)) fault {
	return fault{kind: kind, what: what, rewrite: rewrite}
}

func bent(kind FaultKind, what string, bend func(*exchange, *page, *envelope) bool) fault {
	return fault{kind: kind, what: what, spares: notAList, bend: bend}
}

// missing leaves something out, and says so in a header as the service does [C].
func missing(drop func(*envelope)) func(*exchange, *page, *envelope) bool {
	return func(x *exchange, _ *page, e *envelope) bool {
		x.w.Header().Set("X-Chaos-Applied", "missingFields")
		drop(e)
		return true
	}
}

// dice is a number below n that the request's number decides.
func (x *exchange) dice(n int) int {
	return int(mix(x.a.plan.faults.dice.forRequest(x.a.n)) >> 32 * uint64(n) >> 32) //nolint:gosec // n is small, the result smaller
}

// falsePlaces are good records with a wrong word about what comes next [C].
var falsePlaces = []fault{
	bent("stray-end", "hasMore: false long before the end", func(_ *exchange, p *page, e *envelope) bool {
		e.hasMore, e.next, e.expiresIn = "false", "null", "null"
		return p.to < p.items.end()
	}),
	bent("no-cursor", "hasMore: true with nextCursor: null", func(_ *exchange, _ *page, e *envelope) bool {
		e.hasMore, e.next, e.expiresIn = "true", "null", "null"
		return true
	}),
	bent("repeat-cursor", "the cursor that was asked for as the next one", func(x *exchange, _ *page, e *envelope) bool {
		e.hasMore, e.next = "true", strconv.Quote(x.a.cursor)
		return true
	}).unless(withoutCursor),
	bent("cycle-cursor", "the cursor that was used before this one as the next one", func(x *exchange, _ *page, e *envelope) bool {
		if x.a.earlier == "" {
			return false
		}
		e.hasMore, e.next = "true", strconv.Quote(x.a.earlier)
		return true
	}).unless(withoutCursor),
	harmless(bent("last-cursor", "a cursor beside hasMore: false, on the last page", func(x *exchange, p *page, e *envelope) bool {
		if p.to < p.items.end() || p.count == 0 {
			return false
		}
		x.goOn(p, e)
		e.hasMore = "false"
		return true
	})),
	harmless(bent("empty-tail", "hasMore: true on the last page, so that an empty one follows", func(x *exchange, p *page, e *envelope) bool {
		if p.to < p.items.end() || p.count == 0 {
			return false
		}
		x.goOn(p, e)
		return true
	})),
	harmless(bent("total-moves", "a meta.total that is up to 500 off", func(x *exchange, _ *page, e *envelope) bool {
		off := 1 + x.dice(1000)
		if off > 500 {
			off = 500 - off
		}
		e.total = max(e.total+off, 0)
		return !e.flat
	})),
}

func harmless(f fault) fault {
	f.harmless = true
	return f
}
