package datasync

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/pawldata/pawl/internal/domain"
)

// A reader is the work on one record; it is used again for the next one.
type reader struct {
	payload []byte
	mayNUL  bool // the payload holds what may be a NUL
	source  bytes.Buffer
	json    *jsontext.Decoder // strict by default: UTF-8, no name twice

	event        domain.Event
	sessionAgain domain.UUID // the session's id as it stands within the session
	sessionBytes []byte      // the same as it came
	extra        extra
}

func newReader() *reader {
	r := &reader{}
	r.json = jsontext.NewDecoder(&r.source)
	return r
}

func (r *reader) begin(payload []byte) {
	r.payload = payload
	r.mayNUL = bytes.Contains(payload, []byte(nulEscape))
	r.source = *bytes.NewBuffer(payload) // from a bytes.Buffer jsontext reads in place, and never writes
	r.json.Reset(&r.source)
}

// letGo keeps nothing of the record.
func (r *reader) letGo() {
	*r = reader{json: r.json, extra: r.extra.emptied()}
	r.json.Reset(&r.source)
}

// object reads the members of an object, "" being the record itself and any other path a member of it.
func (r *reader) object(path string, fields []field) *domain.Rejection {
	if _, err := r.json.ReadToken(); err != nil {
		return rejectSyntax(r.payload, err)
	}
	var found uint64
	for r.json.PeekKind() != jsontext.KindEndObject {
		name, err := r.next()
		if err != nil {
			return rejectSyntax(r.payload, err)
		}
		at := r.find(fields, name)
		if at >= 0 {
			found |= 1 << at
		}
		if rejection := r.member(path, fields, at, name); rejection != nil {
			return rejection
		}
	}
	if _, err := r.json.ReadToken(); err != nil {
		return rejectSyntax(r.payload, err)
	}
	for i, f := range fields {
		if found&(1<<i) == 0 {
			return &domain.Rejection{Reason: reasonMissing, Field: join(path, f.name), Detail: "it is not there"}
		}
	}
	return nil
}

// member reads the value behind a name: of the field at a place in fields, or an unknown one's if that is negative.
func (r *reader) member(path string, fields []field, at int, name []byte) *domain.Rejection {
	if at >= 0 && fields[at].members != nil && r.json.PeekKind() == jsontext.KindBeginObject {
		return r.object(join(path, fields[at].name), fields[at].members)
	}
	value, err := r.next()
	if err != nil {
		return rejectSyntax(r.payload, err)
	}
	if at < 0 {
		return r.unknown(path, name, value)
	}
	rejection := r.value(fields[at], value)
	if rejection != nil {
		rejection.Field = join(path, fields[at].name)
	}
	return rejection
}

func (r *reader) value(f field, value []byte) *domain.Rejection {
	switch {
	case jsontext.Value(value).Kind() == jsontext.KindNull:
		return &domain.Rejection{Reason: reasonNull, Detail: "it is null"}
	case r.mayNUL && hasNUL(value):
		return &domain.Rejection{Reason: reasonNUL, Detail: `it holds \u0000, which PostgreSQL does not keep`}
	case f.read == nil:
		return rejectValue(reasonType, value, "is not an object")
	}
	return f.read(r, value)
}

// unknown keeps what no field is named for.
func (r *reader) unknown(path string, name, value []byte) *domain.Rejection {
	if r.extra.unknown++; r.extra.unknown > maxUnknown {
		return &domain.Rejection{
			Reason: reasonTooMany, Detail: fmt.Sprintf("it has more than %d fields that are not known", maxUnknown),
		}
	}
	text, err := unquote(name)
	if err != nil {
		return rejectSyntax(r.payload, err)
	}
	field := join(path, fieldName(text))
	if r.mayNUL && (hasNUL(name) || hasNUL(value)) {
		return &domain.Rejection{Reason: reasonNUL, Field: field, Detail: `it holds \u0000, which PostgreSQL does not keep`}
	}
	r.extra.keep(path == "", name, value)
	r.extra.drift = append(r.extra.drift, domain.Drift{Path: field, Kind: driftNewField, Value: value})
	return nil
}

// next reads a name or a value and returns its bytes as a slice of the payload.
func (r *reader) next() ([]byte, error) {
	value, err := r.json.ReadValue()
	if err != nil {
		return nil, err
	}
	end := int(r.json.InputOffset())
	return r.payload[end-len(value) : end : end], nil
}

// find returns the place of the field of that name, -1 if there is none.
func (r *reader) find(fields []field, quoted []byte) int {
	name, err := unquote(quoted)
	if err != nil {
		return -1
	}
	return slices.IndexFunc(fields, func(f field) bool { return f.name == string(name) })
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
