package mockapi

import "net/http"

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
