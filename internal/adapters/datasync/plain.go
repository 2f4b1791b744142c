package datasync

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"unicode/utf8"
	"unsafe"

	"github.com/pawldata/pawl/internal/domain"
)

// A plainParser decodes plain records. A plain record is valid, causes no drift, and has no escapes outside its properties. Nearly
// all records are plain, and a plainParser is many times as fast as a recordReader. It gives up on all other records and on some
// very long or deep ones: [Decoder.Decode] then calls decodeStrict, which also explains faults.
//
// The functions for parts of a record begin at data[at]. They return the index behind the part, or notPlain. If at is notPlain,
// they return notPlain again, so a caller may check only the last of several results.
type plainParser struct {
	record  plainNames // the record's fields, with the indexes plainID to plainSession
	session plainNames // the session's fields, with the indexes plainInnerSessionID to plainBrowser
}

// notPlain is the index that means that a plainParser gives up. It is greater than the length of every plain record.
const notPlain = math.MaxInt32

const (
	plainID = iota
	plainSessionID
	plainUserID
	plainType
	plainName
	plainProperties
	plainTimestamp
	plainSession
)

const (
	plainInnerSessionID = iota
	plainDeviceType
	plainBrowser
)

func newPlainParser(n *EventNames) plainParser {
	return plainParser{
		record:  quoteNames(n.ID, n.SessionID, n.UserID, n.Type, n.Name, n.Properties, n.Timestamp, n.Session),
		session: quoteNames(n.InnerSessionID, n.SessionDeviceType, n.SessionBrowser),
	}
}

// parse decodes a record into event. If the record is not plain, parse returns false, and event may be changed.
func (p *plainParser) parse(data []byte, event *domain.Event) bool {
	if len(data) > maxTotalNameBytes { // so long a record needs checkNames
		return false
	}
	end := skipPlainSpace(data, p.readRecord(data, event))
	isNilID := event.ID == domain.EventID{} // see setEventID
	return end == len(data) && !isNilID
}

// readRecord reads an object with as many members as p.record has names. If all names were found in it, each was found once.
func (p *plainParser) readRecord(data []byte, event *domain.Event) int {
	var innerSessionID domain.UUID
	at := 0
	found := 0 // the bit 1<<i is set if p.record[i] was found
	for i := range p.record {
		var field int
		field, at = p.record.read(data, at, i)
		switch field {
		case plainID:
			at = readUUID(data, at, &event.ID)
		case plainSessionID:
			at = readUUID(data, at, &event.SessionID)
		case plainUserID:
			at = readUUID(data, at, &event.UserID)
		case plainType:
			at = readText(data, at, &event.Type)
		case plainName:
			at = readText(data, at, &event.Name)
		case plainProperties:
			at = readProperties(data, at, &event.Properties)
		case plainTimestamp:
			at = readTimestamp(data, at, &event.OccurredAt)
		case plainSession:
			at = p.readSession(data, at, event, &innerSessionID)
		}
		found |= 1 << field
		if at == notPlain {
			return notPlain
		}
	}
	if found != p.record.all() || innerSessionID != event.SessionID { // two session ids would be drift
		return notPlain
	}
	return expect(data, at, '}')
}

// readSession reads the session's object as readRecord reads the record. It stores the id in the session in innerSessionID.
func (p *plainParser) readSession(data []byte, at int, event *domain.Event, innerSessionID *domain.UUID) int {
	found := 0 // the bit 1<<i is set if p.session[i] was found
	for i := range p.session {
		var field int
		field, at = p.session.read(data, at, i)
		switch field {
		case plainInnerSessionID:
			at = readUUID(data, at, innerSessionID)
		case plainDeviceType:
			at = readText(data, at, &event.DeviceType)
		case plainBrowser:
			at = readText(data, at, &event.Browser)
		}
		found |= 1 << field
	}
	if found != p.session.all() {
		return notPlain
	}
	return expect(data, at, '}')
}

// plainNames are the names of an object's members in the recorded order. Each begins with its separator and ends with a colon,
// like {"id": for the first member and ,"type": for a later one.
type plainNames [][]byte

func quoteNames(names ...string) plainNames {
	quoted := make(plainNames, len(names))
	for i, name := range names {
		quoted[i] = slices.Concat([]byte{separator(i)}, quoteName(name), []byte{':'})
	}
	return quoted
}

// separator returns the character before the member at this place in its object. The first place is 0.
func separator(place int) byte {
	if place == 0 {
		return '{'
	}
	return ','
}

// all returns a number with the bit 1<<i for each name n[i].
func (n plainNames) all() int { return 1<<len(n) - 1 }

// read reads the member at this place up to its value: the separator, the name, the colon, and white space around them. The
// name is that of n[field], and the value begins at data[valueAt]. Members may be in any order, but read compares the name with
// n[place] first, because nearly all records have the recorded order.
func (n plainNames) read(data []byte, at, place int) (field, valueAt int) {
	if at < len(data) && bytes.HasPrefix(data[at:], n[place]) {
		return place, skipPlainSpace(data, at+len(n[place]))
	}
	nameAt := skipPlainSpace(data, expect(data, at, separator(place)))
	end, hasEscape := skipPlainString(data, nameAt)
	if end == notPlain || hasEscape {
		return 0, notPlain
	}
	name := data[nameAt:end]
	for i, quoted := range n {
		if bytes.Equal(name, quoted[1:len(quoted)-1]) { // without the separator and the colon
			return i, skipPlainSpace(data, expect(data, end, ':'))
		}
	}
	return 0, notPlain
}

// expect skips white space and reads c, which must come next.
func expect(data []byte, at int, c byte) int {
	at = skipPlainSpace(data, at)
	if at >= len(data) || data[at] != c {
		return notPlain
	}
	return at + 1
}

// skipPlainSpace skips white space. It compares with ' ' first, because nearly always that comparison is enough.
func skipPlainSpace(data []byte, at int) int {
	for at < len(data) && data[at] <= ' ' && isSpace(data[at]) {
		at++
	}
	return at
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// readText reads a string without escapes. The text shares the memory of data, as the event's properties do. Sharing is safe,
// because nothing changes the body of a page before domain.Page.Release. Copying the four texts of an event would make decoding take 30 % longer. Looking
// them up in a cache of repeated texts would make it take 20 % longer.
func readText(data []byte, at int, text *string) int {
	if at >= len(data) || data[at] != '"' {
		return notPlain
	}
	closing := skipPlainText(data, at+1)
	end := closing + 1
	if closing >= len(data) || data[closing] != '"' { // the text has an escape or is not ASCII
		var hasEscape bool
		if end, hasEscape = skipPlainString(data, at); end == notPlain || hasEscape {
			return notPlain
		}
	}
	content := data[at+1 : end-1]
	*text = unsafe.String(unsafe.SliceData(content), len(content)) //nolint:gosec // see above
	return end
}

func readUUID(data []byte, at int, id *domain.UUID) int {
	const length = 36 // of a UUID's text, without quotes
	if len(data)-at < length+2 {
		return notPlain
	}
	closing := at + 1 + length
	if data[at] != '"' || data[closing] != '"' {
		return notPlain
	}
	var err error
	if *id, err = domain.ParseUUID(data[at+1 : closing]); err != nil {
		return notPlain
	}
	return closing + 1
}

// skipPlainString skips a valid string and reports whether it has an escape. It gives up on an escaped NUL and on an escaped half
// of a surrogate pair.
func skipPlainString(data []byte, at int) (end int, hasEscape bool) {
	if at >= len(data) || data[at] != '"' {
		return notPlain, false
	}
	begin, isASCII := at, true
	at = skipPlainText(data, at+1)
	for at < len(data) && data[at] != '"' {
		switch c := data[at]; {
		case c >= utf8.RuneSelf:
			isASCII = false
			at++
		case c == '\\':
			hasEscape = true
			length := escapeLength(data[at:])
			if length == 0 {
				return notPlain, false
			}
			at += length
		default: // a control character
			return notPlain, false
		}
		at = skipPlainText(data, at)
	}
	if at >= len(data) { // there is no closing quote
		return notPlain, false
	}
	if !isASCII && !utf8.Valid(data[begin:at]) {
		return notPlain, false
	}
	return at + 1, hasEscape
}

// skipPlainText skips bytes of a string up to the first special one (see isSpecial). It looks at eight bytes at once.
func skipPlainText(data []byte, at int) int {
	for ; len(data)-at >= 8; at += 8 {
		word := binary.LittleEndian.Uint64(data[at:])
		if found := matchSpecial(word); found != 0 {
			return at + bits.TrailingZeros64(found)/8
		}
	}
	for at < len(data) && !isSpecial(data[at]) {
		at++
	}
	return at
}

// isSpecial reports whether c, in a string, is a quote, a backslash, a control character or not ASCII.
func isSpecial(c byte) bool { return c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' }
