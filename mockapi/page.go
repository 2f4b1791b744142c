package mockapi

import (
	"strconv"
	"time"
)

// A page is the events at [from, to) of the collection.
type page struct {
	from, to int
	limit    int       // as echoed
	asked    time.Time // when the request arrived: the next cursor lives from here
}

func (s *Server) appendPage(dst []byte, p page, requestID string) []byte {
	dst = s.appendData(append(dst, `{"data":`...), p)
	if s.cfg.Envelope == EnvelopeFlat {
		return append(s.appendNext(append(dst, ','), p, false), '}')
	}
	dst = strconv.AppendInt(append(dst, `,"pagination":{"limit":`...), int64(p.limit), 10)
	dst = s.appendNext(append(dst, ','), p, true)
	dst = strconv.AppendInt(append(dst, `},"meta":{"total":`...), int64(s.data.n), 10)
	dst = strconv.AppendInt(append(dst, `,"returned":`...), int64(p.to-p.from), 10)
	dst = append(append(dst, `,"requestId":"`...), requestID...)
	return append(dst, `"}}`...)
}

// appendData writes the events. Every third timestamp of a page, from its first, is a number [R].
func (s *Server) appendData(dst []byte, p page) []byte {
	var e event
	dst = append(dst, '[')
	for i := p.from; i < p.to; i++ {
		if i > p.from {
			dst = append(dst, ',')
		}
		s.data.read(i, &e)
		dst = appendEvent(dst, &e, (i-p.from)%3 != 0)
	}
	return append(dst, ']')
}

// appendNext writes how to go on. A cursor lives from the arrival of its request, so a slow answer carries one that has
// already aged: 116 to 120 s were recorded [R].
func (s *Server) appendNext(dst []byte, p page, withExpiry bool) []byte {
	if p.to == s.data.n {
		dst = append(dst, `"hasMore":false,"nextCursor":null`...)
		if withExpiry {
			dst = append(dst, `,"cursorExpiresIn":null`...)
		}
		return dst
	}
	dst = append(dst, `"hasMore":true,"nextCursor":"`...)
	dst = append(dst, s.mint(p.to-1, p.asked).String()...)
	dst = append(dst, '"')
	if withExpiry {
		left := s.cfg.CursorTTL - time.Since(p.asked)
		dst = strconv.AppendInt(append(dst, `,"cursorExpiresIn":`...), int64(max(wholeSeconds(left), 0)), 10)
	}
	return dst
}
