package mockapi

import (
	"net/http"
	"strconv"
	"time"
)

// A page is a request for part of a collection, understood.
type page struct {
	items collection
	from  int // the place to begin at
	limit int // of items
	to    int // the place behind the last item; known when the items have been written
	count int // of items; likewise
}

// open finds the page that was asked for, or why there is none.
func (x *exchange) open() (*page, *refusal) {
	limit, why := x.s.pageSize(x.a.query.Get("limit"))
	if why != nil {
		return nil, why
	}
	p := &page{items: x.collection(), limit: limit}
	p.from, why = x.locate(p.items)
	return p, why
}

// pageSize defaults a missing limit and caps a large one silently [R]. What the service makes of a limit that is no
// positive number is unknown [?]; a 400 is the answer that no client can overlook.
func (s *Server) pageSize(asked string) (int, *refusal) {
	if asked == "" {
		return s.cfg.DefaultLimit, nil
	}
	limit, err := strconv.Atoi(asked)
	if err != nil || limit < 1 {
		return 0, &refusal{http.StatusBadRequest, "INVALID_LIMIT", "limit must be a positive integer"}
	}
	return min(limit, s.cfg.MaxLimit), nil
}

// appendPage writes a page, bent by the request's fault, and notes it in the entry.
func (x *exchange) appendPage(dst []byte, p *page) []byte {
	dst = append(dst, dataMember...)
	start := len(dst)
	dst = p.appendItems(dst)
	e := x.envelope(p)
	isLast := p.to == p.items.end()
	if bend := x.a.fault.bend; bend != nil && !bend(x, p, &e) {
		x.missed()
	}
	x.entry.From = p.from
	x.entry.Sound = x.a.fault.kind == "" || x.a.fault.harmless
	x.entry.Last = x.entry.Sound && isLast && e.hasMore == "false"
	x.entry.Returned = p.count
	if e.data != dataWhole {
		x.entry.withoutRecords()
	}
	return e.append(dst, start)
}

func (p *page) appendItems(dst []byte) []byte {
	dst = append(dst, '[')
	end := p.items.end()
	for p.to = p.items.next(p.from); p.to < end && p.count < p.limit; p.to = p.items.next(p.to + 1) {
		if p.count > 0 {
			dst = append(dst, ',')
		}
		dst = p.items.write(dst, p.to, p.count)
		p.count++
	}
	return append(dst, ']')
}

func (x *exchange) envelope(p *page) envelope {
	e := envelope{
		flat: x.isFlat(), limit: p.limit, total: p.items.total(), returned: p.count, requestID: x.entry.RequestID,
		hasMore: "false", next: "null", expiresIn: "null",
	}
	if p.to < p.items.end() {
		x.goOn(p, &e)
	}
	return e
}

// goOn makes an envelope say that there is more. A cursor lives from the arrival of its request, so a slow answer carries
// one that has already aged: 116 to 120 s were recorded [R].
func (x *exchange) goOn(p *page, e *envelope) {
	left := x.a.plan.CursorTTL - time.Since(x.a.at)
	e.hasMore = "true"
	e.next = strconv.Quote(x.mint(p.items, p.to-1))
	e.expiresIn = strconv.Itoa(max(wholeSeconds(left), 0))
}

func (x *exchange) isFlat() bool {
	if x.a.plan.Envelope == EnvelopeMixed {
		return mix(x.s.requests.forRequest(x.a.n))>>63 == 1
	}
	return x.a.plan.Envelope == EnvelopeFlat
}
