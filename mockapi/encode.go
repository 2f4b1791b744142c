package mockapi

import (
	"strconv"
	"time"
)

// appendEvent writes an event as the API does: eight keys, always in this order [R].
func appendEvent(dst []byte, e *event, isoTime bool) []byte {
	dst = appendUUID(append(dst, `{"id":"`...), e.id)
	dst = append(dst, `","sessionId":"`...)
	start := len(dst)
	dst = appendUUID(dst, e.session)
	session := dst[start:]
	dst = appendUUID(append(dst, `","userId":"`...), e.user)
	dst = append(append(dst, `","type":"`...), e.kind...)
	dst = append(append(dst, `","name":"`...), e.name[:]...)
	dst = append(append(dst, `","properties":`...), e.properties...)
	dst = append(dst, `,"timestamp":`...)
	if isoTime {
		dst = appendISO(append(dst, '"'), e.at)
		dst = append(dst, '"')
	} else {
		dst = strconv.AppendInt(dst, e.at, 10)
	}
	dst = append(append(dst, `,"session":{"id":"`...), session...)
	dst = append(append(dst, `","deviceType":"`...), e.device...)
	dst = append(append(dst, `","browser":"`...), e.browser...)
	return append(dst, `"}}`...)
}

const hexDigits = "0123456789abcdef"

func appendUUID(dst []byte, u uuid) []byte {
	var text [36]byte
	at := 0
	for i, half := range [...]uint64{u.hi, u.lo} {
		for shift := 60; shift >= 0; shift -= 4 {
			if at == 8 || at == 13 || at == 18 || at == 23 && i == 1 {
				text[at] = '-'
				at++
			}
			text[at] = hexDigits[half>>shift&0xf]
			at++
		}
	}
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
