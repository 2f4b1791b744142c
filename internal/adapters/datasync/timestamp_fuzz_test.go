package datasync

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzTimestamp compares parseTimestamp with a reference for each valid JSON value, and readTimestamp with parseTimestamp for any text.
func FuzzTimestamp(f *testing.F) {
	for _, seed := range []string{
		`"2026-01-27T19:19:13.629Z"`, `1769541553629`, `"1769541553"`, `1769541553629123000`, `"2026-01-27 20:49:13,629001+0130"`,
		`"9999-12-31t23:59:59-01"`, `"2024-02-29T24:00:00z"`, `1.5e12`, `"2026-01-27T19:19:13+24:00"`, `"0001-01-01T00:00:00+00:01"`, `"\u0032026-01-27T19:19:60Z"`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		checkTimestamp(t, value)
		isValue := json.Valid([]byte(value)) && strings.Trim(value, " \t\r\n") == value
		if !isValue {
			return
		}
		want, wantDrifts, ok := referenceTimestamp(value)
		got := parseTimestamp([]byte(value))
		switch {
		case ok != (got.fault == ""):
			t.Errorf("%s: got %+v, want %v, valid %v", value, got, want, ok)
		case ok && (!got.time.Equal(want) || got.time.Location() != time.UTC || !slices.Equal(got.drifts, wantDrifts)):
			t.Errorf("%s: got %+v, want %v in UTC, drift %q", value, got, want, wantDrifts)
		case !got.time.Equal(got.time.Truncate(time.Microsecond)):
			t.Errorf("%s: got %v, want a whole number of microseconds", value, got.time)
		}
	})
}

var (
	wholeNumber  = regexp.MustCompile(`^\d+$`)
	dateWithZone = regexp.MustCompile(`^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d+))?(?:[Zz]|([+-])(\d\d):?(\d\d)?)$`)
)

// referenceTimestamp reads a timestamp in the simplest way: it writes the text in the form of RFC 3339, and time.Parse reads it. value is
// valid JSON.
func referenceTimestamp(value string) (result time.Time, drifts []string, ok bool) {
	var text string
	isString := value[0] == '"'
	switch {
	case len(value) > maxTimeBytes:
		return result, nil, false
	case !isString:
		return referenceUnixTime(value)
	case !utf8.ValidString(value) || hasHalfPair(value) || json.Unmarshal([]byte(value), &text) != nil:
		return result, nil, false
	case wholeNumber.MatchString(text):
		result, drifts, ok = referenceUnixTime(text)
		return result, append(drifts, driftNumericString), ok
	}
	parts := dateWithZone.FindStringSubmatch(text)
	if len(parts) == 0 || parts[1] < "0001" || strings.HasSuffix(text, ":") {
		return result, nil, false
	}
	fraction, offset := strings.TrimRight(parts[3], "0"), "Z"
	if parts[4] != "" {
		minutes := parts[6]
		if minutes == "" {
			minutes = "00"
		}
		offset = parts[4] + parts[5] + ":" + minutes
	}
	if len(fraction) > len("123456") || parts[5] > "23" {
		return result, nil, false
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	parsed, err := time.Parse(time.RFC3339Nano, parts[1]+"T"+parts[2]+fraction+offset)
	result = parsed.UTC()
	return result, nil, err == nil && result.Year() >= 1 && result.Year() <= 9999
}

// referenceUnixTime reads a number of seconds, milliseconds, microseconds or nanoseconds.
func referenceUnixTime(text string) (result time.Time, drifts []string, ok bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || !wholeNumber.MatchString(text) {
		return result, nil, false
	}
	switch digits := len(strconv.FormatInt(n, 10)); {
	case digits >= 18:
		return time.Unix(0, n), []string{driftNanos}, n%1000 == 0
	case digits >= 15:
		return time.UnixMicro(n), []string{driftMicros}, true
	case digits >= 12:
		return time.UnixMilli(n), nil, true
	default:
		return time.Unix(n, 0), []string{driftSeconds}, digits >= 9
	}
}

// hasHalfPair reports whether a JSON text has a \u escape of one half of a surrogate pair without the other half.
func hasHalfPair(text string) bool {
	for rest := text; ; {
		escape := strings.IndexByte(rest, '\\')
		if escape < 0 || escape+1 >= len(rest) {
			return false
		}
		rest = rest[escape:]
		if rest[1] != 'u' || len(rest) < unicodeEscapeLength {
			rest = rest[2:]
			continue
		}
		var one string // json.Unmarshal replaces a half pair by U+FFFD
		quoted := `"` + rest[:unicodeEscapeLength] + `"`
		isReplacement := strings.EqualFold(rest[2:unicodeEscapeLength], "fffd")
		if json.Unmarshal([]byte(quoted), &one) == nil && (one != "\ufffd" || isReplacement) {
			rest = rest[unicodeEscapeLength:]
			continue
		}
		if len(rest) < 2*unicodeEscapeLength {
			return true
		}
		quoted = `"` + rest[:2*unicodeEscapeLength] + `"`
		if json.Unmarshal([]byte(quoted), &one) != nil || utf8.RuneCountInString(one) != 1 {
			return true
		}
		rest = rest[2*unicodeEscapeLength:]
	}
}
