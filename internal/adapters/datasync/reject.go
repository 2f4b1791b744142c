package datasync

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/pawldata/pawl/internal/domain"
)

// The reasons of a Rejection. They are stored with the record and counted, so they stay as they are.
const (
	reasonNotJSON      = "not JSON"
	reasonNotObject    = "not an object"
	reasonBadText      = "bad text" // not UTF-8, or half a surrogate pair
	reasonDuplicate    = "duplicate field"
	reasonMissing      = "missing field"
	reasonNull         = "null field"
	reasonType         = "wrong type"
	reasonBadUUID      = "bad UUID"
	reasonBadTimestamp = "bad timestamp"
	reasonNUL          = "NUL character"
	reasonTooMany      = "too many fields"
	reasonLongNames    = "field names too long"
)

// rejectValue says what is wrong with a field's value, and shows the beginning of it.
func rejectValue(reason string, value []byte, what string) *domain.Rejection {
	return &domain.Rejection{Reason: reason, Detail: excerpt(value) + " " + what}
}

// rejectSyntax says why a record's bytes are not JSON as PostgreSQL would take it.
func rejectSyntax(payload []byte, err error) *domain.Rejection {
	r := &domain.Rejection{Reason: reasonNotJSON, Detail: "it ends too early"}
	fault, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		return r
	}
	r.Field = dotted(fault.JSONPointer)
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		r.Reason, r.Detail = reasonDuplicate, "it stands twice in its object"
		return r
	case jsontext.Value(payload).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)):
		r.Reason = reasonBadText
	}
	from := min(max(int(fault.ByteOffset), 0), len(payload))
	if from < len(payload) {
		r.Detail = fmt.Sprintf("malformed at byte %d: %s", from, excerpt(payload[from:]))
	}
	return r
}

// dotted writes a JSON pointer as a field's path, like "session.id", to a depth that can still be read.
func dotted(pointer jsontext.Pointer) string {
	const deepest = 8
	var path []string
	for name := range pointer.Tokens() {
		if len(path) == deepest {
			path = append(path, "…")
			break
		}
		path = append(path, fieldName(name))
	}
	return strings.Join(path, ".")
}

// fieldName returns a member's name as a path shows it: bare if it is plain and short, else quoted or cut.
func fieldName[T string | []byte](name T) string {
	if len(name) <= excerptBytes && isPlain(name) {
		return string(name)
	}
	return excerpt(name)
}

// isPlain reports whether excerpt would show a name as it is, between quotes.
func isPlain[T string | []byte](name T) bool {
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
