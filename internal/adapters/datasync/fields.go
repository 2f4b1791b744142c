package datasync

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/pawldata/pawl/internal/domain"
)

// The kinds of drift. A drift is a difference between an accepted record and the documented format. The database stores these
// texts, so they must never change.
const (
	driftNewField       = "new field"
	driftOtherSessionID = "differs from the session id beside it" // the id in the session object is not the record's session id
	driftSeconds        = "in seconds"
	driftMicros         = "in microseconds"
	driftNanos          = "in nanoseconds"
	driftNumericString  = "a number in quotes"
)

func (r *recordReader) setText(target *string, value []byte) *domain.Rejection {
	text, rejection := unquoteField(value)
	if rejection == nil {
		*target = string(text)
	}
	return rejection
}

// setEventID sets the event's id. It rejects the nil UUID, which has only zeros: RFC 9562 (section 5.9) reserves it for
// "no value", so it identifies no event.
func (r *recordReader) setEventID(value []byte) *domain.Rejection {
	rejection := r.setUUID(&r.event.ID, value)
	if rejection == nil && r.event.ID == (domain.EventID{}) {
		return rejectValue(reasonBadUUID, value, "is the nil UUID, which identifies no event")
	}
	return rejection
}

func (r *recordReader) setUUID(target *domain.UUID, value []byte) *domain.Rejection {
	isString := value[0] == '"' // unquoteField rejects any other value
	if isString && len(value) > maxUUIDBytes {
		return rejectValue(reasonBadUUID, value, "is longer than a UUID")
	}
	text, rejection := unquoteField(value)
	if rejection != nil {
		return rejection
	}
	id, err := domain.ParseUUID(text)
	if err != nil {
		return rejectValue(reasonBadUUID, value, "is "+err.Error())
	}
	*target = id
	return nil
}

// setInnerSessionID sets the session id that is in the session object, and its JSON text. If this id differs from the record's
// session id, readRecord adds the JSON text to the extra fields.
func (r *recordReader) setInnerSessionID(value []byte) *domain.Rejection {
	r.innerSessionIDText = value
	return r.setUUID(&r.innerSessionID, value)
}

func (r *recordReader) setTime(name string, value []byte) *domain.Rejection {
	parsed := parseTimestamp(value)
	if parsed.fault != "" {
		return rejectValue(reasonBadTimestamp, value, parsed.fault)
	}
	r.event.OccurredAt = parsed.time
	for _, kind := range parsed.drifts {
		r.extra.drift = append(r.extra.drift, domain.Drift{Path: name, Kind: kind, Value: value})
	}
	return nil
}

func (r *recordReader) setProperties(value []byte) *domain.Rejection {
	if jsontext.Value(value).Kind() != jsontext.KindBeginObject {
		return rejectValue(reasonType, value, "is not an object")
	}
	r.event.Properties = value
	return nil
}

// unquoteField returns the text of a JSON string. The text may be a slice of value.
func unquoteField(value []byte) ([]byte, *domain.Rejection) {
	if jsontext.Value(value).Kind() != jsontext.KindString {
		return nil, rejectValue(reasonType, value, "is not a string")
	}
	text, err := unquote(value)
	if err != nil {
		return nil, rejectValue(reasonBadText, value, "is not valid text")
	}
	return text, nil
}

// extraFields collects the fields of a record that go into Event.Extra, and the record's drift.
type extraFields struct {
	top          []byte // JSON members of the record itself, each with a comma before it
	session      []byte // JSON members of its session, each with a comma before it
	drift        []domain.Drift
	unknownCount int // number of fields that the profile does not name
}

// appendMember appends a comma and a JSON member to members. name is a JSON string.
func appendMember(members, name, value []byte) []byte {
	members = append(members, ',')
	members = append(members, name...)
	members = append(members, ':')
	return append(members, value...)
}

// addInnerSessionID adds the session id of the session object to the extra fields, and adds a drift. value is the id's JSON text.
// It must be called only if this id differs from the record's session id.
func (e *extraFields) addInnerSessionID(names EventNames, value []byte) {
	e.session = appendMember(e.session, quoteName(names.InnerSessionID), value)
	path := joinPath(names.Session, names.InnerSessionID)
	e.drift = append(e.drift, domain.Drift{Path: path, Kind: driftOtherSessionID, Value: value})
}

// object returns a new JSON object with all fields, or nil if there are none. It changes e, so nothing may be added afterwards.
func (e *extraFields) object(names EventNames) []byte {
	if len(e.session) > 0 {
		e.session[0] = '{' // replaces the first comma
		e.top = appendMember(e.top, quoteName(names.Session), append(e.session, '}'))
	}
	if len(e.top) == 0 {
		return nil
	}
	e.top[0] = '{' // replaces the first comma
	return slices.Concat(e.top, []byte{'}'})
}

// recycle returns empty extraFields that reuse the memory of e, unless that memory is large. e must not be used afterwards.
func (e *extraFields) recycle() extraFields {
	const maxBytes = 64 << 10 // of memory to keep
	if cap(e.top)+cap(e.session) > maxBytes {
		return extraFields{}
	}
	clear(e.drift)
	return extraFields{top: e.top[:0], session: e.session[:0], drift: e.drift[:0]}
}

// quoteName returns a name of EventNames as a JSON string.
func quoteName(name string) []byte {
	text, _ := jsontext.AppendQuote(nil, name) // an error means invalid UTF-8, and the result is a JSON string even then
	return text
}
