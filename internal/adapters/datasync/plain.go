package datasync

import (
	"bytes"
	"time"
	"unicode/utf8"

	"github.com/pawldata/pawl/internal/domain"
)

// A plainParser decodes records that have exactly the recorded form: all named fields, each once, no other field, and text
// without escapes. Nearly all records are like that, and this is several times as fast as the strict reader.
// For any other record, valid or not, it gives up and the strict reader decides; so it never has to explain a fault.
type plainParser struct {
	rest   []byte // what is still to be read
	failed bool   // the record is not plain, or not valid; nothing that was read counts

	texts map[string]string // texts that were seen before: most records repeat a few of them
}

// maxTexts bounds plainParser.texts, and maxText the length of each of them, in bytes.
const (
	maxTexts = 1024
	maxText  = 64
)

// maxPlainDepth and maxPlainMembers bound the properties that a plainParser reads.
const (
	maxPlainDepth   = 8
	maxPlainMembers = 16 // of one object; their names are compared pairwise
)

func newPlainParser() *plainParser { return &plainParser{texts: map[string]string{}} }

// decodePlain returns the payload's event, or false if the payload is not plain.
func (d *Decoder) decodePlain(payload []byte) (event domain.Event, ok bool) {
	p, ok := d.plain.Get().(*plainParser)
	if !ok {
		p = newPlainParser()
	}
	defer d.plain.Put(p)
	event, ok = p.parse(&d.names, payload)
	p.rest = nil // so that the page can be freed
	return event, ok
}

// parse reads a record, see plainParser.
func (p *plainParser) parse(n *EventNames, payload []byte) (event domain.Event, ok bool) {
	p.rest, p.failed = payload, len(payload) > maxTotalNameBytes // a larger one may have names that are too long
	var again domain.UUID
	found := 0
	p.readObject(func(name []byte) {
		var bit int
		switch string(name) {
		case n.ID:
			bit = 1
			event.ID = p.readUUID()
		case n.SessionID:
			bit = 1 << 1
			event.SessionID = p.readUUID()
		case n.UserID:
			bit = 1 << 2
			event.UserID = p.readUUID()
		case n.Type:
			bit = 1 << 3
			event.Type = p.readText()
		case n.Name:
			bit = 1 << 4
			event.Name = p.readText()
		case n.Properties:
			bit = 1 << 5
			event.Properties = p.readProperties()
		case n.Timestamp:
			bit = 1 << 6
			event.OccurredAt = p.readTimestamp()
		case n.Session:
			bit = 1 << 7
			found |= p.readSession(n, &event, &again)
		default:
			p.failed = true
		}
		p.failed = p.failed || found&bit != 0
		found |= bit
	})
	p.skipSpace()
	const all = 1<<11 - 1
	return event, !p.failed && len(p.rest) == 0 && found == all && again == event.SessionID && event.ID != domain.EventID{}
}

// readSession reads the session's members and returns the bits of those that were found.
func (p *plainParser) readSession(n *EventNames, event *domain.Event, again *domain.UUID) (found int) {
	p.readObject(func(name []byte) {
		var bit int
		switch string(name) {
		case n.InnerSessionID:
			bit = 1 << 8
			*again = p.readUUID()
		case n.SessionDeviceType:
			bit = 1 << 9
			event.DeviceType = p.readText()
		case n.SessionBrowser:
			bit = 1 << 10
			event.Browser = p.readText()
		default:
			p.failed = true
		}
		p.failed = p.failed || found&bit != 0
		found |= bit
	})
	return found
}

// readObject reads an object and calls member with each name; member reads the value.
func (p *plainParser) readObject(member func(name []byte)) {
	p.expect('{')
	if p.accept('}') {
		return
	}
	for !p.failed {
		name := p.readString()
		p.expect(':')
		p.skipSpace()
		if p.failed {
			return
		}
		member(name)
		if !p.accept(',') {
			p.expect('}')
			return
		}
	}
}

// readString reads a string without escapes and returns its text, a slice of the payload.
func (p *plainParser) readString() []byte {
	p.expect('"')
	end := bytes.IndexByte(p.rest, '"')
	if end < 0 {
		p.failed = true
		return nil
	}
	text := p.rest[:end:end]
	ascii := true
	for _, c := range text {
		if c < 0x20 || c == '\\' {
			p.failed = true
			return nil
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	if !ascii && !utf8.Valid(text) {
		p.failed = true
		return nil
	}
	p.rest = p.rest[end+1:]
	return text
}

func (p *plainParser) readText() string {
	text := p.readString()
	if s, ok := p.texts[string(text)]; ok {
		return s
	}
	s := string(text)
	if len(p.texts) < maxTexts && len(s) <= maxText {
		p.texts[s] = s
	}
	return s
}

func (p *plainParser) readUUID() (id domain.UUID) {
	text := p.readString()
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		p.failed = true
		return id
	}
	at := 0
	var invalid byte
	for i := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			at++ // the dash
		}
		high, low := hexValues[text[at]], hexValues[text[at+1]]
		invalid |= high | low
		id[i] = high<<4 | low
		at += 2
	}
	p.failed = p.failed || invalid&0xf0 != 0
	return id
}

// hexValues holds the value of each hexadecimal digit, and 0xff for any other byte.
var hexValues = func() (values [256]byte) { //nolint:gochecknoglobals // a table
	for i := range values {
		values[i] = 0xff
	}
	for i, c := range []byte("0123456789") {
		values[c] = byte(i)
	}
	for i, c := range []byte("abcdef") {
		values[c], values[c-'a'+'A'] = byte(10+i), byte(10+i)
	}
	return values
}()

// readTimestamp reads one of the two recorded forms: milliseconds since 1970 as a number of 12 to 14 digits, or
// "2026-01-27T19:19:13.629Z".
func (p *plainParser) readTimestamp() time.Time {
	if len(p.rest) > 0 && p.rest[0] == '"' {
		return p.readISOTime()
	}
	digits, millis := 0, int64(0)
	for digits < len(p.rest) && digits <= 14 && '0' <= p.rest[digits] && p.rest[digits] <= '9' {
		millis = millis*10 + int64(p.rest[digits]-'0')
		digits++
	}
	if digits < 12 || digits > 14 || p.rest[0] == '0' || !p.isValueEnd(digits) {
		p.failed = true
		return time.Time{}
	}
	p.rest = p.rest[digits:]
	return time.UnixMilli(millis).UTC()
}

func (p *plainParser) readISOTime() time.Time {
	text := p.readString()
	const form = "0000-00-00T00:00:00.000Z"
	if len(text) != len(form) {
		p.failed = true
		return time.Time{}
	}
	for i, c := range []byte(form) {
		if c == '0' && (text[i] < '0' || text[i] > '9') || c != '0' && text[i] != c {
			p.failed = true
			return time.Time{}
		}
	}
	number := func(from, to int) (n int) {
		for _, c := range text[from:to] {
			n = n*10 + int(c-'0')
		}
		return n
	}
	year, month, day := number(0, 4), number(5, 7), number(8, 10)
	hour, minute, second, millis := number(11, 13), number(14, 16), number(17, 19), number(20, 23)
	// A day that not every month has is left to the strict reader.
	if year == 0 || month < 1 || month > 12 || day < 1 || day > 28 && !validDay(year, month, day) || hour > 23 || minute > 59 || second > 59 {
		p.failed = true
		return time.Time{}
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, millis*int(time.Millisecond), time.UTC)
}

func validDay(year, month, day int) bool {
	return time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Day() == day
}

// expect reads c, after white space.
func (p *plainParser) expect(c byte) {
	if !p.accept(c) {
		p.failed = true
	}
}

// accept reads c, after white space, if it comes next.
func (p *plainParser) accept(c byte) bool {
	if len(p.rest) > 0 && p.rest[0] == c {
		p.rest = p.rest[1:]
		return true
	}
	p.skipSpace()
	if len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *plainParser) skipSpace() {
	for len(p.rest) > 0 && (p.rest[0] == ' ' || p.rest[0] == '\n' || p.rest[0] == '\r' || p.rest[0] == '\t') {
		p.rest = p.rest[1:]
	}
}
