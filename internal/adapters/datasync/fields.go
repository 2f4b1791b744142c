package datasync

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/pawldata/pawl/internal/domain"
)

// The kinds of drift. They are stored, so they never change.
const (
	driftNewField       = "new field"
	driftOtherSessionID = "differs from the session id beside it"
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

// setEventID rejects the UUID of zeros: RFC 9562 (5.9) reserves it for "no value", so it identifies no event.
func (r *recordReader) setEventID(value []byte) *domain.Rejection {
	rejection := r.setUUID(&r.event.ID, value)
	if rejection == nil && r.event.ID == (domain.EventID{}) {
		return rejectValue(reasonBadUUID, value, "is the nil UUID, which identifies no event")
	}
	return rejection
}

func (r *recordReader) setUUID(target *domain.UUID, value []byte) *domain.Rejection {
	if len(value) > maxUUIDBytes && value[0] == '"' {
		return rejectValue(reasonBadUUID, value, "is longer than a UUID")
	}
	text, rejection := unquoteField(value)
	if rejection != nil {
		return rejection
	}
	id, err := domain.ParseUUID(string(text))
	if err != nil {
		return rejectValue(reasonBadUUID, value, "is "+err.Error())
	}
	*target = id
	return nil
}

func (r *recordReader) setSessionIDCopy(value []byte) *domain.Rejection {
	r.sessionIDCopyText = value
	return r.setUUID(&r.sessionIDCopy, value)
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

// unquoteField returns the text of a string value, which may be a slice of value.
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

// An extra collects the fields of a record that the profile does not name, and the record's drift. It is reused for other
// records.
type extra struct {
	top     []byte // the record's own members, each with a comma before it
	session []byte // the members of its session, in the same form
	drift   []domain.Drift
	unknown int // number of unknown fields
}

// add adds a member, to the record itself if top is true, else to its session. name is quoted.
func (e *extra) add(top bool, name, value []byte) {
	target := &e.session
	if top {
		target = &e.top
	}
	*target = append(*target, ',')
	*target = append(*target, name...)
	*target = append(*target, ':')
	*target = append(*target, value...)
}

// addSessionID adds a session id within the session that differs from the record's session id.
func (e *extra) addSessionID(names EventNames, value []byte) {
	e.add(false, quoteName(names.SessionIDCopy), value)
	path := joinPath(names.Session, names.SessionIDCopy)
	e.drift = append(e.drift, domain.Drift{Path: path, Kind: driftOtherSessionID, Value: value})
}

// object returns all members as one JSON object in new memory, nil if there are none. Nothing can be added after it.
func (e *extra) object(names EventNames) []byte {
	if len(e.session) > 0 {
		e.session[0] = '{'
		e.add(true, quoteName(names.Session), append(e.session, '}'))
	}
	if len(e.top) == 0 {
		return nil
	}
	e.top[0] = '{'
	return slices.Concat(e.top, []byte{'}'})
}

// recycle returns an empty extra that reuses e's memory, unless that is large. e must not be used after it.
func (e *extra) recycle() extra {
	const maxBytes = 64 << 10
	if cap(e.top)+cap(e.session) > maxBytes {
		return extra{}
	}
	clear(e.drift)
	return extra{top: e.top[:0], session: e.session[:0], drift: e.drift[:0]}
}

// quoteName returns a name of the profile as JSON.
func quoteName(name string) []byte {
	text, _ := jsontext.AppendQuote(nil, name) // fails only for invalid UTF-8, and then the result is JSON too
	return text
}
