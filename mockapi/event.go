package mockapi

import (
	"strconv"
	"time"
)

// An event is one event of the collection as plain values. What goes over the wire and what the truth holds are both
// made from it, by separate code.
type event struct {
	id, sessionID, userID uuid
	eventType             string
	name                  [12]byte // "event_" and 6 digits in base 36 [R]
	properties            []byte   // a JSON object
	at                    int64    // Unix time in ms
	device, browser       string
}

// A uuid is its two halves, big end first, so that it sorts as its text does.
type uuid struct{ hi, lo uint64 }

// newUUID makes a version 4 uuid from 60 bits that survive whole in its first half and 62 in its second.
func newUUID(hi60, lo uint64) uuid {
	return uuid{
		hi: hi60>>12<<16 | 0x4000 | hi60&0xfff,
		lo: 0x8000_0000_0000_0000 | lo>>2,
	}
}

// hi60 takes back the bits that newUUID put in the first half.
func (u uuid) hi60() uint64 { return u.hi>>16<<12 | u.hi&0xfff }

// appendEvent writes an event as the API does: eight keys, always in this order [R].
func appendEvent(dst []byte, e *event, isoTime bool) []byte {
	dst = appendUUID(append(dst, `{"id":"`...), e.id)
	dst = append(dst, `","sessionId":"`...)
	start := len(dst)
	dst = appendUUID(dst, e.sessionID)
	session := dst[start:]
	dst = appendUUID(append(dst, `","userId":"`...), e.userID)
	dst = append(append(dst, `","type":"`...), e.eventType...)
	dst = append(append(dst, `","name":"`...), e.name[:]...)
	dst = append(append(dst, `","properties":`...), e.properties...)
	dst = appendTime(append(dst, `,"timestamp":`...), e.at, isoTime)
	dst = append(append(dst, `,"session":{"id":"`...), session...)
	dst = append(append(dst, `","deviceType":"`...), e.device...)
	dst = append(append(dst, `","browser":"`...), e.browser...)
	return append(dst, `"}}`...)
}

// appendTime writes Unix milliseconds as a number, or as ISO 8601 in quotes.
func appendTime(dst []byte, ms int64, iso bool) []byte {
	if !iso {
		return strconv.AppendInt(dst, ms, 10)
	}
	return append(appendISO(append(dst, '"'), ms), '"')
}

const hexDigits = "0123456789abcdef"

// hexPairs holds the two digits of each byte, one after the other.
var hexPairs = func() (pairs [256][2]byte) {
	for b := range pairs {
		pairs[b] = [2]byte{hexDigits[b>>4], hexDigits[b&0xf]}
	}
	return pairs
}()

func appendUUID(dst []byte, u uuid) []byte {
	var text [36]byte
	for i, at := range [...]int{0, 2, 4, 6, 9, 11, 14, 16} {
		pair := hexPairs[u.hi>>(56-8*i)&0xff]
		text[at], text[at+1] = pair[0], pair[1]
	}
	for i, at := range [...]int{19, 21, 24, 26, 28, 30, 32, 34} {
		pair := hexPairs[u.lo>>(56-8*i)&0xff]
		text[at], text[at+1] = pair[0], pair[1]
	}
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return append(dst, text[:]...)
}

// appendISO writes Unix milliseconds as 2026-01-27T19:19:13.629Z, many times as fast as time.Time's AppendFormat.
func appendISO(dst []byte, ms int64) []byte {
	const day = 24 * 60 * 60 * 1000
	year, month, date := time.UnixMilli(ms).UTC().Date()
	rest := int(ms % day)
	dst = appendPadded(dst, year, 4)
	dst = appendPadded(append(dst, '-'), int(month), 2)
	dst = appendPadded(append(dst, '-'), date, 2)
	dst = appendPadded(append(dst, 'T'), rest/3_600_000, 2)
	dst = appendPadded(append(dst, ':'), rest/60_000%60, 2)
	dst = appendPadded(append(dst, ':'), rest/1000%60, 2)
	dst = appendPadded(append(dst, '.'), rest%1000, 3)
	return append(dst, 'Z')
}

func appendPadded(dst []byte, v, width int) []byte {
	var text [4]byte
	for i := width - 1; i >= 0; i-- {
		text[i] = hexDigits[v%10]
		v /= 10
	}
	return append(dst, text[:width]...)
}
