package datasync

import (
	"bytes"
	"strconv"
	"unicode"
	"unicode/utf16"
)

// The limits of the properties that a plainParser accepts.
const (
	maxPlainDepth   = 8  // maximum number of objects and arrays around a value; the properties themselves count as one
	maxPlainMembers = 16 // maximum number of members in one object, because each name is compared with all others
)

// readProperties reads an object. The properties share the memory of data.
func readProperties(data []byte, at int, properties *[]byte) int {
	if at >= len(data) || data[at] != '{' {
		return notPlain
	}
	const depth = 0 // skipPlainObject adds 1 for the values in the object
	end := skipPlainObject(data, at, depth)
	if end == notPlain {
		return notPlain
	}
	*properties = data[at:end:end]
	return end
}

// skipPlainValue skips one valid value, which has depth objects and arrays around it. It gives up on values beyond maxPlainDepth
// or maxPlainMembers, and on strings on which skipPlainString gives up.
func skipPlainValue(data []byte, at, depth int) int {
	if at >= len(data) || depth > maxPlainDepth {
		return notPlain
	}
	switch data[at] {
	case '{':
		return skipPlainObject(data, at, depth)
	case '[':
		return skipPlainArray(data, at, depth)
	case '"':
		end, _ := skipPlainString(data, at)
		return end
	case 't':
		return skipLiteral(data, at, "true")
	case 'f':
		return skipLiteral(data, at, "false")
	case 'n':
		return skipLiteral(data, at, "null")
	default:
		return skipNumber(data, at)
	}
}

// skipPlainObject skips an object, whose opening brace is at data[at].
func skipPlainObject(data []byte, at, depth int) int {
	at = skipPlainSpace(data, at+1)
	if at < len(data) && data[at] == '}' {
		return at + 1
	}
	var names [maxPlainMembers]int // where each name begins
	for count := range maxPlainMembers {
		end, hasEscape := skipPlainString(data, at)
		if end == notPlain || hasEscape {
			return notPlain
		}
		for _, other := range names[:count] {
			if bytes.HasPrefix(data[other:], data[at:end]) { // the same name, because data[at:end] includes both quotes
				return notPlain
			}
		}
		names[count] = at
		at = skipPlainSpace(data, expect(data, end, ':'))
		at = skipPlainSpace(data, skipPlainValue(data, at, depth+1))
		if at >= len(data) || data[at] != ',' {
			return expect(data, at, '}')
		}
		at = skipPlainSpace(data, at+1)
	}
	return notPlain
}

// skipPlainArray skips an array, whose opening bracket is at data[at].
func skipPlainArray(data []byte, at, depth int) int {
	at = skipPlainSpace(data, at+1)
	if at < len(data) && data[at] == ']' {
		return at + 1
	}
	for {
		at = skipPlainSpace(data, skipPlainValue(data, at, depth+1))
		if at >= len(data) || data[at] != ',' {
			return expect(data, at, ']')
		}
		at = skipPlainSpace(data, at+1)
	}
}

// escapeLength returns the number of bytes of the escape that s begins with. It returns 0 if the escape is not valid, or is one on
// which skipPlainString gives up. The two escapes of a surrogate pair count as one escape.
func escapeLength(s []byte) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	}
	code := parseEscape(s)
	switch {
	case code <= 0: // not valid, or NUL
		return 0
	case !utf16.IsSurrogate(code):
		return unicodeEscapeLength
	case utf16.DecodeRune(code, parseEscape(s[unicodeEscapeLength:])) == unicode.ReplacementChar: // not a pair
		return 0
	}
	return 2 * unicodeEscapeLength
}

const unicodeEscapeLength = len(`\uXXXX`)

// parseEscape returns the code in the escape \uXXXX that s begins with, or -1 if s does not begin with such an escape.
func parseEscape(s []byte) rune {
	if len(s) < unicodeEscapeLength || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	code, err := strconv.ParseUint(string(s[2:unicodeEscapeLength]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(code)
}

// skipNumber skips a number as RFC 8259 defines it.
func skipNumber(data []byte, at int) int {
	if at < len(data) && data[at] == '-' {
		at++
	}
	begin := at
	at = skipDigits(data, begin)
	if at == notPlain {
		return notPlain
	}
	if data[begin] == '0' && at > begin+1 { // a zero before other digits
		return notPlain
	}
	if at < len(data) && data[at] == '.' {
		at = skipDigits(data, at+1)
	}
	if at < len(data) && (data[at] == 'e' || data[at] == 'E') {
		at++
		if at < len(data) && (data[at] == '+' || data[at] == '-') {
			at++
		}
		at = skipDigits(data, at)
	}
	return at
}

// skipDigits skips one or more digits.
func skipDigits(data []byte, at int) int {
	begin := at
	for at < len(data) && isDigit(data[at]) {
		at++
	}
	if at == begin {
		return notPlain
	}
	return at
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func skipLiteral(data []byte, at int, text string) int {
	if !bytes.HasPrefix(data[at:], []byte(text)) {
		return notPlain
	}
	return at + len(text)
}
