package datasync

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// A number is taken for Unix milliseconds only between these, 1973 and 5138: seconds, microseconds and nanoseconds of
// our time lie outside and are refused rather than misread (claimed: all of them are seen).
const (
	leastMillis = 100_000_000_000
	mostMillis  = 100_000_000_000_000
)

// readTimestamp reads the two forms that are recorded, often side by side in one page: a whole number of milliseconds,
// and ISO 8601 with a zone. Whatever else it finds it refuses, with the reason: a time is never guessed, cut or
// replaced.
func readTimestamp(value []byte) (time.Time, string) {
	switch jsontext.Value(value).Kind() {
	case jsontext.KindNumber:
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil {
			return time.Time{}, "is not a whole number of milliseconds"
		}
		if n < leastMillis || n >= mostMillis {
			return time.Time{}, "is no Unix time in milliseconds between 1973 and 5138"
		}
		return time.UnixMilli(n).UTC(), ""
	case jsontext.KindString:
		text, err := unquote(value)
		if err != nil {
			return time.Time{}, "is not valid text"
		}
		return parseTime(text)
	default:
		return time.Time{}, "is neither a number nor a string"
	}
}

// parseTime reads RFC 3339, section 5.6, and of ISO 8601 beside it the offsets without colon or minutes. A leap second
// and digits finer than a microsecond are refused: PostgreSQL would turn them into another time.
func parseTime(text []byte) (time.Time, string) {
	const malformed = "is not a date and time with a zone, like 2026-01-27T19:19:13.629Z"
	p := timeParser{rest: text, ok: true}
	year := p.digits(4)
	p.one("-")
	month := p.digits(2)
	p.one("-")
	day := p.digits(2)
	p.one("Tt ")
	hour := p.digits(2)
	p.one(":")
	minute := p.digits(2)
	p.one(":")
	second := p.digits(2)
	micros, finer := p.fraction()
	if p.ok && len(p.rest) == 0 {
		return time.Time{}, "has no zone"
	}
	offset := p.offset()
	if !p.ok || len(p.rest) > 0 {
		return time.Time{}, malformed
	}
	if finer {
		return time.Time{}, "is finer than a microsecond"
	}
	if hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, "is no time of day"
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, micros*1000, time.UTC)
	if year < 1 || month < 1 || day < 1 || t.Month() != time.Month(month) {
		return time.Time{}, "is no day of the calendar"
	}
	t = t.Add(-offset)
	if t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, "lies outside the years 1 to 9999"
	}
	return t, ""
}

// A timeParser reads a text from its front. After the first thing it does not find ok is false.
type timeParser struct {
	rest []byte
	ok   bool
}

func (p *timeParser) digits(n int) int {
	if len(p.rest) < n {
		p.ok = false
		return 0
	}
	value := 0
	for _, c := range p.rest[:n] {
		p.ok = p.ok && '0' <= c && c <= '9'
		value = value*10 + int(c-'0')
	}
	p.rest = p.rest[n:]
	return value
}

// one takes one of the bytes in set and returns it.
func (p *timeParser) one(set string) byte {
	if len(p.rest) > 0 {
		for i := range len(set) {
			if p.rest[0] == set[i] {
				p.rest = p.rest[1:]
				return set[i]
			}
		}
	}
	p.ok = false
	return 0
}

// fraction reads a fraction of a second, if there is one, and tells whether it is finer than microseconds.
func (p *timeParser) fraction() (micros int, finer bool) {
	if len(p.rest) == 0 || p.rest[0] != '.' && p.rest[0] != ',' {
		return 0, false
	}
	p.rest = p.rest[1:]
	digits := 0
	for len(p.rest) > 0 && '0' <= p.rest[0] && p.rest[0] <= '9' {
		if digits < 6 {
			micros = micros*10 + int(p.rest[0]-'0')
		} else if p.rest[0] != '0' {
			finer = true
		}
		digits++
		p.rest = p.rest[1:]
	}
	p.ok = p.ok && digits > 0
	for ; digits < 6; digits++ {
		micros *= 10
	}
	return micros, finer
}

// offset reads Z, ±hh:mm, ±hhmm or ±hh.
func (p *timeParser) offset() time.Duration {
	sign := p.one("Zz+-")
	if !p.ok || sign == 'Z' || sign == 'z' {
		return 0
	}
	hours, minutes := p.digits(2), 0
	if len(p.rest) > 0 {
		if p.rest[0] == ':' {
			p.rest = p.rest[1:]
		}
		minutes = p.digits(2)
	}
	p.ok = p.ok && hours <= 23 && minutes <= 59
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if sign == '-' {
		return -offset
	}
	return offset
}
