package mockapi

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
