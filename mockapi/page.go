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
func (x *exchange) openPage() (*page, *apiError) {
	limit, apiErr := x.server.pageSize(x.req.query.Get("limit"))
	if apiErr != nil {
		return nil, apiErr
	}
	p := &page{items: x.collection(), limit: limit}
	p.from, apiErr = x.findStart(p.items)
	return p, apiErr
}

// pageSize defaults a missing limit and caps a large one silently [R]. What the service makes of a limit that is no
// positive number is unknown [?]; a 400 is the answer that no client can overlook.
func (s *Server) pageSize(text string) (int, *apiError) {
	if text == "" {
		return s.cfg.DefaultLimit, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 {
		return 0, &apiError{http.StatusBadRequest, "INVALID_LIMIT", "limit must be a positive integer"}
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
	if edit := x.req.fault.editEnvelope; edit != nil && !edit(x, p, &e) {
		x.dropFault()
	}
	x.entry.From = p.from
	x.entry.Sound = x.req.fault.kind == "" || x.req.fault.valid
	x.entry.Last = x.entry.Sound && isLast && e.hasMore == "false"
	x.entry.Returned = p.count
	if e.data != dataWhole {
		x.entry.clearRecords()
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
		dst = p.items.appendItem(dst, p.to, p.count)
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
		x.setNext(p, &e)
	}
	return e
}

// goOn makes an envelope say that there is more. A cursor lives from the arrival of its request, so a slow answer carries
// one that has already aged: 116 to 120 s were recorded [R].
func (x *exchange) setNext(p *page, e *envelope) {
	left := x.req.plan.CursorTTL - time.Since(x.req.at)
	e.hasMore = "true"
	e.next = strconv.Quote(x.mintCursor(p.items, p.to-1))
	e.expiresIn = strconv.Itoa(max(ceilSeconds(left), 0))
}

func (x *exchange) isFlat() bool {
	if x.req.plan.Envelope == EnvelopeMixed {
		return mixBits(x.server.requestRandom.forRequest(x.req.n))>>63 == 1
	}
	return x.req.plan.Envelope == EnvelopeFlat
}

// A dataForm is what stands for the items of a page.
type dataForm int

const (
	dataWhole dataForm = iota
	dataNull
	dataMissing
)

// An envelope is what stands around the items of a page, before it is written: a fault may bend it.
type envelope struct {
	flat           bool
	data           dataForm
	omitPagination bool // without pagination, or in the flat form without what would be in it
	omitHasMore    bool
	hasMore        string // a JSON value, as the next two
	next           string
	expiresIn      string
	limit          int // as echoed
	total          int
	returned       int
	requestID      string
}

// append writes the envelope around items, which stand in dst from start on as a JSON array.
func (e *envelope) append(dst []byte, start int) []byte {
	switch e.data {
	case dataWhole:
	case dataNull:
		dst = append(dst[:start], "null"...)
	case dataMissing:
		dst = dst[:start-len(dataMember)]
	}
	tail := len(dst)
	if !e.omitPagination {
		dst = e.appendPagination(dst)
	}
	if !e.flat {
		dst = strconv.AppendInt(append(dst, `,"meta":{"total":`...), int64(e.total), 10)
		dst = strconv.AppendInt(append(dst, `,"returned":`...), int64(e.returned), 10)
		dst = append(append(append(dst, `,"requestId":"`...), e.requestID...), `"}`...)
	}
	if e.data == dataMissing {
		dst[tail] = '{' // for the comma: a fault that leaves out data leaves the rest
	}
	return append(dst, '}')
}

// dataMember is how the body of a page begins.
const dataMember = `{"data":`

// appendPlace writes how to go on.
func (e *envelope) appendPagination(dst []byte) []byte {
	if e.flat {
		return e.appendNext(append(dst, ','))
	}
	dst = strconv.AppendInt(append(dst, `,"pagination":{"limit":`...), int64(e.limit), 10)
	dst = e.appendNext(append(dst, ','))
	dst = append(append(dst, `,"cursorExpiresIn":`...), e.expiresIn...)
	return append(dst, '}')
}

func (e *envelope) appendNext(dst []byte) []byte {
	if !e.omitHasMore {
		dst = append(append(append(dst, `"hasMore":`...), e.hasMore...), ',')
	}
	return append(append(dst, `"nextCursor":`...), e.next...)
}

// appendEvent answers a look-up by id. That one event stands in an envelope of its own, and has its time as the first of a
// page would, are decisions [?]. An id that no record bears on the wire is unknown.
func (x *exchange) appendLookup(dst []byte) []byte {
	notFound := &apiError{http.StatusNotFound, "EVENT_NOT_FOUND", "No such event"} // [R]
	id, err := parseUUID(x.req.id)
	if err != nil {
		return x.appendRequestError(dst, notFound)
	}
	list := eventList{snapshot: x.snapshot(), record: x.recordDrift}
	i, found := list.dataset.find(id)
	if !found {
		return x.appendRequestError(dst, notFound)
	}
	if d := list.changedRecord(i); d != nil && d.hidesID {
		return x.appendRequestError(dst, notFound)
	}
	x.entry.From, x.entry.Returned = i, 1
	dst = list.appendItem(append(dst, dataMember...), i, 0)
	dst = append(append(dst, `,"meta":{"requestId":"`...), x.entry.RequestID...)
	return append(dst, `"}}`...)
}
