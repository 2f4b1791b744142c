package datasync

import (
	"bytes"
	"strconv"
	"unicode"
	"unicode/utf16"
)

// maxPlainDepth and maxPlainMembers bound the properties that a plainParser reads.
const (
	maxPlainDepth   = 8
	maxPlainMembers = 16 // of one object; their names are compared pairwise
)

// readProperties reads an object.
func readProperties(data []byte, at int, properties *[]byte) int {
	if at >= len(data) || data[at] != '{' {
		return notPlain
	}
	end := skipPlainObject(data, at, 0)
	if end == notPlain {
		return notPlain
	}
	*properties = data[at:end:end]
	return end
}

// skipPlainValue skips one valid value. It gives up on what only the strict reader should judge: deep nesting, many members and
// some escapes.
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
			if bytes.HasPrefix(data[other:], data[at:end]) { // both names end with their quote
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

// escapeLength returns the number of bytes of the escape that s begins with, or 0 if it is not a plain one. The escapes of a
// surrogate pair count as one escape.
func escapeLength(s []byte) int {
	const length = len(`\u0000`)
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	}
	code := parseEscape(s)
	switch {
	case code <= 0:
		return 0
	case !utf16.IsSurrogate(code):
		return length
	case utf16.DecodeRune(code, parseEscape(s[length:])) == unicode.ReplacementChar:
		return 0
	}
	return 2 * length
}

// parseEscape returns the code in the escape \uXXXX that s begins with, or -1 if there is none.
func parseEscape(s []byte) rune {
	if len(s) < len(`\u0000`) || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	code, err := strconv.ParseUint(string(s[2:6]), 16, 16)
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
	at = skipDigits(data, at)
	if at == begin || data[begin] == '0' && at > begin+1 {
		return notPlain
	}
	if at < len(data) && data[at] == '.' {
		begin = at + 1
		if at = skipDigits(data, begin); at == begin {
			return notPlain
		}
	}
	if at < len(data) && (data[at] == 'e' || data[at] == 'E') {
		if at++; at < len(data) && (data[at] == '+' || data[at] == '-') {
			at++
		}
		begin = at
		if at = skipDigits(data, begin); at == begin {
			return notPlain
		}
	}
	return at
}

func skipDigits(data []byte, at int) int {
	for at < len(data) && isDigit(data[at]) {
		at++
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
