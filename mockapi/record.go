package mockapi

import (
	"strconv"
	"strings"
)

// A record is an event on the wire in parts, each a JSON text, so that a drift can change one. An empty text leaves its
// member out. It is slow; only events that drift are written by way of it.
type record struct {
	id, sessionID, userID, kind, name, properties, timestamp string
	session                                                  sessionRecord
	more                                                     string // members behind the others, such as `"a":1,"b":2`
	instead                                                  string // of the whole record
}

type sessionRecord struct{ id, device, browser, more string }

func newRecord(e *event, isoTime bool) record {
	id := strconv.Quote(e.session.String())
	return record{
		id: strconv.Quote(e.id.String()), sessionID: id, userID: strconv.Quote(e.user.String()), kind: strconv.Quote(e.kind),
		name: strconv.Quote(string(e.name[:])), properties: string(e.properties), timestamp: string(appendTime(nil, e.at, isoTime)),
		session: sessionRecord{id: id, device: strconv.Quote(e.device), browser: strconv.Quote(e.browser)},
	}
}

// bytes is the record in the order of the wire.
func (r *record) bytes() []byte {
	if r.instead != "" {
		return []byte(r.instead)
	}
	session := object(r.session.more, member{"id", r.session.id}, member{"deviceType", r.session.device}, member{"browser", r.session.browser})
	return []byte(object(r.more,
		member{"id", r.id}, member{"sessionId", r.sessionID}, member{"userId", r.userID}, member{"type", r.kind}, member{"name", r.name},
		member{"properties", r.properties}, member{"timestamp", r.timestamp}, member{"session", session}))
}

type member struct{ name, value string }

func object(more string, members ...member) string {
	var all []string
	for _, m := range members {
		if m.value != "" {
			all = append(all, strconv.Quote(m.name)+":"+m.value)
		}
	}
	if more != "" {
		all = append(all, more)
	}
	return "{" + strings.Join(all, ",") + "}"
}

// setProperty puts a member in front of the properties: it holds what the record had, and this.
func (r *record) setProperty(name, value string) {
	r.properties = withProperty(r.properties, name, value)
}

func withProperty(properties, name, value string) string {
	return `{"` + name + `":` + value + "," + properties[1:]
}
