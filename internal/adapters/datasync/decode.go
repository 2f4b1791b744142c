package datasync

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/pawldata/pawl/internal/domain"
)

// A Decoder implements [domain.Decoder] for the records of a profile's API. It is strict: each field of the profile must be in
// the record exactly once, with the right type, and not null. All recorded events are like this.
type Decoder struct {
	names   EventNames
	plain   plainParser // decodes nearly all records
	fields  []field     // for decodeStrict, which decodes the others
	readers sync.Pool   // contains *recordReader, for decodeStrict
}

// A field is a member of the record or of its session that the profile names.
type field struct {
	name    string
	read    func(r *recordReader, value []byte) *domain.Rejection // stores the value in r; nil if members is set
	members []field                                               // the fields of an object; nil if read is set
}

// NewDecoder returns a decoder for the profile's events.
func NewDecoder(p Profile) *Decoder {
	n := p.Event
	session := []field{
		{name: n.InnerSessionID, read: (*recordReader).setInnerSessionID},
		{name: n.SessionDeviceType, read: func(r *recordReader, v []byte) *domain.Rejection { return r.setText(&r.event.DeviceType, v) }},
		{name: n.SessionBrowser, read: func(r *recordReader, v []byte) *domain.Rejection { return r.setText(&r.event.Browser, v) }},
	}
	return &Decoder{
		fields: []field{
			{name: n.ID, read: (*recordReader).setEventID},
			{name: n.SessionID, read: func(r *recordReader, v []byte) *domain.Rejection { return r.setUUID(&r.event.SessionID, v) }},
			{name: n.UserID, read: func(r *recordReader, v []byte) *domain.Rejection { return r.setUUID(&r.event.UserID, v) }},
			{name: n.Type, read: func(r *recordReader, v []byte) *domain.Rejection { return r.setText(&r.event.Type, v) }},
			{name: n.Name, read: func(r *recordReader, v []byte) *domain.Rejection { return r.setText(&r.event.Name, v) }},
			{name: n.Properties, read: (*recordReader).setProperties},
			{name: n.Timestamp, read: func(r *recordReader, v []byte) *domain.Rejection { return r.setTime(n.Timestamp, v) }},
			{name: n.Session, members: session},
		},
		names:   n,
		plain:   newPlainParser(&n),
		readers: sync.Pool{New: func() any { return newRecordReader() }},
	}
}

// Decode implements [domain.Decoder]. Event.Extra contains, unchanged, all unknown fields of the record and of its session. It
// also contains the id in the session object if this id differs from the record's session id. Decode rejects a record with a
// NUL in any text, because PostgreSQL cannot store NUL.
func (d *Decoder) Decode(record domain.Record) (event domain.Event, drift []domain.Drift, err error) {
	if d.plain.parse(record.Payload, &event) {
		return event, nil, nil
	}
	return d.decodeStrict(record)
}

// decodeStrict decodes a record of any form. If the record is not valid, it returns a *[domain.Rejection] as the error. ADR 0012
// calls it the strict reader, and says why there is a plainParser too.
func (d *Decoder) decodeStrict(record domain.Record) (domain.Event, []domain.Drift, error) {
	r, ok := d.readers.Get().(*recordReader)
	if !ok {
		r = newRecordReader()
	}
	defer d.readers.Put(r)
	defer r.release() // runs before Put
	r.reset(record.Payload)
	if rejection := d.readRecord(r); rejection != nil {
		rejection.ID = d.findID(record.Payload)
		return domain.Event{}, nil, rejection
	}
	return r.event, append([]domain.Drift(nil), r.extra.drift...), nil // a copy, because the next record reuses r's slice
}

// readRecord reads the payload of r into the event and the extra fields of r.
func (d *Decoder) readRecord(r *recordReader) *domain.Rejection {
	if r.json.PeekKind() != jsontext.KindBeginObject {
		if _, err := r.json.ReadValue(); err != nil {
			return rejectSyntax(r.payload, err)
		}
		return rejectValue(reasonNotObject, r.payload, "is not a JSON object")
	}
	if rejection := checkNames(r.payload); rejection != nil {
		return rejection
	}
	if rejection := r.readObject("", d.fields); rejection != nil {
		return rejection
	}
	if _, err := r.json.ReadToken(); !errors.Is(err, io.EOF) {
		return &domain.Rejection{Reason: reasonNotJSON, Detail: "something follows the object"}
	}
	if r.innerSessionID != r.event.SessionID {
		r.extra.addInnerSessionID(d.names, r.innerSessionIDText)
	}
	r.event.Extra = r.extra.object(d.names)
	return nil
}

// findID returns the id of a rejected record. It returns the zero id if the record has no valid id or has several ids.
func (d *Decoder) findID(payload []byte) domain.EventID {
	var id domain.EventID
	idCount := 0
	s := scanner{body: payload}
	err := s.readObject(func(name string) error {
		value, err := s.readValue()
		if err != nil || name != d.names.ID {
			return err
		}
		idCount++
		text, err := unquote(value)
		if err != nil {
			return err
		}
		id, err = domain.ParseUUID(text)
		return err
	})
	if err != nil || idCount != 1 {
		return domain.EventID{}
	}
	return id
}

// A recordReader reads one record into an event. reset and release let the next record reuse it.
type recordReader struct {
	payload    []byte
	mayHaveNUL bool // whether the payload contains nulEscape; if so, hasNUL must look at each value
	buffer     bytes.Buffer
	json       *jsontext.Decoder // reads buffer; by default it rejects invalid UTF-8 and duplicate names

	event              domain.Event
	innerSessionID     domain.UUID // the session id that is in the session object
	innerSessionIDText []byte      // the JSON text of innerSessionID
	extra              extraFields
}

func newRecordReader() *recordReader {
	r := &recordReader{}
	r.json = jsontext.NewDecoder(&r.buffer)
	return r
}

// reset prepares r to read payload. Call release before the next reset.
func (r *recordReader) reset(payload []byte) {
	r.payload = payload
	r.mayHaveNUL = bytes.Contains(payload, []byte(nulEscape))
	r.buffer = *bytes.NewBuffer(payload) // jsontext reads a bytes.Buffer in place, without a copy, and never writes to it
	r.json.Reset(&r.buffer)
}

// release drops all references to the record, so that its page can be freed.
func (r *recordReader) release() {
	*r = recordReader{json: r.json, extra: r.extra.recycle()}
	r.json.Reset(&r.buffer)
}

// readObject reads the object that comes next: the record itself if path is empty, else the record's field at path. It
// rejects the record if one of fields is missing in the object.
func (r *recordReader) readObject(path string, fields []field) *domain.Rejection {
	if _, err := r.json.ReadToken(); err != nil {
		return rejectSyntax(r.payload, err)
	}
	var found uint64 // bit i is set if fields[i] was found
	for r.json.PeekKind() != jsontext.KindEndObject {
		name, err := r.readRaw()
		if err != nil {
			return rejectSyntax(r.payload, err)
		}
		index := findField(fields, name)
		if index >= 0 {
			found |= 1 << index
		}
		if rejection := r.readMember(path, fields, index, name); rejection != nil {
			return rejection
		}
	}
	if _, err := r.json.ReadToken(); err != nil {
		return rejectSyntax(r.payload, err)
	}
	for i, f := range fields {
		if found&(1<<i) == 0 {
			return &domain.Rejection{Reason: reasonMissing, Field: joinPath(path, f.name), Detail: "it is not there"}
		}
	}
	return nil
}

// readMember reads the value that follows name, in the object at path. The member is fields[index], or an unknown field if index
// is negative.
func (r *recordReader) readMember(path string, fields []field, index int, name []byte) *domain.Rejection {
	isKnown := index >= 0
	if isKnown && fields[index].members != nil && r.json.PeekKind() == jsontext.KindBeginObject {
		return r.readObject(joinPath(path, fields[index].name), fields[index].members)
	}
	value, err := r.readRaw()
	if err != nil {
		return rejectSyntax(r.payload, err)
	}
	if !isKnown {
		return r.addUnknown(path, name, value)
	}
	rejection := r.setField(fields[index], value)
	if rejection != nil {
		rejection.Field = joinPath(path, fields[index].name)
	}
	return rejection
}

// setField stores the value of a field in r, or returns why the value is rejected.
func (r *recordReader) setField(f field, value []byte) *domain.Rejection {
	switch {
	case jsontext.Value(value).Kind() == jsontext.KindNull:
		return &domain.Rejection{Reason: reasonNull, Detail: "it is null"}
	case r.mayHaveNUL && hasNUL(value):
		return &domain.Rejection{Reason: reasonNUL, Detail: detailNUL}
	case f.read == nil: // f.members is set, so readMember has already handled an object
		return rejectValue(reasonType, value, "is not an object")
	}
	return f.read(r, value)
}

// addUnknown adds an unknown field of the object at path to r.extra, and adds a drift. A field is unknown if the profile does not
// name it.
func (r *recordReader) addUnknown(path string, name, value []byte) *domain.Rejection {
	if r.extra.unknownCount++; r.extra.unknownCount > maxUnknownFields {
		return &domain.Rejection{
			Reason: reasonTooMany, Detail: fmt.Sprintf("it has more than %d unknown fields", maxUnknownFields),
		}
	}
	text, err := unquote(name)
	if err != nil {
		return rejectSyntax(r.payload, err)
	}
	field := joinPath(path, fieldName(text))
	if r.mayHaveNUL && (hasNUL(name) || hasNUL(value)) {
		return &domain.Rejection{Reason: reasonNUL, Field: field, Detail: detailNUL}
	}
	if path == "" {
		r.extra.top = appendMember(r.extra.top, name, value)
	} else {
		r.extra.session = appendMember(r.extra.session, name, value)
	}
	r.extra.drift = append(r.extra.drift, domain.Drift{Path: field, Kind: driftNewField, Value: value})
	return nil
}

// readRaw reads a name or a value and returns its bytes as a slice of the payload. The slice has no spare capacity, so an
// append to it does not overwrite the payload.
func (r *recordReader) readRaw() ([]byte, error) {
	value, err := r.json.ReadValue()
	if err != nil {
		return nil, err
	}
	end := int(r.json.InputOffset())
	return r.payload[end-len(value) : end : end], nil
}

// findField returns the index of the field whose name is the JSON string quoted. It returns -1 if there is no such field.
func findField(fields []field, quoted []byte) int {
	name, err := unquote(quoted)
	if err != nil {
		return -1
	}
	return slices.IndexFunc(fields, func(f field) bool { return f.name == string(name) })
}
