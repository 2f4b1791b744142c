package mockapi_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/pawldata/pawl/mockapi"
)

var (
	uuidText      = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	halfSurrogate = regexp.MustCompile(`\\ud83d([^\\]|\\[^u])`) // no second escape follows the first one
	nulEscape     = regexp.MustCompile(`(^|[^\\])\\u0000`)      // the backslash is not escaped itself
	wholeNumber   = regexp.MustCompile(`^-?\d+$`)
	tooLarge      = regexp.MustCompile(`[eE]\+?40{5}`) // the exponent 400000 is too large for PostgreSQL's numeric
)

// classify computes the expected row from the bytes of a record alone. It is independent of Server.Truth. It cannot detect
// duplicates and conflicts, because they depend on another record.
func classify(t *testing.T, raw []byte) mockapi.Row {
	t.Helper()
	park := func(reason string) mockapi.Row { return mockapi.Row{Outcome: mockapi.Parked, Reason: reason} }
	switch {
	case !utf8.Valid(raw), halfSurrogate.Match(raw):
		return park("bad text")
	case nulEscape.Match(raw):
		return park("NUL character")
	case raw[0] != '{':
		return park("not an object")
	case hasDuplicateMember(t, raw):
		return park("duplicate field")
	case tooLarge.Match(raw):
		return park("unstorable")
	}
	top := parseMembers(t, raw)
	var session map[string]json.RawMessage
	if inner, ok := top["session"]; ok && inner[0] == '{' {
		session = parseMembers(t, inner)
	}
	row := mockapi.Row{Outcome: mockapi.Stored}
	for _, field := range []struct {
		object map[string]json.RawMessage
		name   string
		column *string // the value is stored here; nil if the row has no such text column
	}{
		{top, "session", nil},
		{top, "properties", nil},
		{top, "timestamp", nil},
		{top, "id", &row.ID},
		{top, "sessionId", &row.SessionID},
		{top, "userId", &row.UserID},
		{top, "type", &row.Type},
		{top, "name", &row.Name},
		{session, "id", nil},
		{session, "deviceType", &row.DeviceType},
		{session, "browser", &row.Browser},
	} {
		value, ok := field.object[field.name]
		if !ok {
			return park("missing field")
		}
		if string(value) == "null" {
			return park("null field")
		}
		isUUID := strings.HasSuffix(strings.ToLower(field.name), "id")
		isText := isUUID || field.column != nil
		if !isText {
			continue // properties and timestamp are examined below
		}
		if value[0] != '"' {
			return park("wrong type")
		}
		text := unquote(t, value)
		if isUUID && !uuidText.MatchString(text) {
			return park("bad UUID")
		}
		if field.column != nil {
			*field.column = text
		}
	}
	if row.Properties = top["properties"]; row.Properties[0] != '{' {
		return park("wrong type")
	}
	occurredAt, usual := parseAnyTime(string(top["timestamp"]))
	if occurredAt.IsZero() {
		return park("bad timestamp")
	}
	row.OccurredAt = occurredAt
	row.Extra = findExtra(t, top, session)
	if !usual || row.Extra != nil {
		row.Outcome = mockapi.Drifted
	}
	return row
}

// parseAnyTime parses a timestamp in any form. usual reports whether the form is ISO 8601 or a number of ms, which are the
// forms of records without a drift. It returns the zero time if the timestamp is invalid.
func parseAnyTime(text string) (parsed time.Time, usual bool) {
	if inner, ok := strings.CutPrefix(text, `"`); ok {
		inner = strings.TrimSuffix(inner, `"`)
		if parsed, err := time.Parse("2006-01-02T15:04:05.000Z07:00", inner); err == nil {
			return parsed.UTC(), true
		}
		parsed, _ := parseAnyTime(inner)
		return parsed, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || !wholeNumber.MatchString(text) {
		return time.Time{}, false
	}
	switch len(text) { // for a time of this century, the number of digits shows the unit
	case 10:
		return time.Unix(n, 0).UTC(), false
	case 13:
		return time.UnixMilli(n).UTC(), true
	case 16:
		return time.UnixMicro(n).UTC(), false
	case 19:
		return time.Unix(0, n).UTC(), false
	}
	return time.Time{}, false
}

// findExtra returns an object with the members that have no column, or nil if all have one. The members of the record are
// first, then a member "session" follows with those of the session.
func findExtra(t *testing.T, top, session map[string]json.RawMessage) json.RawMessage {
	t.Helper()
	var inner, outer []string
	for name, value := range session {
		expected := name == "deviceType" || name == "browser" || name == "id" && bytes.Equal(value, top["sessionId"])
		if !expected {
			inner = append(inner, strconv.Quote(name)+":"+string(value))
		}
	}
	for name, value := range top {
		switch name {
		case "id", "sessionId", "userId", "type", "name", "properties", "timestamp", "session":
		default:
			outer = append(outer, strconv.Quote(name)+":"+string(value))
		}
	}
	if inner != nil {
		outer = append(outer, `"session":{`+strings.Join(inner, ",")+`}`)
	}
	if outer == nil {
		return nil
	}
	return json.RawMessage("{" + strings.Join(outer, ",") + "}")
}

// hasDuplicateMember reports whether a member of the object occurs twice.
func hasDuplicateMember(t *testing.T, raw []byte) bool {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		text, _ := name.(string)
		if seen[text] {
			return true
		}
		seen[text] = true
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
	}
	return false
}

func parseMembers(t *testing.T, raw []byte) map[string]json.RawMessage {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return m
}

func unquote(t *testing.T, raw []byte) (text string) {
	t.Helper()
	if err := json.Unmarshal(raw, &text); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return text
}
