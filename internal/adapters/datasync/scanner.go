package datasync

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// A scanner finds where the values of a JSON text begin and end, and judges nothing within them: of a string it looks
// for the closing quote, of an object or array for the matching bracket. So one bad record is still one record, which
// its decoder refuses, where a strict parser would refuse the whole page, again and again.
type scanner struct {
	body  []byte
	at    int
	depth int    // brackets that are still open
	curly []byte // one bit for each of them, set for a curly one: a body of brackets must not take its size again
}

// newScanner returns a scanner at the beginning of body, behind a byte order mark if there is one.
func newScanner(body []byte) scanner {
	s := scanner{body: body}
	if bytes.HasPrefix(body, []byte("\xef\xbb\xbf")) {
		s.at = 3
	}
	return s
}

// maxNameBytes bounds the name of a member of an object that is read member by member.
const maxNameBytes = 64 << 10

var (
	errTruncated = errors.New("the body ends too early")
	errTrailing  = errors.New("something follows the JSON value")
)

// object reads an object and calls member with each member's name, in order and unquoted, to read the value behind it.
// It stops at the first error.
func (s *scanner) object(member func(name string) error) error {
	return s.list('{', '}', func() error {
		begin := s.at
		if s.at == len(s.body) || s.body[s.at] != '"' {
			return s.unexpected("a member's name")
		}
		if err := s.quoted(); err != nil {
			return err
		}
		if s.at-begin > maxNameBytes {
			return fmt.Errorf("the member name at byte %d is longer than %d bytes", begin, maxNameBytes)
		}
		name, err := jsontext.AppendUnquote(nil, s.body[begin:s.at])
		if err != nil {
			return fmt.Errorf("the member name at byte %d is malformed", begin)
		}
		if !s.take(':') {
			return s.unexpected("':'")
		}
		return member(string(name))
	})
}

// array reads an array and hands out its elements, in order. It stops at the first error.
func (s *scanner) array(element func(value []byte) error) error {
	return s.list('[', ']', func() error {
		value, err := s.value()
		if err != nil {
			return err
		}
		return element(value)
	})
}

// end checks that nothing follows.
func (s *scanner) end() error {
	if s.space(); s.at < len(s.body) {
		return errTrailing
	}
	return nil
}

func (s *scanner) list(opening, closing byte, item func() error) error {
	if !s.take(opening) {
		return s.unexpected("'" + string(opening) + "'")
	}
	if s.take(closing) {
		return nil
	}
	for {
		s.space()
		if err := item(); err != nil {
			return err
		}
		if s.take(closing) {
			return nil
		}
		if !s.take(',') {
			return s.unexpected("',' or '" + string(closing) + "'")
		}
	}
}

// value passes over one value and returns its bytes, without the space around.
func (s *scanner) value() ([]byte, error) {
	s.space()
	if s.at == len(s.body) {
		return nil, errTruncated
	}
	begin := s.at
	var err error
	switch s.body[s.at] {
	case '"':
		err = s.quoted()
	case '{', '[':
		err = s.container()
	default:
		err = s.scalar()
	}
	return s.body[begin:s.at:s.at], err
}

func (s *scanner) container() error {
	s.depth = 0
	for s.at < len(s.body) {
		switch c := s.body[s.at]; c {
		case '"':
			if err := s.quoted(); err != nil {
				return err
			}
			continue
		case '{', '[':
			s.push(c == '{')
		case '}', ']':
			if wanted := s.closing(); wanted != c {
				return s.unexpected("'" + string(wanted) + "'")
			}
			if s.depth--; s.depth == 0 {
				s.at++
				return nil
			}
		}
		s.at++
	}
	return errTruncated
}

// push notes that a bracket was opened.
func (s *scanner) push(curly bool) {
	at, bit := s.depth/8, byte(1)<<(s.depth%8)
	if at == len(s.curly) {
		s.curly = append(s.curly, 0)
	}
	s.curly[at] &^= bit
	if curly {
		s.curly[at] |= bit
	}
	s.depth++
}

// closing returns the bracket that closes the innermost open one.
func (s *scanner) closing() byte {
	if s.curly[(s.depth-1)/8]>>((s.depth-1)%8)&1 == 1 {
		return '}'
	}
	return ']'
}

func (s *scanner) quoted() error {
	s.at++
	for {
		quote := bytes.IndexByte(s.body[s.at:], '"')
		if quote < 0 {
			s.at = len(s.body)
			return errTruncated
		}
		text := s.body[s.at : s.at+quote]
		s.at += quote + 1
		if (len(text)-len(bytes.TrimRight(text, `\`)))%2 == 0 {
			return nil
		}
	}
}

func (s *scanner) scalar() error {
	length := bytes.IndexAny(s.body[s.at:], "{}[]:,\" \t\r\n")
	switch length {
	case -1:
		s.at = len(s.body)
		return errTruncated // outside an object or array nothing is read here
	case 0:
		return s.unexpected("a value")
	}
	s.at += length
	return nil
}

// take passes over c if it comes next.
func (s *scanner) take(c byte) bool {
	if !s.comes(c) {
		return false
	}
	s.at++
	return true
}

func (s *scanner) comes(c byte) bool {
	s.space()
	return s.at < len(s.body) && s.body[s.at] == c
}

func (s *scanner) space() {
	for s.at < len(s.body) {
		switch s.body[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

func (s *scanner) unexpected(wanted string) error {
	if s.at >= len(s.body) {
		return errTruncated
	}
	return fmt.Errorf("%s is missing at byte %d", wanted, s.at)
}
