package mockapi

import "strconv"

// A dataForm is what stands for the items of a page.
type dataForm int

const (
	dataWhole dataForm = iota
	dataNull
	dataMissing
)

// An envelope is what stands around the items of a page, before it is written: a fault may bend it.
type envelope struct {
	flat      bool
	data      dataForm
	noPlace   bool // without pagination, or in the flat form without what would be in it
	noHasMore bool
	hasMore   string // a JSON value, as the next two
	next      string
	expiresIn string
	limit     int // as echoed
	total     int
	returned  int
	requestID string
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
	if !e.noPlace {
		dst = e.appendPlace(dst)
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
func (e *envelope) appendPlace(dst []byte) []byte {
	if e.flat {
		return e.appendNext(append(dst, ','))
	}
	dst = strconv.AppendInt(append(dst, `,"pagination":{"limit":`...), int64(e.limit), 10)
	dst = e.appendNext(append(dst, ','))
	dst = append(append(dst, `,"cursorExpiresIn":`...), e.expiresIn...)
	return append(dst, '}')
}

func (e *envelope) appendNext(dst []byte) []byte {
	if !e.noHasMore {
		dst = append(append(append(dst, `"hasMore":`...), e.hasMore...), ',')
	}
	return append(append(dst, `"nextCursor":`...), e.next...)
}
