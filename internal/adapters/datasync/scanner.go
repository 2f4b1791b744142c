package datasync

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// A scanner finds where the values of a JSON text begin and end. It does not check what is inside a value (see skip.go): in a
// string it only looks for the closing quote, in an object or array only for the matching bracket. Therefore a malformed record
// is still one record, which the decoder rejects. A strict parser would reject the whole page, at every attempt.
type scanner struct {
	body []byte
	pos  int

	brackets openBrackets // the open brackets of the value that skipContainer is skipping
}

// newScanner returns a scanner at the beginning of body. If body begins with a byte order mark, the scanner skips it.
func newScanner(body []byte) scanner {
	const byteOrderMark = "\ufeff"
	s := scanner{body: body}
	if bytes.HasPrefix(body, []byte(byteOrderMark)) {
		s.pos = len(byteOrderMark)
	}
	return s
}

// maxNameBytes is the maximum length of a name that readObject reads, with its quotes.
const maxNameBytes = 64 << 10

var (
	errTruncated = errors.New("the body ends too early")
	errTrailing  = errors.New("something follows the JSON value")
)

// readObject reads an object and calls member with the unquoted name of each member, in order. member must read the value
// that follows. readObject stops at the first error.
func (s *scanner) readObject(member func(name string) error) error {
	return s.readItems('{', '}', func() error {
		begin := s.pos
		if s.pos == len(s.body) || s.body[s.pos] != '"' {
			return s.missingError("a member's name")
		}
		if err := s.skipString(); err != nil {
			return err
		}
		if s.pos-begin > maxNameBytes {
			return fmt.Errorf("the member name at byte %d is longer than %d bytes", begin, maxNameBytes)
		}
		name, err := jsontext.AppendUnquote(nil, s.body[begin:s.pos])
		if err != nil {
			return fmt.Errorf("the member name at byte %d is malformed", begin)
		}
		if !s.take(':') {
			return s.missingError("':'")
		}
		return member(string(name))
	})
}

// readArray reads an array and calls element with each of its elements, in order. It stops at the first error.
func (s *scanner) readArray(element func(value []byte) error) error {
	return s.readItems('[', ']', func() error {
		value, err := s.readValue()
		if err != nil {
			return err
		}
		return element(value)
	})
}

// readItems reads the opening bracket, items with commas between them, and the closing bracket. At the first byte of each item
// it calls item, which must read the whole item. readItems stops at the first error.
func (s *scanner) readItems(opening, closing byte, item func() error) error {
	if !s.take(opening) {
		return s.missingError("'" + string(opening) + "'")
	}
	if s.take(closing) {
		return nil
	}
	for {
		s.skipSpace()
		if err := item(); err != nil {
			return err
		}
		if s.take(closing) {
			return nil
		}
		if !s.take(',') {
			return s.missingError("',' or '" + string(closing) + "'")
		}
	}
}

// readValue reads one value and returns its bytes, without the white space around it.
func (s *scanner) readValue() ([]byte, error) {
	s.skipSpace()
	if s.pos == len(s.body) {
		return nil, errTruncated
	}
	begin := s.pos
	var err error
	switch s.body[s.pos] {
	case '"':
		err = s.skipString()
	case '{', '[':
		err = s.skipContainer()
	default:
		err = s.skipScalar()
	}
	return s.body[begin:s.pos:s.pos], err
}

// checkEnd returns an error if anything but white space follows.
func (s *scanner) checkEnd() error {
	s.skipSpace()
	if s.pos < len(s.body) {
		return errTrailing
	}
	return nil
}

// take skips white space. If c comes next, it skips c too and returns true.
func (s *scanner) take(c byte) bool {
	if !s.nextIs(c) {
		return false
	}
	s.pos++
	return true
}

// nextIs skips white space and reports whether c comes next.
func (s *scanner) nextIs(c byte) bool {
	s.skipSpace()
	return s.pos < len(s.body) && s.body[s.pos] == c
}

func (s *scanner) skipSpace() {
	for s.pos < len(s.body) {
		switch s.body[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// missingError returns an error that says that wanted is missing at the current position.
func (s *scanner) missingError(wanted string) error {
	if s.pos >= len(s.body) {
		return errTruncated
	}
	return fmt.Errorf("%s is missing at byte %d", wanted, s.pos)
}

// nulEscape is the escape of the one character that PostgreSQL stores neither in text nor in jsonb.
const nulEscape = `\u0000`

// hasNUL reports whether a JSON text has an escaped NUL. The JSON text \\u0000 has none: its first backslash escapes the second
// one, so u0000 is ordinary text.
func hasNUL(value []byte) bool {
	for {
		i := bytes.Index(value, []byte(nulEscape))
		if i < 0 {
			return false
		}
		if !escapesNext(value[:i]) {
			return true
		}
		value = value[i+1:]
	}
}

// unquote returns the text of a valid JSON string. If there are no escapes, the text is a slice of the string.
func unquote(quoted []byte) ([]byte, error) {
	if len(quoted) >= 2 && bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], nil
	}
	return jsontext.AppendUnquote(nil, quoted)
}

// shortText returns the text of a JSON string. It returns "" if value is not a string, is not valid text, or has more than
// maxErrorBytes.
func shortText(value []byte) string {
	if jsontext.Value(value).Kind() != jsontext.KindString || len(value) > maxErrorBytes {
		return ""
	}
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return ""
	}
	return string(text)
}
