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
	found  int    // a bit for each field that was found, see mark

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
	p.found = 0
	var innerSessionID domain.UUID
	p.readObject(func(name []byte) {
		switch string(name) {
		case n.ID:
			p.mark(0)
			event.ID = p.readUUID()
		case n.SessionID:
			p.mark(1)
			event.SessionID = p.readUUID()
		case n.UserID:
			p.mark(2)
			event.UserID = p.readUUID()
		case n.Type:
			p.mark(3)
			event.Type = p.readText()
		case n.Name:
			p.mark(4)
			event.Name = p.readText()
		case n.Properties:
			p.mark(5)
			event.Properties = p.readProperties()
		case n.Timestamp:
			p.mark(6)
			event.OccurredAt = p.readTimestamp()
		case n.Session:
			p.mark(7)
			p.readSession(n, &event, &innerSessionID)
		default:
			p.failed = true
		}
	})
	p.skipSpace()
	const all = 1<<11 - 1
	return event, !p.failed && len(p.rest) == 0 && p.found == all && innerSessionID == event.SessionID && event.ID != domain.EventID{}
}

// mark notes that the field with this number was found. The record is not plain if it has a field twice.
func (p *plainParser) mark(field int) {
	bit := 1 << field
	p.failed = p.failed || p.found&bit != 0
	p.found |= bit
}

// readSession reads the session's members.
func (p *plainParser) readSession(n *EventNames, event *domain.Event, innerSessionID *domain.UUID) {
	p.readObject(func(name []byte) {
		switch string(name) {
		case n.InnerSessionID:
			p.mark(8)
			*innerSessionID = p.readUUID()
		case n.SessionDeviceType:
			p.mark(9)
			event.DeviceType = p.readText()
		case n.SessionBrowser:
			p.mark(10)
			event.Browser = p.readText()
		default:
			p.failed = true
		}
	})
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

func (p *plainParser) readUUID() domain.UUID {
	id, err := domain.ParseUUID(p.readString())
	p.failed = p.failed || err != nil
	return id
}

// readTimestamp reads a time in a form that causes no drift.
func (p *plainParser) readTimestamp() time.Time {
	before := p.rest
	if len(before) > 0 && before[0] == '"' {
		p.readString()
	} else {
		p.skipNumber()
	}
	parsed := parseTimestamp(before[:len(before)-len(p.rest)])
	p.failed = p.failed || parsed.fault != "" || len(parsed.drifts) > 0
	return parsed.time
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
