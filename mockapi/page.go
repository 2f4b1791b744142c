package mockapi

import (
	"net/http"
	"strconv"
	"time"
)

// A page is the part of a collection that a request asks for.
type page struct {
	items collection
	from  int // index to begin at
	limit int // of items
	to    int // index after the last item; set by appendItems
	count int // of items; set by appendItems
}

// openPage returns the page that was asked for, or the error if the limit or the cursor is invalid.
func (x *exchange) openPage() (*page, *apiError) {
	limit, apiErr := x.server.pageSize(x.req.query.Get("limit"))
	if apiErr != nil {
		return nil, apiErr
	}
	p := &page{items: x.collection(), limit: limit}
	p.from, apiErr = x.findStart(p.items)
	return p, apiErr
}

// pageSize parses the limit of a request. An empty limit is the default; a large one is silently capped [R]. How the
// service treats a limit that is not a positive number is unknown [?]; here it gets a 400, which no client can overlook.
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

// appendPage appends the body of a page with the request's fault applied, and describes it in the entry.
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

// appendLookup appends one event, requested by its id. Three decisions [?]: the event has an envelope of its own, its
// time is written as that of a page's first event, and an id that no record has on the wire is unknown.
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

// An envelope is the part of a page around the items, before it is encoded. A fault may edit it.
type envelope struct {
	flat           bool
	data           dataForm
	omitPagination bool // in the flat form: hasMore and nextCursor
	omitHasMore    bool
	hasMore        string // JSON, as are the next two
	next           string
	expiresIn      string
	limit          int // as echoed
	total          int
	returned       int
	requestID      string
}

// A dataForm is the value of the member "data".
type dataForm int

const (
	dataWhole dataForm = iota // the items
	dataNull
	dataMissing
)

// envelope returns the envelope of p, whose items have been appended.
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

func (x *exchange) isFlat() bool {
	if x.req.plan.Envelope == EnvelopeMixed {
		return mixBits(x.server.requestRandom.forRequest(x.req.n))>>63 == 1
	}
	return x.req.plan.Envelope == EnvelopeFlat
}

// setNext sets hasMore to true and adds a cursor that continues after p. The life of a cursor begins when the request
// arrives, so a slow response carries a cursor that is already some seconds old: 116 to 120 s left were recorded [R].
func (x *exchange) setNext(p *page, e *envelope) {
	left := x.req.plan.CursorTTL - time.Since(x.req.at)
	e.hasMore = "true"
	e.next = strconv.Quote(x.mintCursor(p.items, p.to-1))
	e.expiresIn = strconv.Itoa(max(ceilSeconds(left), 0))
}

// dataMember is the beginning of a page's body.
const dataMember = `{"data":`

// append completes the body in dst, in which the JSON array of items begins at start.
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
		dst[tail] = '{' // instead of the comma; the fault that removes data leaves the other members
	}
	return append(dst, '}')
}

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
