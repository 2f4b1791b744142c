package postgres

import "bytes"

// isSurelySameJSON reports whether the two JSON texts certainly have the same value for PostgreSQL's type jsonb. If it returns false,
// they may have the same value nevertheless. stored must be a text that PostgreSQL has written for a jsonb. given may be any bytes.
//
// isSurelySameJSON compares strings and numbers as text. So it returns false for an escape or a number that PostgreSQL writes in
// another way. It also returns false for an object of more than maxMembers members and for deep nesting.
func isSurelySameJSON(given, stored []byte) bool {
	const maxDepth = 16
	givenRest, storedRest, same := sameValue(given, stored, maxDepth)
	return same && len(skipSpace(givenRest)) == 0 && len(storedRest) == 0
}

// sameValue reports whether the texts begin with the same value. It returns what follows the value in each text. It returns false for
// a value that is nested more than depth levels deep. sameToken, sameArray and sameObject do the same for one type of value.
func sameValue(given, stored []byte, depth int) (givenRest, storedRest []byte, same bool) {
	given = skipSpace(given)
	if len(given) == 0 || len(stored) == 0 || given[0] != stored[0] {
		return nil, nil, false
	}
	isNested := given[0] == '{' || given[0] == '['
	if isNested && depth == 0 {
		return nil, nil, false
	}
	switch given[0] {
	case '{':
		return sameObject(given, stored, depth-1)
	case '[':
		return sameArray(given, stored, depth-1)
	case '"':
		return sameToken(given, stored, stringLength(given), stringLength(stored))
	}
	return sameToken(given, stored, scalarLength(given), scalarLength(stored))
}

// sameToken compares the strings, numbers or literals of these lengths with which the texts begin. Length 0 stands for an invalid one.
func sameToken(given, stored []byte, givenLength, storedLength int) (givenRest, storedRest []byte, same bool) {
	if givenLength == 0 || givenLength != storedLength || !bytes.Equal(given[:givenLength], stored[:storedLength]) {
		return nil, nil, false
	}
	return given[givenLength:], stored[storedLength:], true
}

func sameArray(given, stored []byte, depth int) (givenRest, storedRest []byte, same bool) {
	given, stored = skipSpace(given[1:]), stored[1:]
	if hasByte(given, ']') && hasByte(stored, ']') { // both are empty
		return given[1:], stored[1:], true
	}
	for {
		if given, stored, same = sameValue(given, stored, depth); !same {
			return nil, nil, false
		}
		given = skipSpace(given)
		switch {
		case hasByte(given, ',') && hasByte(stored, ','):
			given, stored = given[1:], skipSpace(stored[1:])
		case hasByte(given, ']') && hasByte(stored, ']'):
			return given[1:], stored[1:], true
		default:
			return nil, nil, false
		}
	}
}

// maxMembers is the greatest number of members of an object that sameObject compares. It is the number of bits in members.taken.
const maxMembers = 32

// members are the members of an object in a stored text.
type members struct {
	text  []byte // begins with the object
	count int
	spans [maxMembers]span // only the first count are used
	taken uint32           // bit i says that take has returned member i
}

// A span says where a member begins: the quoted key is text[key:keyEnd], and the value begins at text[value].
type span struct{ key, keyEnd, value int32 }

// sameObject compares each member of the object in given with the member of the same key in stored. The members may be in another
// order, because PostgreSQL sorts them.
func sameObject(given, stored []byte, depth int) (givenRest, storedRest []byte, same bool) {
	m := members{text: stored}
	end := m.parse()
	if end < 0 {
		return nil, nil, false
	}
	given = skipSpace(given[1:])
	if hasByte(given, '}') {
		return given[1:], stored[end:], m.count == 0
	}
	for compared := 1; ; compared++ {
		keyLength := stringLength(given) // 0 if there is no valid key; then take returns nil
		value := m.take(given[:keyLength])
		given = skipSpace(given[keyLength:])
		if value == nil || !hasByte(given, ':') {
			return nil, nil, false
		}
		if given, _, same = sameValue(given[1:], value, depth); !same {
			return nil, nil, false
		}
		given = skipSpace(given)
		switch {
		case hasByte(given, ','):
			given = skipSpace(given[1:])
		case hasByte(given, '}'):
			return given[1:], stored[end:], compared == m.count
		default:
			return nil, nil, false
		}
	}
}

// parse finds the members of the object and returns where the object ends. It returns -1 if there are more than maxMembers members. It
// panics on a text that PostgreSQL has not written.
func (m *members) parse() (end int) {
	at := len("{")
	if m.text[at] == '}' {
		return at + 1
	}
	for m.count < maxMembers {
		key := at
		at += stringLength(m.text[at:])
		keyEnd := at
		at += len(": ")
		m.spans[m.count] = span{int32(key), int32(keyEnd), int32(at)} //nolint:gosec // jsonb is smaller than 2 GiB
		m.count++
		at += valueLength(m.text[at:])
		if m.text[at] == '}' {
			return at + 1
		}
		at += len(", ")
	}
	return -1
}

// take returns the text from the value of this quoted key on. It returns nil if there is no such member. It also returns nil if take
// has returned the member before: the given object has the key twice, so it is not surely the same.
func (m *members) take(key []byte) []byte {
	for i := range m.count {
		s := m.spans[i]
		isTaken := m.taken&(1<<i) != 0
		if bytes.Equal(m.text[s.key:s.keyEnd], key) && !isTaken {
			m.taken |= 1 << i
			return m.text[s.value:]
		}
	}
	return nil
}

// valueLength returns the length of the value with which a stored text begins.
func valueLength(stored []byte) int {
	depth := 0
	for at := 0; at < len(stored); {
		switch stored[at] {
		case '"':
			at += stringLength(stored[at:])
		case '{', '[':
			depth++
			at++
		case '}', ']':
			depth--
			at++
		case ',', ':', ' ':
			at++
		default:
			at += scalarLength(stored[at:])
		}
		if depth == 0 {
			return at
		}
	}
	return len(stored)
}

// stringLength returns the length of the string with which a text begins, with its quotation marks. It is 0 if the text does not begin
// with a complete string.
func stringLength(text []byte) int {
	if !hasByte(text, '"') {
		return 0
	}
	inner := bytes.IndexByte(text[1:], '"') // number of bytes before the next quotation mark
	if inner < 0 {
		return 0
	}
	hasEscape := bytes.IndexByte(text[1:1+inner], '\\') >= 0
	if !hasEscape {
		return 1 + inner + 1
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++ // the escaped character
		case '"':
			return i + 1
		}
	}
	return 0
}

// scalarLength returns the length of the number or literal with which a text begins. It ends before white space or punctuation.
func scalarLength(text []byte) int {
	for i, c := range text {
		switch c {
		case ',', ':', '}', ']', '{', '[', '"', ' ', '\n', '\r', '\t':
			return i
		}
	}
	return len(text)
}

func skipSpace(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\n' || text[0] == '\r' || text[0] == '\t') {
		text = text[1:]
	}
	return text
}

// hasByte reports whether the text begins with c.
func hasByte(text []byte, c byte) bool { return len(text) > 0 && text[0] == c }
