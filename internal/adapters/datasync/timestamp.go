package datasync

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// A unit is a unit of time in which a number can count the time since 1970. For times from 1973 to 5138 the numbers in
// different units do not overlap, so the size of a number shows its unit. Other numbers are rejected.
type unit struct {
	min   int64  // the smallest number in this unit; the greatest one is below the min of the next unit
	drift string // the kind of drift; empty for the recorded unit

	// toTime converts a number to a time. exact is false if the time is finer than a microsecond.
	toTime func(n int64) (result time.Time, exact bool)
}

// units are in the order of min. Milliseconds are recorded. The other units are claimed.
var units = [...]unit{
	{min: 1e8, drift: driftSeconds, toTime: func(n int64) (time.Time, bool) { return time.Unix(n, 0), true }},
	{min: 1e11, drift: "", toTime: func(n int64) (time.Time, bool) { return time.UnixMilli(n), true }},
	{min: 1e14, drift: driftMicros, toTime: func(n int64) (time.Time, bool) { return time.UnixMicro(n), true }},
	{min: 1e17, drift: driftNanos, toTime: func(n int64) (time.Time, bool) { return time.UnixMicro(n / 1000), n%1000 == 0 }},
}

// maxTimeBytes is the maximum length of a time's JSON text, so that a huge text is rejected without a copy.
const maxTimeBytes = 1 << 10

// A timestamp is the result of parseTimestamp: a time with its drift, or a fault.
type timestamp struct {
	time   time.Time
	drifts []string // the kinds of drift: the ways in which the form differs from the recorded forms
	fault  string   // the reason why the value is not a valid time, as the end of a sentence; empty if the time is valid
}

// parseTimestamp reads the two recorded forms, which may be mixed in one page: a whole number of milliseconds, and ISO 8601
// with a zone. It also reads numbers in other units and numbers in quotes, and reports them as drift. Any other value has a
// fault: parseTimestamp never guesses, cuts or replaces a time.
func parseTimestamp(value []byte) timestamp {
	if len(value) > maxTimeBytes {
		return timestamp{fault: "is too long for a time"}
	}
	switch jsontext.Value(value).Kind() {
	case jsontext.KindNumber:
		return parseUnixTime(string(value))
	case jsontext.KindString:
		text, err := unquote(value)
		switch {
		case err != nil:
			return timestamp{fault: "is not valid text"}
		case isWholeNumber(text):
			parsed := parseUnixTime(string(text))
			if parsed.fault == "" {
				parsed.drifts = append(parsed.drifts, driftNumericString)
			}
			return parsed
		}
		parsed, fault := parseISOTime(text)
		return timestamp{time: parsed, fault: fault}
	default:
		return timestamp{fault: "is neither a number nor a string"}
	}
}

func parseUnixTime(text string) timestamp {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < units[0].min {
		return timestamp{fault: "is not a whole number of seconds, milliseconds, microseconds or nanoseconds between 1973 and 5138"}
	}
	unit := units[0]
	for _, u := range units[1:] {
		if n >= u.min {
			unit = u
		}
	}
	result, exact := unit.toTime(n)
	if !exact {
		return timestamp{fault: "is finer than a microsecond"}
	}
	parsed := timestamp{time: result.UTC()}
	if unit.drift != "" {
		parsed.drifts = []string{unit.drift}
	}
	return parsed
}

func isWholeNumber(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(text) > 0
}

// parseISOTime reads the format of RFC 3339 (section 5.6). As ISO 8601 allows, the offset may lack its colon or its minutes.
// parseISOTime returns a fault for a leap second and for a time finer than a microsecond, because PostgreSQL would store
// another time.
func parseISOTime(text []byte) (result time.Time, fault string) {
	const malformed = "is not a date and time with a zone, like 2026-01-27T19:19:13.629Z"
	p := timeParser{rest: text, ok: true}
	year := p.takeDigits(4)
	p.takeOneOf("-")
	month := p.takeDigits(2)
	p.takeOneOf("-")
	day := p.takeDigits(2)
	p.takeOneOf("Tt ")
	hour := p.takeDigits(2)
	p.takeOneOf(":")
	minute := p.takeDigits(2)
	p.takeOneOf(":")
	second := p.takeDigits(2)
	micros, finer := p.takeFraction()
	if p.ok && len(p.rest) == 0 {
		return time.Time{}, "has no zone"
	}
	offset := p.takeOffset()
	if !p.ok || len(p.rest) > 0 {
		return time.Time{}, malformed
	}
	if finer {
		return time.Time{}, "is finer than a microsecond"
	}
	if hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, "is not a time of day"
	}
	result = time.Date(year, time.Month(month), day, hour, minute, second, micros*1000, time.UTC)
	if year < 1 || month < 1 || day < 1 || result.Month() != time.Month(month) {
		return time.Time{}, "is not a day of the calendar"
	}
	result = result.Add(-offset)
	if result.Year() < 1 || result.Year() > 9999 {
		return time.Time{}, "is outside the years 1 to 9999"
	}
	return result, ""
}

// A timeParser takes parts from the beginning of a text. If a part is not there, ok becomes false and stays false.
type timeParser struct {
	rest []byte
	ok   bool
}

// takeDigits takes n digits and returns their value.
func (p *timeParser) takeDigits(n int) int {
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

// takeOneOf takes one of the bytes in set and returns it.
func (p *timeParser) takeOneOf(set string) byte {
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

// takeFraction takes a fraction of a second, if there is one. finer is true if the fraction is not a whole number of
// microseconds.
func (p *timeParser) takeFraction() (micros int, finer bool) {
	if len(p.rest) == 0 || p.rest[0] != '.' && p.rest[0] != ',' {
		return 0, false
	}
	p.rest = p.rest[1:]
	const microDigits = 6 // digits of a fraction in microseconds
	digits := 0
	for len(p.rest) > 0 && '0' <= p.rest[0] && p.rest[0] <= '9' {
		if digits < microDigits {
			micros = micros*10 + int(p.rest[0]-'0')
		} else if p.rest[0] != '0' {
			finer = true
		}
		digits++
		p.rest = p.rest[1:]
	}
	p.ok = p.ok && digits > 0
	for ; digits < microDigits; digits++ {
		micros *= 10
	}
	return micros, finer
}

// takeOffset takes the offset from UTC, in one of the forms Z, ±hh:mm, ±hhmm and ±hh.
func (p *timeParser) takeOffset() time.Duration {
	sign := p.takeOneOf("Zz+-")
	if !p.ok || sign == 'Z' || sign == 'z' {
		return 0
	}
	hours, minutes := p.takeDigits(2), 0
	if len(p.rest) > 0 {
		if p.rest[0] == ':' {
			p.rest = p.rest[1:]
		}
		minutes = p.takeDigits(2)
	}
	p.ok = p.ok && hours <= 23 && minutes <= 59
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if sign == '-' {
		return -offset
	}
	return offset
}
