package mockapi

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// An event is one event of the collection as plain values. The responses and the expected rows (see [Row]) are made from
// events, but by separate code.
type event struct {
	id, sessionID, userID uuid
	eventType             string
	name                  [12]byte // "event_" and 6 digits in base 36 ([R] in doc.go)
	properties            []byte   // a JSON object
	timeMS                int64    // Unix time in ms
	device, browser       string
}

// A uuid consists of two big-endian halves. Therefore uuids sort like their texts.
type uuid struct{ hi, lo uint64 }

// newUUID returns a version 4 uuid that contains the 60 bits of hi60 and the upper 62 bits of lo. The other 6 bits are the
// version, before the last 12 bits of hi, and the variant at the beginning of lo.
func newUUID(hi60, lo uint64) uuid {
	return uuid{
		hi: hi60>>12<<16 | 0x4000 | hi60&0xfff,
		lo: 0x8000_0000_0000_0000 | lo>>2,
	}
}

// hi60 returns the hi60 that was passed to newUUID.
func (u uuid) hi60() uint64 { return u.hi>>16<<12 | u.hi&0xfff }

// parseUUID parses a uuid. Hyphens may be anywhere or missing.
func parseUUID(text string) (uuid, error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(raw) != 16 {
		return uuid{}, fmt.Errorf("%q is not a uuid", text)
	}
	return uuid{hi: binary.BigEndian.Uint64(raw[:8]), lo: binary.BigEndian.Uint64(raw[8:])}, nil
}

// String returns the canonical text. It shares no code with appendUUID. So an error in appendUUID makes the responses differ
// from the expected rows.
func (u uuid) String() string {
	raw := make([]byte, 0, 16)
	raw = binary.BigEndian.AppendUint64(raw, u.hi)
	raw = binary.BigEndian.AppendUint64(raw, u.lo)
	text := hex.EncodeToString(raw)
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// appendEvent appends an event as the API writes it, with eight keys that are always in this order [R]. isoTime selects the
// form of the time, see appendTime.
func appendEvent(dst []byte, e *event, isoTime bool) []byte {
	dst = appendUUID(append(dst, `{"id":"`...), e.id)
	dst = append(dst, `","sessionId":"`...)
	start := len(dst)
	dst = appendUUID(dst, e.sessionID)
	sessionID := dst[start:] // occurs again as session.id
	dst = appendUUID(append(dst, `","userId":"`...), e.userID)
	dst = append(append(dst, `","type":"`...), e.eventType...)
	dst = append(append(dst, `","name":"`...), e.name[:]...)
	dst = append(append(dst, `","properties":`...), e.properties...)
	dst = appendTime(append(dst, `,"timestamp":`...), e.timeMS, isoTime)
	dst = append(append(dst, `,"session":{"id":"`...), sessionID...)
	dst = append(append(dst, `","deviceType":"`...), e.device...)
	dst = append(append(dst, `","browser":"`...), e.browser...)
	return append(dst, `"}}`...)
}

// appendTime appends a time, which is given in Unix ms. It writes ISO 8601 in quotes if isoTime is true, else the number.
func appendTime(dst []byte, ms int64, isoTime bool) []byte {
	if !isoTime {
		return strconv.AppendInt(dst, ms, 10)
	}
	return append(appendISO(append(dst, '"'), ms), '"')
}

const hexDigits = "0123456789abcdef"

// hexPairs contains the two hex digits of each byte value.
var hexPairs = func() (pairs [256][2]byte) {
	for b := range pairs {
		pairs[b] = [2]byte{hexDigits[b>>4], hexDigits[b&0xf]}
	}
	return pairs
}()

// appendUUID appends the canonical text of u. It is many times faster than u.String.
func appendUUID(dst []byte, u uuid) []byte {
	var text [36]byte
	// The lists contain the position of the two hex digits of each byte. Hyphens are at the positions between them.
	for i, position := range [...]int{0, 2, 4, 6, 9, 11, 14, 16} {
		pair := hexPairs[(u.hi>>(56-8*i))&0xff]
		text[position], text[position+1] = pair[0], pair[1]
	}
	for i, position := range [...]int{19, 21, 24, 26, 28, 30, 32, 34} {
		pair := hexPairs[(u.lo>>(56-8*i))&0xff]
		text[position], text[position+1] = pair[0], pair[1]
	}
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return append(dst, text[:]...)
}

// appendISO appends a time in Unix ms like 2026-01-27T19:19:13.629Z. It is many times faster than [time.Time.AppendFormat].
func appendISO(dst []byte, ms int64) []byte {
	const (
		secondMS = 1000
		minuteMS = 60 * secondMS
		hourMS   = 60 * minuteMS
		dayMS    = 24 * hourMS
	)
	year, month, day := time.UnixMilli(ms).UTC().Date()
	msOfDay := int(ms % dayMS)
	dst = appendPadded(dst, year, 4)
	dst = appendPadded(append(dst, '-'), int(month), 2)
	dst = appendPadded(append(dst, '-'), day, 2)
	dst = appendPadded(append(dst, 'T'), msOfDay/hourMS, 2)
	dst = appendPadded(append(dst, ':'), msOfDay%hourMS/minuteMS, 2)
	dst = appendPadded(append(dst, ':'), msOfDay%minuteMS/secondMS, 2)
	dst = appendPadded(append(dst, '.'), msOfDay%secondMS, 3)
	return append(dst, 'Z')
}

// appendPadded appends n in decimal, with zeros before it if it has fewer than width digits. width is 4 at most.
func appendPadded(dst []byte, n, width int) []byte {
	var digits [4]byte
	for i := width - 1; i >= 0; i-- {
		digits[i] = hexDigits[n%10]
		n /= 10
	}
	return append(dst, digits[:width]...)
}
