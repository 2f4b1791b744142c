package datasync

import (
	"encoding/binary"
	"time"
)

// readTimestamp reads a time in a form that causes no drift.
func readTimestamp(data []byte, at int, result *time.Time) int {
	if end := readMillis(data, at, result); end != notPlain {
		return end
	}
	if end := readISOMillis(data, at, result); end != notPlain {
		return end
	}
	end, hasEscape := skipPlainString(data, at)
	if end == notPlain {
		end = skipNumber(data, at)
	}
	if end == notPlain || hasEscape {
		return notPlain
	}
	parsed := parseTimestamp(data[at:end])
	if parsed.fault != "" || len(parsed.drifts) > 0 {
		return notPlain
	}
	*result = parsed.time
	return end
}

// readMillis reads a number of milliseconds with 13 digits, as all have from 2001 to 2286. What follows the digits is not read:
// if it belongs to the number, the record is not plain, because a separator must follow.
func readMillis(data []byte, at int, result *time.Time) int {
	const length = 13
	if len(data)-at < length || data[at] == '0' {
		return notPlain
	}
	var millis int64
	for _, c := range data[at : at+length] {
		if !isDigit(c) {
			return notPlain
		}
		millis = millis*10 + int64(c-'0')
	}
	*result = time.UnixMilli(millis).UTC()
	return at + length
}

// readISOMillis reads a time in the recorded form of ISO 8601. It gives up on times that parseISOTime must judge.
func readISOMillis(data []byte, at int, result *time.Time) int {
	const length = len(`"2026-01-27T19:19:13.629Z"`)
	if len(data)-at < length {
		return notPlain
	}
	text := data[at : at+length]
	date, isDate := isoForms[0].match(text[1:])
	hours, hasHours := isoForms[1].match(text[9:])
	seconds, hasSeconds := isoForms[2].match(text[17:])
	if !isDate || !hasHours || !hasSeconds || text[0] != '"' || text[length-1] != '"' {
		return notPlain
	}
	year, month, day := date.number(0, 4), date.number(5, 2), hours.number(0, 2)
	hour, minute, second := hours.number(3, 2), hours.number(6, 2), seconds.number(1, 2)
	if year == 0 || month == 0 || month > 12 || day == 0 || hour > 23 || minute > 59 || second > 59 {
		return notPlain
	}
	nanos := seconds.number(4, 3) * int(time.Millisecond)
	*result = time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	if day > 28 && result.Day() != day { // the month has fewer days
		return notPlain
	}
	return at + length
}

// isoForms are the three parts of the text 2026-01-27T19:19:13.629Z.
var isoForms = [3]form{newForm("0000-00-"), newForm("00T00:00"), newForm(":00.000Z")} //nolint:gochecknoglobals // a table

// A form describes eight characters, of which the first is the lowest byte.
type form struct {
	text uint64 // '0' stands for any digit
	room uint64 // for each byte, what must be added to its greatest value to get 0x7f
}

func newForm(text string) form {
	f := form{text: binary.LittleEndian.Uint64([]byte(text)), room: 0x7f * everyByte}
	for i := range text {
		if text[i] == '0' {
			f.room -= 9 << (8 * i)
		}
	}
	return f
}

// match reports whether text begins with eight characters of this form. In digits each of them is the value of its digit.
func (f form) match(text []byte) (digits formDigits, ok bool) {
	values := binary.LittleEndian.Uint64(text) ^ f.text
	return formDigits(values), (values|(values+f.room))&highBits == 0
}

// formDigits has the value of one digit in each byte.
type formDigits uint64

// number returns the number of the n digits from this place.
func (d formDigits) number(from, n int) int {
	number := 0
	for i := from; i < from+n; i++ {
		number = number*10 + int(d>>(8*i)&0xf)
	}
	return number
}
