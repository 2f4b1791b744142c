package datasync

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// A unit is what a number counts since 1970. Of times between 1973 and 5138 each unit has the numbers of one range to
// itself, so the magnitude tells the unit for certain; other numbers are refused.
type unit struct {
	least int64 // the numbers from here on, and below the next unit's
	drift string
	time  func(n int64) (at time.Time, exact bool)
}

// Milliseconds are what is recorded; the others are claimed to be seen.
var units = [...]unit{
	{100_000_000, driftSeconds, func(n int64) (time.Time, bool) { return time.Unix(n, 0), true }},
	{100_000_000_000, "", func(n int64) (time.Time, bool) { return time.UnixMilli(n), true }},
	{100_000_000_000_000, driftMicros, func(n int64) (time.Time, bool) { return time.UnixMicro(n), true }},
	{100_000_000_000_000_000, driftNanos, func(n int64) (time.Time, bool) { return time.UnixMicro(n / 1000), n%1000 == 0 }},
}

// maxTimeBytes bounds a time's value, so that a huge one is not copied only to be refused.
const maxTimeBytes = 1 << 10

// A moment is a time as it was read.
type moment struct {
	at     time.Time
	drifts []string // in what it is not written as recorded
	fault  string   // why it is no time; the rest is zero then
}

func faulty(fault string) moment { return moment{fault: fault} }

// readTimestamp reads the two forms that are recorded, often side by side in one page: a whole number of milliseconds,
// and ISO 8601 with a zone. Beside them it reads numbers of another unit and numbers in quotes, which it reports as drift.
// Whatever else it finds it refuses, with the reason: a time is never guessed, cut or replaced.
func readTimestamp(value []byte) moment {
	if len(value) > maxTimeBytes {
		return faulty("is too long for a time")
	}
	switch jsontext.Value(value).Kind() {
	case jsontext.KindNumber:
		return readNumber(string(value))
	case jsontext.KindString:
		text, err := unquote(value)
		switch {
		case err != nil:
			return faulty("is not valid text")
		case isWholeNumber(text):
			m := readNumber(string(text))
			if m.fault == "" {
				m.drifts = append(m.drifts, driftNumericString)
			}
			return m
		}
		at, fault := parseTime(text)
		return moment{at: at, fault: fault}
	default:
		return faulty("is neither a number nor a string")
	}
}

func readNumber(text string) moment {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < units[0].least {
		return faulty("is no whole number of seconds to nanoseconds between 1973 and 5138")
	}
	of := units[0]
	for _, u := range units[1:] {
		if n >= u.least {
			of = u
		}
	}
	at, exact := of.time(n)
	if !exact {
		return faulty("is finer than a microsecond")
	}
	m := moment{at: at.UTC()}
	if of.drift != "" {
		m.drifts = []string{of.drift}
	}
	return m
}

func isWholeNumber(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(text) > 0
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
