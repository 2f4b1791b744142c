package datasync

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/pawldata/pawl/internal/domain"
)

func (r *reader) text(to *string, value []byte) *domain.Rejection {
	text, rejection := r.unquoted(value)
	if rejection == nil {
		*to = string(text)
	}
	return rejection
}

func (r *reader) uuid(to *domain.UUID, value []byte) *domain.Rejection {
	if len(value) > maxUUIDBytes && value[0] == '"' {
		return rejectValue(reasonBadUUID, value, "is longer than a UUID")
	}
	text, rejection := r.unquoted(value)
	if rejection != nil {
		return rejection
	}
	id, err := domain.ParseUUID(string(text))
	if err != nil {
		return rejectValue(reasonBadUUID, value, "is "+err.Error())
	}
	*to = id
	return nil
}

func (r *reader) sessionIDAgain(value []byte) *domain.Rejection {
	r.sessionBytes = value
	return r.uuid(&r.sessionAgain, value)
}

func (r *reader) timestamp(name string, value []byte) *domain.Rejection {
	read := readTimestamp(value)
	if read.fault != "" {
		return rejectValue(reasonBadTimestamp, value, read.fault)
	}
	r.event.OccurredAt = read.at
	for _, kind := range read.drifts {
		r.extra.drift = append(r.extra.drift, domain.Drift{Path: name, Kind: kind, Value: value})
	}
	return nil
}

func (r *reader) properties(value []byte) *domain.Rejection {
	if jsontext.Value(value).Kind() != jsontext.KindBeginObject {
		return rejectValue(reasonType, value, "is not an object")
	}
	r.event.Properties = value
	return nil
}

// unquoted returns a string's text, which may be a slice of the payload.
func (r *reader) unquoted(value []byte) ([]byte, *domain.Rejection) {
	if jsontext.Value(value).Kind() != jsontext.KindString {
		return nil, rejectValue(reasonType, value, "is not a string")
	}
	text, err := unquote(value)
	if err != nil {
		return nil, rejectValue(reasonBadText, value, "is not valid text")
	}
	return text, nil
}
