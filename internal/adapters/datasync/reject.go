package datasync

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/pawldata/pawl/internal/domain"
)

// The reasons of a [domain.Rejection]. The database stores them, so they must never change.
const (
	reasonNotJSON      = "not JSON"
	reasonNotObject    = "not an object"
	reasonBadText      = "bad text" // not UTF-8, or half of a surrogate pair
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

const detailNUL = `it has \u0000, which PostgreSQL cannot store`

// The limits of a record bound the memory that decoding takes. Each unknown field adds a drift. To find duplicate names, the
// JSON parser remembers all names of an object, which takes many times the bytes of the names. A record beyond a limit is
// rejected and parked; the other records of the page are stored.
const (
	maxUnknownFields  = 1000      // maximum number of fields that the profile does not name
	maxTotalNameBytes = 512 << 10 // maximum length of all names in a record together
	maxUUIDBytes      = 2 + 36*6  // maximum length of a UUID's JSON string: two quotes, and 36 escapes like \u0030
)

// checkNames rejects a record whose names, at any depth, have more than maxTotalNameBytes in total. It checks nothing else.
func checkNames(payload []byte) *domain.Rejection {
	if len(payload) <= maxTotalNameBytes { // the names cannot be longer than the payload
		return nil
	}
	nameBytes := 0
	s := scanner{body: payload}
	for s.pos < len(s.body) {
		if s.body[s.pos] != '"' {
			s.pos++
			continue
		}
		begin := s.pos
		if s.skipString() != nil {
			return nil //nolint:nilerr // the parser reports what is wrong
		}
		if length := s.pos - begin; s.nextIs(':') {
			nameBytes += length
		}
		if nameBytes > maxTotalNameBytes {
			return &domain.Rejection{
				Reason: reasonLongNames, Detail: fmt.Sprintf("its field names have more than %d bytes in total", maxTotalNameBytes),
			}
		}
	}
	return nil
}

// rejectValue returns a rejection of a field's value. Its detail is an excerpt of the value, followed by fault.
func rejectValue(reason string, value []byte, fault string) *domain.Rejection {
	return &domain.Rejection{Reason: reason, Detail: excerpt(value) + " " + fault}
}

// rejectSyntax returns a rejection of a record that the JSON parser does not accept. err is the parser's error.
func rejectSyntax(payload []byte, err error) *domain.Rejection {
	r := &domain.Rejection{Reason: reasonNotJSON, Detail: "it ends too early"}
	fault, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		return r
	}
	r.Field = formatPointer(fault.JSONPointer)
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		r.Reason, r.Detail = reasonDuplicate, "the object has it twice"
		return r
	case jsontext.Value(payload).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)):
		r.Reason = reasonBadText
	}
	if offset := max(int(fault.ByteOffset), 0); offset < len(payload) {
		r.Detail = fmt.Sprintf("malformed at byte %d: %s", offset, excerpt(payload[offset:]))
	}
	return r
}

// formatPointer formats a JSON pointer as a field's path, like "session.id". It shows eight levels at most.
func formatPointer(pointer jsontext.Pointer) string {
	const maxDepth = 8
	var path []string
	for name := range pointer.Tokens() {
		if len(path) == maxDepth {
			path = append(path, "…")
			break
		}
		path = append(path, fieldName(name))
	}
	return strings.Join(path, ".")
}
