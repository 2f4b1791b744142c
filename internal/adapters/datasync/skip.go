package datasync

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// skipContainer skips an object or array, up to the matching bracket. It does not call itself for inner values, so that deep
// nesting cannot exhaust the stack. It must be fast, because pawl sends the next request only after it has skipped the whole
// body. Therefore it keeps the position in a local variable, which is faster than s.pos.
func (s *scanner) skipContainer() error {
	body, at := s.body, s.pos
	s.brackets.reset()
	for at < len(body) {
		c := body[at]
		at++
		switch c {
		case '"':
			end := skipStrings(body, at)
			if end < 0 {
				s.pos = len(body)
				return errTruncated
			}
			at = end
		case '{', '[':
			s.brackets.open(c)
		case '}', ']':
			if wanted := s.brackets.closing(); wanted != c {
				s.pos = at - 1
				return s.missingError("'" + string(wanted) + "'")
			}
			s.brackets.close()
			if s.brackets.count == 0 {
				s.pos = at
				return nil
			}
		}
	}
	s.pos = at
	return errTruncated
}

// openBrackets records which brackets are open, with one bit for each: 1 for '{' and 0 for '['. With one byte for each, it could
// become as large as the body.
type openBrackets struct {
	count int      // number of open brackets
	inner uint64   // the innermost open brackets, at most bitsOfInner; the lowest bit is the innermost
	outer []uint64 // earlier values of inner; the first value is without meaning, because then no bracket was open
}

const bitsOfInner = 64

func (b *openBrackets) reset() { b.count, b.outer = 0, b.outer[:0] }

// open records one more open bracket.
func (b *openBrackets) open(c byte) {
	if b.count%bitsOfInner == 0 { // inner is full or empty
		b.outer = append(b.outer, b.inner)
	}
	b.inner <<= 1
	if c == '{' {
		b.inner |= 1
	}
	b.count++
}

// closing returns the bracket that closes the innermost open bracket.
func (b *openBrackets) closing() byte {
	if b.inner&1 == 1 {
		return '}'
	}
	return ']'
}

// close removes the innermost open bracket.
func (b *openBrackets) close() {
	b.inner >>= 1
	b.count--
	if b.count%bitsOfInner == 0 { // inner has become empty
		last := len(b.outer) - 1
		b.inner, b.outer = b.outer[last], b.outer[:last]
	}
}

// skipStrings returns the index behind the string whose text begins at body[at]. If only a comma or a colon separates it from
// the next string, skipStrings skips that string too, and so on. It returns -1 if the body ends inside a string.
func skipStrings(body []byte, at int) int {
	for {
		at = skipText(body, at)
		if at < 0 || at+1 >= len(body) {
			return at
		}
		isNextString := body[at+1] == '"' && (body[at] == ',' || body[at] == ':')
		if !isNextString {
			return at
		}
		at += len(`,"`)
	}
}

// skipString skips a string, whose opening quote is next.
func (s *scanner) skipString() error {
	end := skipText(s.body, s.pos+1)
	if end < 0 {
		s.pos = len(s.body)
		return errTruncated
	}
	s.pos = end
	return nil
}

// skipText returns the index behind the string whose text begins at body[at], just behind the opening quote. It returns -1 if
// there is no closing quote. It looks at eight bytes at once until it finds a quote.
func skipText(body []byte, at int) int {
	for ; len(body)-at >= 8; at += 8 {
		if found := matchQuotes(binary.LittleEndian.Uint64(body[at:])); found != 0 {
			at += bits.TrailingZeros64(found) / 8
			if body[at-1] != '\\' {
				return at + 1
			}
			break // the quote may be escaped, which the loop below checks
		}
	}
	for {
		length := bytes.IndexByte(body[at:], '"')
		if length < 0 {
			return -1
		}
		quote := at + length
		at = quote + 1
		if !escapesNext(body[:quote]) {
			return at
		}
	}
}

// escapesNext reports whether a backslash at the end of text escapes the character after text. That is so if text ends in an
// odd number of backslashes, because each pair of backslashes is one escaped backslash.
func escapesNext(text []byte) bool {
	return (len(text)-len(bytes.TrimRight(text, `\`)))%2 == 1
}

// skipScalar skips a number or a literal.
func (s *scanner) skipScalar() error {
	length := bytes.IndexAny(s.body[s.pos:], "{}[]:,\" \t\r\n")
	switch length {
	case -1:
		s.pos = len(s.body)
		return errTruncated // a scalar is always inside an object or array, so the body cannot end here
	case 0:
		return s.missingError("a value")
	}
	s.pos += length
	return nil
}
