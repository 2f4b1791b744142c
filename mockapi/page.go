package mockapi

import (
	"net/http"
	"strconv"
	"time"
)

// A page is the part of a collection that a request asks for. Indices begin with 0, the newest item. In a filtered
// collection, some indices have no item.
type page struct {
	items collection
	from  int // the index at which the page begins
	limit int // the maximum number of items
	to    int // the index at which the next page begins; appendItems sets it
	count int // the number of items; appendItems sets it
}

// isLast reports whether the collection has no items after the page. appendItems must have been called.
func (p *page) isLast() bool { return p.to == p.items.end() }

// openPage returns the page that the request asks for. It returns an error if the limit or the cursor is invalid.
func (x *exchange) openPage() (*page, *apiError) {
	limit, apiErr := x.server.parseLimit(x.req.query.Get("limit"))
	if apiErr != nil {
		return nil, apiErr
	}
	p := &page{items: x.collection(), limit: limit}
	p.from, apiErr = x.findStart(p.items)
	return p, apiErr
}

// parseLimit parses the limit of a request. An empty limit means the default. A limit above the maximum is silently reduced
// to the maximum [R]. It is unknown what the service does if a limit is not a positive number [?]. The mock responds with a
// 400, because a client notices that. The marks are explained in doc.go.
func (s *Server) parseLimit(text string) (int, *apiError) {
	if text == "" {
		return s.cfg.DefaultLimit, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 {
		return 0, &apiError{status: http.StatusBadRequest, code: "INVALID_LIMIT", message: "limit must be a positive integer"}
	}
	return min(limit, s.cfg.MaxLimit), nil
}

// appendPage appends the body of a page, changed by the request's fault, and describes the page in the journal's entry.
func (x *exchange) appendPage(dst []byte, p *page) []byte {
	dst = append(dst, dataMember...)
	itemsStart := len(dst)
	dst = p.appendItems(dst)
	e := x.envelope(p)
	if edit := x.req.fault.editEnvelope; edit != nil {
		if changed := edit(x, p, &e); !changed {
			x.dropFault()
		}
	}
	x.entry.From = p.from
	x.entry.Sound = x.req.fault.kind == "" || x.req.fault.valid
	saysLast := e.hasMore == "false" // a valid last page can have true, because of the fault empty-tail
	x.entry.Last = x.entry.Sound && p.isLast() && saysLast
	x.entry.Returned = p.count
	if e.data != dataWhole {
		x.entry.clearRecords()
	}
	return e.append(dst, itemsStart)
}

// appendItems appends the JSON array of the page's items. It sets p.to and p.count.
func (p *page) appendItems(dst []byte) []byte {
	dst = append(dst, '[')
	p.to = p.items.next(p.from)
	for p.to < p.items.end() && p.count < p.limit {
		if p.count > 0 {
			dst = append(dst, ',')
		}
		dst = p.items.appendItem(dst, p.to, p.count)
		p.count++
		p.to = p.items.next(p.to + 1)
	}
	return append(dst, ']')
}

// appendLookup appends the event with the id that the request asks for, or a 404. The mock decides three things [?]. The
// JSON around the event is {data, meta: {requestId}}. The event's time has the form of the first event of a page. An id is
// unknown if a drift removed this id from the wire.
func (x *exchange) appendLookup(dst []byte) []byte {
	notFound := &apiError{status: http.StatusNotFound, code: "EVENT_NOT_FOUND", message: "No such event"} // [R]
	id, err := parseUUID(x.req.id)
	if err != nil {
		return x.appendRequestError(dst, notFound)
	}
	list := eventList{snapshot: x.snapshot(), onDrift: x.recordDrift}
	i, found := list.dataset.find(id)
	if !found {
		return x.appendRequestError(dst, notFound)
	}
	if changed := list.changedRecord(i); changed != nil && changed.hidesID {
		return x.appendRequestError(dst, notFound)
	}
	x.entry.From, x.entry.Returned = i, 1
	const inPage = 0 // the form of the first event of a page
	dst = list.appendItem(append(dst, dataMember...), i, inPage)
	dst = append(append(dst, `,"meta":{"requestId":"`...), x.entry.RequestID...)
	return append(dst, `"}}`...)
}

// An envelope contains the values that surround the items of a page. A fault may edit them before they are encoded.
type envelope struct {
	flat           bool
	data           dataForm
	omitPagination bool   // in the flat form, this omits hasMore and nextCursor
	omitHasMore    bool   // omits hasMore only
	hasMore        string // the JSON value of hasMore
	next           string // the JSON value of nextCursor
	expiresIn      string // the JSON value of cursorExpiresIn
	limit          int    // the maximum number of items of the page, see parseLimit
	total          int    // the number of items of the collection
	returned       int    // the number of items of the page
	requestID      string
}

// A dataForm is the value of the member "data".
type dataForm int

const (
	dataWhole dataForm = iota // the items
	dataNull
	dataMissing
)

// envelope returns the envelope of p. appendItems must have been called.
func (x *exchange) envelope(p *page) envelope {
	e := envelope{
		flat: x.isFlat(), limit: p.limit, total: p.items.total(), returned: p.count, requestID: x.entry.RequestID,
		hasMore: "false", next: "null", expiresIn: "null",
	}
	if !p.isLast() {
		x.setNext(p, &e)
	}
	return e
}

// isFlat reports whether the page has the flat form. In the mixed form, a random bit of the request decides.
func (x *exchange) isFlat() bool {
	if x.req.plan.Envelope == EnvelopeMixed {
		highestBit := mixBits(x.server.requestRandom.forRequest(x.req.n)) >> 63
		return highestBit == 1
	}
	return x.req.plan.Envelope == EnvelopeFlat
}

// setNext sets hasMore to true, and next to a cursor that continues after p. The life of a cursor begins when the request
// arrives. Therefore the cursor of a slow response is already some seconds old. Values of cursorExpiresIn from 116 to 120
// were recorded [R].
func (x *exchange) setNext(p *page, e *envelope) {
	left := x.req.plan.CursorTTL - time.Since(x.req.arrival)
	e.hasMore = "true"
	e.next = strconv.Quote(x.mintCursor(p.items, p.to-1))
	e.expiresIn = strconv.Itoa(max(ceilSeconds(left), 0))
}

// dataMember is the beginning of a page's body.
const dataMember = `{"data":`

// append completes the body in dst. dst contains dataMember and then the JSON array of items, which begins at itemsStart.
func (e *envelope) append(dst []byte, itemsStart int) []byte {
	switch e.data {
	case dataWhole:
	case dataNull:
		dst = append(dst[:itemsStart], "null"...)
	case dataMissing:
		dst = dst[:itemsStart-len(dataMember)]
	}
	secondMember := len(dst) // where the comma before the second member will be
	if !e.omitPagination {
		dst = e.appendPagination(dst)
	}
	if !e.flat {
		dst = strconv.AppendInt(append(dst, `,"meta":{"total":`...), int64(e.total), 10)
		dst = strconv.AppendInt(append(dst, `,"returned":`...), int64(e.returned), 10)
		dst = append(append(append(dst, `,"requestId":"`...), e.requestID...), `"}`...)
	}
	if e.data == dataMissing {
		dst[secondMember] = '{' // replaces the comma, because data is missing and this member is the first one
	}
	return append(dst, '}')
}

// appendPagination appends a comma and the members about the next page.
func (e *envelope) appendPagination(dst []byte) []byte {
	if e.flat {
		return e.appendNext(append(dst, ','))
	}
	dst = strconv.AppendInt(append(dst, `,"pagination":{"limit":`...), int64(e.limit), 10)
	dst = e.appendNext(append(dst, ','))
	dst = append(append(dst, `,"cursorExpiresIn":`...), e.expiresIn...)
	return append(dst, '}')
}

// appendNext appends the members hasMore and nextCursor.
func (e *envelope) appendNext(dst []byte) []byte {
	if !e.omitHasMore {
		dst = append(append(append(dst, `"hasMore":`...), e.hasMore...), ',')
	}
	return append(append(dst, `"nextCursor":`...), e.next...)
}
