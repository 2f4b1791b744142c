package mockapi

import "net/http"

// appendEvent answers a look-up by id. That one event stands in an envelope of its own, and has its time as the first of a
// page would, are decisions [?]. An id that no record bears on the wire is unknown.
func (x *exchange) appendEvent(dst []byte) []byte {
	unknown := &refusal{http.StatusNotFound, "EVENT_NOT_FOUND", "No such event"} // [R]
	id, err := parseUUID(x.a.id)
	if err != nil {
		return x.deny(dst, unknown)
	}
	list := eventList{view: x.view(), met: x.met}
	i, found := list.dataset.find(id)
	if !found {
		return x.deny(dst, unknown)
	}
	if d := list.drifted(i); d != nil && d.hidesID {
		return x.deny(dst, unknown)
	}
	x.entry.From, x.entry.Returned = i, 1
	dst = list.write(append(dst, dataMember...), i, 0)
	dst = append(append(dst, `,"meta":{"requestId":"`...), x.entry.RequestID...)
	return append(dst, `"}}`...)
}
