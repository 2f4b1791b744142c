package datasync

import (
	"encoding/binary"
	"time"
)

// readTimestamp reads a time in a form that causes no drift. It tries the two recorded forms first.
func readTimestamp(data []byte, at int, result *time.Time) int {
	if end := readMillis(data, at, result); end != notPlain {
		return end
	}
	if end := readISOMillis(data, at, result); end != notPlain {
		return end
	}
	end, hasEscape := skipPlainString(data, at) // any other string or number
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

// readMillis reads a number of milliseconds with 13 digits, as the times from 2001 to 2286 have. It does not look at the byte
// behind the digits. If the number goes on there, the caller gives up, because it expects a comma or a brace.
func readMillis(data []byte, at int, result *time.Time) int {
	const length = 13
	if len(data)-at < length || data[at] == '0' { // JSON allows no zero before other digits
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

// readISOMillis reads a time in the recorded form of ISO 8601. It gives up on other forms and on times that do not exist.
func readISOMillis(data []byte, at int, result *time.Time) int {
	const length = len(`"2026-01-27T19:19:13.629Z"`)
	if len(data)-at < length {
		return notPlain
	}
	text := data[at : at+length]
	if text[0] != '"' || text[length-1] != '"' {
		return notPlain
	}
	yearMonth, hasYearMonth := isoForms.yearMonth.match(text[1:])
	dayHour, hasDayHour := isoForms.dayHour.match(text[1+formLength:])
	seconds, hasSeconds := isoForms.seconds.match(text[1+2*formLength:])
	if !hasYearMonth || !hasDayHour || !hasSeconds {
		return notPlain
	}
	year, month := yearMonth.number(0, 4), yearMonth.number(5, 2)
	day, hour, minute := dayHour.number(0, 2), dayHour.number(3, 2), dayHour.number(6, 2)
	second, millis := seconds.number(1, 2), seconds.number(4, 3)
	mayBeDate := year >= 1 && month >= 1 && month <= 12 && day >= 1
	isTimeOfDay := hour <= 23 && minute <= 59 && second <= 59
	if !mayBeDate || !isTimeOfDay {
		return notPlain
	}
	*result = time.Date(year, time.Month(month), day, hour, minute, second, millis*int(time.Millisecond), time.UTC)
	if day > 28 && result.Day() != day { // the month has fewer days, so time.Date returned a day of the next month
		return notPlain
	}
	return at + length
}

// isoForms are the forms of the three parts of the text 2026-01-27T19:19:13.629Z.
var isoForms = struct{ yearMonth, dayHour, seconds form }{ //nolint:gochecknoglobals // a table
	yearMonth: newForm("0000-00-"), // 2026-01-
	dayHour:   newForm("00T00:00"), // 27T19:19
	seconds:   newForm(":00.000Z"), // :13.629Z
}

// formLength is the number of characters in a form.
const formLength = 8

// A form describes a text of eight characters. Each character is one byte of a number; the first character is the lowest byte.
type form struct {
	text uint64 // the characters, where '0' stands for any digit
	room uint64 // for each character, 0x7f minus its greatest value in match, which is 9 for a digit and 0 for others
}

// newForm returns the form with this text, in which 0 stands for any digit.
func newForm(text string) form {
	f := form{text: binary.LittleEndian.Uint64([]byte(text)), room: 0x7f * everyByte}
	for i := range text {
		if text[i] == '0' {
			f.room -= 9 << (8 * i)
		}
	}
	return f
}

// match reports whether text begins with eight characters of this form, and returns its digits.
func (f form) match(text []byte) (digits formDigits, ok bool) {
	values := binary.LittleEndian.Uint64(text) ^ f.text // 0 to 9 for a digit, 0 for any other character of the form
	tooGreat := (values | (values + f.room)) & highBits // the highest bit of each byte whose value is too great
	return formDigits(values), tooGreat == 0
}

// formDigits has the value of one digit in each byte. The first digit is the lowest byte.
type formDigits uint64

// number returns the number that count digits form, beginning with the digit at the index from.
func (d formDigits) number(from, count int) int {
	number := 0
	for i := from; i < from+count; i++ {
		number = number*10 + int(d>>(8*i)&0xf)
	}
	return number
}
