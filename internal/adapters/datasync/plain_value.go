package datasync

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// readProperties reads an object and returns its bytes.
func (p *plainParser) readProperties() []byte {
	before := p.rest
	if len(before) == 0 || before[0] != '{' {
		p.failed = true
		return nil
	}
	p.skipValue(0)
	length := len(before) - len(p.rest)
	return before[:length:length]
}

// skipValue passes over one valid value. It gives up on what only the strict reader should judge: deep nesting, many members
// and escapes of NUL or of surrogates.
func (p *plainParser) skipValue(depth int) {
	if p.failed || len(p.rest) == 0 || depth > maxPlainDepth {
		p.failed = true
		return
	}
	switch p.rest[0] {
	case '{':
		var names [maxPlainMembers][]byte
		n := 0
		p.readObject(func(name []byte) {
			for _, other := range names[:n] {
				p.failed = p.failed || bytes.Equal(name, other)
			}
			if n == maxPlainMembers || p.failed {
				p.failed = true
				return
			}
			names[n] = name
			n++
			p.skipValue(depth + 1)
		})
	case '[':
		p.skipArray(depth)
	case '"':
		p.skipString()
	case 't':
		p.skipLiteral("true")
	case 'f':
		p.skipLiteral("false")
	case 'n':
		p.skipLiteral("null")
	default:
		p.skipNumber()
	}
}

func (p *plainParser) skipArray(depth int) {
	p.expect('[')
	if p.accept(']') {
		return
	}
	for !p.failed {
		p.skipSpace()
		p.skipValue(depth + 1)
		if !p.accept(',') {
			p.expect(']')
			return
		}
	}
}

// skipString passes over a string. It gives up on escapes of NUL and of surrogates.
func (p *plainParser) skipString() {
	s := p.rest
	ascii := true
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			p.failed = !ascii && !utf8.Valid(s[:i])
			p.rest = s[i+1:]
			return
		case c >= utf8.RuneSelf:
			ascii = false
		case c < 0x20:
			p.failed = true
			return
		case c == '\\':
			length := escapeLength(s[i:])
			if length == 0 {
				p.failed = true
				return
			}
			i += length - 1
		}
	}
	p.failed = true
}

// escapeLength returns the number of bytes of the escape that s begins with, or 0 if it is not a plain one.
func escapeLength(s []byte) int {
	if len(s) < 2 {
		return 0
	}
	if bytes.IndexByte([]byte(`"\/bfnrt`), s[1]) >= 0 {
		return 2
	}
	if s[1] != 'u' || len(s) < 6 {
		return 0
	}
	code, err := strconv.ParseUint(string(s[2:6]), 16, 16)
	if err != nil || code == 0 || 0xd800 <= code && code <= 0xdfff {
		return 0
	}
	return 6
}

// skipNumber passes over a number as RFC 8259 defines it.
func (p *plainParser) skipNumber() {
	s := p.rest
	i := 0
	digits := func() bool {
		start := i
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		return i > start
	}
	if i < len(s) && s[i] == '-' {
		i++
	}
	start := i
	ok := digits() && (s[start] != '0' || i == start+1)
	if ok && i < len(s) && s[i] == '.' {
		i++
		ok = digits()
	}
	if ok && i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		ok = digits()
	}
	if !ok || !p.isValueEnd(i) {
		p.failed = true
		return
	}
	p.rest = s[i:]
}

// isValueEnd reports whether a number may end before the byte at i.
func (p *plainParser) isValueEnd(i int) bool {
	if i >= len(p.rest) {
		return false
	}
	switch p.rest[i] {
	case ',', '}', ']', ' ', '\n', '\r', '\t':
		return true
	}
	return false
}

func (p *plainParser) skipLiteral(text string) {
	if len(p.rest) <= len(text) || string(p.rest[:len(text)]) != text {
		p.failed = true
		return
	}
	p.rest = p.rest[len(text):]
}
