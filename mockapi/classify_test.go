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
	halfSurrogate = regexp.MustCompile(`\\ud83d([^\\]|\\[^u])`) // \ud83d without a \u escape after it
	nulEscape     = regexp.MustCompile(`(^|[^\\])\\u0000`)      // \u0000, but not \\u0000, which is a backslash and "u0000"
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
	members := parseMembers(t, raw)
	var session map[string]json.RawMessage
	if value, ok := members["session"]; ok && value[0] == '{' {
		session = parseMembers(t, value)
	}
	row := mockapi.Row{Outcome: mockapi.Stored}
	for _, field := range []struct {
		object map[string]json.RawMessage
		name   string
		isUUID bool
		column *string // the text is stored here; nil if the row has no such text column
	}{
		{object: members, name: "session"},
		{object: members, name: "properties"},
		{object: members, name: "timestamp"},
		{object: members, name: "id", isUUID: true, column: &row.ID},
		{object: members, name: "sessionId", isUUID: true, column: &row.SessionID},
		{object: members, name: "userId", isUUID: true, column: &row.UserID},
		{object: members, name: "type", column: &row.Type},
		{object: members, name: "name", column: &row.Name},
		{object: session, name: "id", isUUID: true}, // its value is in sessionId too
		{object: session, name: "deviceType", column: &row.DeviceType},
		{object: session, name: "browser", column: &row.Browser},
	} {
		value, ok := field.object[field.name]
		if !ok {
			return park("missing field")
		}
		if string(value) == "null" {
			return park("null field")
		}
		isText := field.isUUID || field.column != nil
		if !isText {
			continue // session was parsed above; properties and timestamp are examined below
		}
		if value[0] != '"' {
			return park("wrong type")
		}
		text := unquote(t, value)
		if field.isUUID && !uuidText.MatchString(text) {
			return park("bad UUID")
		}
		if field.column != nil {
			*field.column = text
		}
	}
	row.Properties = members["properties"]
	if row.Properties[0] != '{' {
		return park("wrong type")
	}
	occurredAt, isUsualForm := parseAnyTime(string(members["timestamp"]))
	if occurredAt.IsZero() {
		return park("bad timestamp")
	}
	row.OccurredAt = occurredAt
	row.Extra = findExtra(t, members, session)
	if !isUsualForm || row.Extra != nil {
		row.Outcome = mockapi.Drifted
	}
	return row
}

// parseAnyTime parses the JSON of a timestamp in any form. isUsualForm reports whether the form is ISO 8601 or a number of
// ms, which are the forms of records without a drift. parsed is the zero time if the timestamp is invalid.
func parseAnyTime(text string) (parsed time.Time, isUsualForm bool) {
	if unquoted, isString := strings.CutPrefix(text, `"`); isString {
		unquoted = strings.TrimSuffix(unquoted, `"`)
		if parsed, err := time.Parse("2006-01-02T15:04:05.000Z07:00", unquoted); err == nil {
			return parsed.UTC(), true
		}
		parsed, _ := parseAnyTime(unquoted) // a number in quotes is not a usual form
		return parsed, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || !wholeNumber.MatchString(text) { // ParseInt also accepts "+1"
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

// findExtra returns an object with the unexpected members of a record, which have no column. It returns nil if there are
// none. Unexpected members of the session are in a member "session". A drift adds one member at most, so the random order
// of maps does not matter.
func findExtra(t *testing.T, members, session map[string]json.RawMessage) json.RawMessage {
	t.Helper()
	var extra, sessionExtra []string
	for name, value := range members {
		switch name {
		case "id", "sessionId", "userId", "type", "name", "properties", "timestamp", "session":
		default:
			extra = append(extra, strconv.Quote(name)+":"+string(value))
		}
	}
	for name, value := range session {
		isUsualID := name == "id" && bytes.Equal(value, members["sessionId"])
		hasColumn := name == "deviceType" || name == "browser"
		if !isUsualID && !hasColumn {
			sessionExtra = append(sessionExtra, strconv.Quote(name)+":"+string(value))
		}
	}
	if sessionExtra != nil {
		extra = append(extra, `"session":{`+strings.Join(sessionExtra, ",")+`}`)
	}
	if extra == nil {
		return nil
	}
	return json.RawMessage("{" + strings.Join(extra, ",") + "}")
}

// hasDuplicateMember reports whether a name of the object occurs twice. It ignores objects within the object.
func hasDuplicateMember(t *testing.T, raw []byte) bool {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if _, err := decoder.Token(); err != nil { // skips the opening brace
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		name, _ := token.(string)
		if seen[name] {
			return true
		}
		seen[name] = true
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil { // skips the value
			t.Fatalf("%v in %s", err, raw)
		}
	}
	return false
}

// parseMembers returns the members of a JSON object by their names.
func parseMembers(t *testing.T, raw []byte) map[string]json.RawMessage {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return members
}

// unquote returns the text of a JSON string.
func unquote(t *testing.T, raw []byte) (text string) {
	t.Helper()
	if err := json.Unmarshal(raw, &text); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return text
}
