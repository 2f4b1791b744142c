package datasync

import (
	"errors"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/pawldata/pawl/internal/domain"
)

// A Decoder turns a record of the profile's API into an event, strictly: every field the profile names must be there,
// once, of its type and not null, which is what was recorded of every event. It implements domain.Decoder.
type Decoder struct {
	fields  []field
	names   EventNames
	readers sync.Pool // of *reader
}

// A field is a member the profile names: a value to read, or an object to read member by member.
type field struct {
	name    string
	read    func(r *reader, value []byte) *domain.Rejection
	members []field
}

// NewDecoder returns a decoder for the profile's events.
func NewDecoder(p Profile) *Decoder {
	n := p.Event
	session := []field{
		{name: n.SessionIDAgain, read: (*reader).sessionIDAgain},
		{name: n.SessionDeviceType, read: func(r *reader, v []byte) *domain.Rejection { return r.text(&r.event.DeviceType, v) }},
		{name: n.SessionBrowser, read: func(r *reader, v []byte) *domain.Rejection { return r.text(&r.event.Browser, v) }},
	}
	return &Decoder{
		fields: []field{
			{name: n.ID, read: func(r *reader, v []byte) *domain.Rejection { return r.uuid(&r.event.ID, v) }},
			{name: n.SessionID, read: func(r *reader, v []byte) *domain.Rejection { return r.uuid(&r.event.SessionID, v) }},
			{name: n.UserID, read: func(r *reader, v []byte) *domain.Rejection { return r.uuid(&r.event.UserID, v) }},
			{name: n.Type, read: func(r *reader, v []byte) *domain.Rejection { return r.text(&r.event.Type, v) }},
			{name: n.Name, read: func(r *reader, v []byte) *domain.Rejection { return r.text(&r.event.Name, v) }},
			{name: n.Properties, read: (*reader).properties},
			{name: n.Timestamp, read: func(r *reader, v []byte) *domain.Rejection { return r.timestamp(n.Timestamp, v) }},
			{name: n.Session, members: session},
		},
		names:   n,
		readers: sync.Pool{New: func() any { return newReader() }},
	}
}

// Decode implements domain.Decoder. Members the profile does not name, beside the session's or within it, are kept in
// Event.Extra as they came, and so is a session id that differs from the one beside the session. Text with a NUL is
// rejected wherever it stands: PostgreSQL keeps none.
func (d *Decoder) Decode(record domain.Record) (domain.Event, []domain.Drift, error) {
	r, ok := d.readers.Get().(*reader)
	if !ok {
		r = newReader()
	}
	defer d.readers.Put(r)
	defer r.letGo()
	r.begin(record.Payload)
	if rejection := d.read(r); rejection != nil {
		rejection.ID = d.identify(record.Payload)
		return domain.Event{}, nil, rejection
	}
	return r.event, append([]domain.Drift(nil), r.extra.drift...), nil // the reader's own is used again
}

func (d *Decoder) read(r *reader) *domain.Rejection {
	if r.json.PeekKind() != jsontext.KindBeginObject {
		if _, err := r.json.ReadValue(); err != nil {
			return rejectSyntax(r.payload, err)
		}
		return rejectValue(reasonNotObject, r.payload, "is not a JSON object")
	}
	if rejection := checkNames(r.payload); rejection != nil {
		return rejection
	}
	if rejection := r.object("", d.fields); rejection != nil {
		return rejection
	}
	if _, err := r.json.ReadToken(); !errors.Is(err, io.EOF) {
		return &domain.Rejection{Reason: reasonNotJSON, Detail: "something follows the object"}
	}
	if r.sessionAgain != r.event.SessionID {
		r.extra.keepSessionID(d.names, r.sessionBytes)
	}
	r.event.Extra = r.extra.object(d.names)
	return nil
}
