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

// A plainParser decodes records that have exactly the recorded form: all named fields, each once, no other field, and text
// without escapes. Nearly all records are like that, and this is many times as fast as the strict reader. For any other record,
// valid or not, it gives up and the strict reader decides; so it never has to explain a fault.
//
// Its functions read something that begins at data[at] and return the index behind it, or notPlain. They accept notPlain as at
// and return it again.
type plainParser struct {
	record  plainNames // in the order of the constants plainID to plainSession
	session plainNames // in the order of the constants plainInnerSessionID to plainBrowser
}

// notPlain says that the record is not plain, or not valid. It lies behind the end of every plain record.
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

// parse decodes a record into event. If the record is not plain, it returns false, and event may be changed.
func (p *plainParser) parse(data []byte, event *domain.Event) bool {
	if len(data) > maxTotalNameBytes { // it may have names that are too long
		return false
	}
	at := p.readRecord(data, event)
	return skipPlainSpace(data, at) == len(data) && event.ID != domain.EventID{}
}

// readRecord reads as many members as the record must have. If each name was found, each was found once.
func (p *plainParser) readRecord(data []byte, event *domain.Event) int {
	var innerSessionID domain.UUID
	at, found := 0, 0
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
	if found != p.record.all() || innerSessionID != event.SessionID {
		return notPlain
	}
	return expect(data, at, '}')
}

// readSession reads the session in the same way as readRecord reads the record.
func (p *plainParser) readSession(data []byte, at int, event *domain.Event, id *domain.UUID) int {
	found := 0
	for i := range p.session {
		var field int
		field, at = p.session.read(data, at, i)
		switch field {
		case plainInnerSessionID:
			at = readUUID(data, at, id)
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

// plainNames are the names of an object's members in the recorded order. Each is a JSON string with what stands around it in a
// record without white space: the opening brace or a comma before it, and a colon behind it.
type plainNames [][]byte

func quoteNames(names ...string) plainNames {
	quoted := make(plainNames, len(names))
	for i, name := range names {
		quoted[i] = slices.Concat([]byte{separator(i)}, quoteName(name), []byte{':'})
	}
	return quoted
}

// separator returns what stands before the member at this place.
func separator(place int) byte {
	if place == 0 {
		return '{'
	}
	return ','
}

// all returns a number with one bit for each name.
func (n plainNames) all() int { return 1<<len(n) - 1 }

// read reads what stands before the member at this place, its name, the colon, and white space around them. It returns which of
// n the name is. Members may be in any order, but read compares the name with n[place] first, because nearly all records have
// the recorded order.
func (n plainNames) read(data []byte, at, place int) (field, end int) {
	if at < len(data) && bytes.HasPrefix(data[at:], n[place]) {
		return place, skipPlainSpace(data, at+len(n[place]))
	}
	at = skipPlainSpace(data, expect(data, at, separator(place)))
	end, hasEscape := skipPlainString(data, at)
	if end == notPlain || hasEscape {
		return 0, notPlain
	}
	name := data[at:end]
	for i, quoted := range n {
		if bytes.Equal(name, quoted[1:len(quoted)-1]) {
			return i, skipPlainSpace(data, expect(data, end, ':'))
		}
	}
	return 0, notPlain
}

// expect reads c, after white space.
func expect(data []byte, at int, c byte) int {
	at = skipPlainSpace(data, at)
	if at >= len(data) || data[at] != c {
		return notPlain
	}
	return at + 1
}

func skipPlainSpace(data []byte, at int) int {
	for at < len(data) && data[at] <= ' ' && isSpace(data[at]) {
		at++
	}
	return at
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// readText reads a string without escapes. The text shares the memory of data, as the event's properties do. To copy an event's
// four texts would make decoding take 30 % longer, and to look them up in a cache of repeated texts 20 %. It is safe because
// nothing changes the body of a page.
func readText(data []byte, at int, text *string) int {
	if at >= len(data) || data[at] != '"' {
		return notPlain
	}
	end := skipPlainText(data, at+1) + 1
	if end > len(data) || data[end-1] != '"' { // the text is not only printable ASCII
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
	const length = 36
	if len(data)-at < length+2 {
		return notPlain
	}
	end := at + 1 + length
	if data[at] != '"' || data[end] != '"' {
		return notPlain
	}
	var err error
	if *id, err = domain.ParseUUID(data[at+1 : end]); err != nil {
		return notPlain
	}
	return end + 1
}

// skipPlainString reads a string. It gives up on escapes of NUL and of surrogates that are not a pair.
func skipPlainString(data []byte, at int) (end int, hasEscape bool) {
	if at >= len(data) || data[at] != '"' {
		return notPlain, false
	}
	begin, ascii := at, true
	at = skipPlainText(data, at+1)
	for at < len(data) && data[at] != '"' {
		switch c := data[at]; {
		case c >= utf8.RuneSelf:
			ascii = false
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
	if at >= len(data) || !ascii && !utf8.Valid(data[begin:at]) {
		return notPlain, false
	}
	return at + 1, hasEscape
}

// skipPlainText skips the printable ASCII characters that mean themselves in a string. It looks at eight bytes at once.
func skipPlainText(data []byte, at int) int {
	for ; len(data)-at >= 8; at += 8 {
		word := binary.LittleEndian.Uint64(data[at:])
		if found := matchSpecial(word); found != 0 {
			return at + bits.TrailingZeros64(found)/8
		}
	}
	for at < len(data) && data[at] >= ' ' && data[at] < utf8.RuneSelf && data[at] != '"' && data[at] != '\\' {
		at++
	}
	return at
}
