package datasync_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

const (
	eventID   = "0198c0de-0000-7000-8000-000000000001"
	sessionID = "0198c0de-0000-7000-8000-0000000000aa"
	userID    = "0198c0de-0000-4000-8000-0000000000bb"

	validRecord = `{"id":"` + eventID + `","sessionId":"` + sessionID + `","userId":"` + userID + `",` +
		`"type":"click","name":"event_00zz1k","properties":{"n":9007199254740993,"s":"a\\u0000b"},"timestamp":1769541553629,` +
		`"session":{"id":"` + sessionID + `","deviceType":"desktop","browser":"Firefox"}}`
)

// recordWith returns validRecord with one member's value replaced. If there is no such member, it adds one at the end.
func recordWith(name, value string) string {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(validRecord), &members); err != nil {
		panic(err)
	}
	if old, found := members[name]; found {
		return strings.Replace(validRecord, `"`+name+`":`+string(old), `"`+name+`":`+value, 1)
	}
	return recordAnd(`"` + name + `":` + value)
}

// recordAnd returns validRecord with more members at its end.
func recordAnd(members string) string {
	return strings.TrimSuffix(validRecord, "}") + "," + members + "}"
}

// recordWithout returns validRecord without one of its members.
func recordWithout(name string) string {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(validRecord), &members); err != nil {
		panic(err)
	}
	delete(members, name)
	text, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// members returns n members of an object with commas between them. Their names are different.
func members(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`"k%07d":1`, i)
	}
	return strings.Join(all, ",")
}

const memberNameBytes = len(`"k0000000"`) // the length of each name of members, with its quotes

// decodeRecord decodes a record of the DataSync API.
func decodeRecord(payload string) (domain.Event, []domain.Drift, error) {
	return datasync.NewDecoder(datasync.DataSync()).Decode(domain.Record{Payload: []byte(payload)})
}

func mustUUID(t *testing.T, text string) domain.UUID {
	t.Helper()
	u, err := domain.ParseUUID(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestDecode_Values checks the values of an event that was decoded from validRecord in different forms.
func TestDecode_Values(t *testing.T) {
	t.Parallel()
	escaped := strings.NewReplacer(`"userId"`, `"user\u0049d"`, `"click"`, `"cl\u0069ck \ud83d\ude00"`,
		`"sessionId":"`+sessionID, `"sessionId":"`+strings.ToUpper(sessionID)).Replace(validRecord)
	if !strings.Contains(escaped, `\u0049`) || !strings.Contains(escaped, strings.ToUpper(sessionID)) { // the event cannot show this
		t.Fatalf("got the payload %s, want an escaped name and an upper-case UUID in it", escaped)
	}
	tests := []struct{ name, payload, wantType string }{
		{name: "as recorded", payload: validRecord, wantType: "click"},
		{
			name:    "with space around everything",
			payload: "\n\t" + strings.NewReplacer(`":`, `" : `, `,"`, " ,\r\n\"").Replace(validRecord) + " ", wantType: "click",
		},
		{name: "a name and a value escaped, upper-case UUID", payload: escaped, wantType: "click 😀"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, drift, err := decodeRecord(tt.payload)
			if err != nil {
				t.Fatal(err)
			}
			if e.ID != mustUUID(t, eventID) || e.SessionID != mustUUID(t, sessionID) || e.UserID != mustUUID(t, userID) {
				t.Errorf("got ids %s %s %s, want %s %s %s", e.ID, e.SessionID, e.UserID, eventID, sessionID, userID)
			}
			if e.Type != tt.wantType || e.Name != "event_00zz1k" {
				t.Errorf("got type %q and name %q, want %q and event_00zz1k", e.Type, e.Name, tt.wantType)
			}
			if e.DeviceType != "desktop" || e.Browser != "Firefox" {
				t.Errorf("got device type %q and browser %q, want desktop and Firefox", e.DeviceType, e.Browser)
			}
			if !bytes.Contains(e.Properties, []byte("9007199254740993")) || !bytes.Contains(e.Properties, []byte(`a\\u0000b`)) {
				t.Errorf("got properties %s, want them unchanged", e.Properties)
			}
			if cap(e.Properties) != len(e.Properties) {
				t.Errorf("got capacity %d for properties, want their length %d: an append would overwrite the payload",
					cap(e.Properties), len(e.Properties))
			}
			if want := time.UnixMilli(1769541553629); !e.OccurredAt.Equal(want) {
				t.Errorf("got time %s, want %s", e.OccurredAt, want)
			}
			if drift != nil || e.Extra != nil {
				t.Errorf("got drift %v, extra %s, want none", drift, e.Extra)
			}
		})
	}
}

// TestDecode_ExtraAndDrift checks which fields of a record are stored in Extra, and which drift is reported.
func TestDecode_ExtraAndDrift(t *testing.T) {
	t.Parallel()
	const (
		otherSessionID = "0198c0de-0000-7000-8000-0000000000ff"
		kindOtherID    = "differs from the session id beside it" // session.id differs from the record's sessionId
		maxNameInPath  = 40                                      // bytes of a field's name that a path shows
	)
	inSession := func(members string) string {
		return recordWith("session", `{"deviceType":"d",`+members+`,"browser":"b"}`)
	}
	tests := []struct {
		name, payload, extra string
		drift                []domain.Drift
	}{
		{
			name: "a new field", payload: recordWith("colour", ` [1, null]`), extra: `{"colour":[1, null]}`,
			drift: []domain.Drift{{Path: "colour", Kind: "new field", Value: []byte("[1, null]")}},
		},
		{
			name: "a new null field", payload: recordWith("colour", `null`), extra: `{"colour":null}`,
			drift: []domain.Drift{{Path: "colour", Kind: "new field", Value: []byte("null")}},
		},
		{
			name: "a new field in the session", payload: inSession(`"id":"` + sessionID + `","os":{"name":"x"}`),
			extra: `{"session":{"os":{"name":"x"}}}`,
			drift: []domain.Drift{{Path: "session.os", Kind: "new field", Value: []byte(`{"name":"x"}`)}},
		},
		{
			name: "another session id", payload: inSession(`"id":"` + otherSessionID + `"`),
			extra: `{"session":{"id":"` + otherSessionID + `"}}`,
			drift: []domain.Drift{{Path: "session.id", Kind: kindOtherID, Value: []byte(`"` + otherSessionID + `"`)}},
		},
		{ // session.id comes after os, because the two session ids are compared at the end of the record
			name: "all together", payload: strings.Replace(inSession(`"id":"`+otherSessionID+`","os":1`), `{"id"`, `{"a.b":2,"id"`, 1),
			extra: `{"a.b":2,"session":{"os":1,"id":"` + otherSessionID + `"}}`,
			drift: []domain.Drift{
				{Path: "a.b", Kind: "new field", Value: []byte("2")},
				{Path: "session.os", Kind: "new field", Value: []byte("1")},
				{Path: "session.id", Kind: kindOtherID, Value: []byte(`"` + otherSessionID + `"`)},
			},
		},
		// A path shows a name in quotes if it needs an escape or is longer than maxNameInPath.
		{
			name: "name with control characters", payload: recordWith(`\u001b[31m`, `1`), extra: `{"\u001b[31m":1}`,
			drift: []domain.Drift{{Path: `"\x1b[31m"`, Kind: "new field", Value: []byte("1")}},
		},
		{
			name: "long name", payload: recordWith(strings.Repeat("n", 1000), `1`), extra: `{"` + strings.Repeat("n", 1000) + `":1}`,
			drift: []domain.Drift{{Path: `"` + strings.Repeat("n", maxNameInPath) + `"…`, Kind: "new field", Value: []byte("1")}},
		},
		{
			name: "escaped backslash before u0000", payload: recordWith("colour", `"\\u0000"`), extra: `{"colour":"\\u0000"}`,
			drift: []domain.Drift{{Path: "colour", Kind: "new field", Value: []byte(`"\\u0000"`)}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, drift, err := decodeRecord(tt.payload)
			if err != nil {
				t.Fatal(err)
			}
			if string(e.Extra) != tt.extra || !json.Valid(e.Extra) {
				t.Errorf("got extra %s, want %s", e.Extra, tt.extra)
			}
			if !reflect.DeepEqual(drift, tt.drift) {
				t.Errorf("got drift %+v, want %+v", drift, tt.drift)
			}
		})
	}
}

// TestDecode_Rejects checks the reason and the field of each rejection.
func TestDecode_Rejects(t *testing.T) {
	t.Parallel()
	inSession := func(members string) string { return recordWith("session", "{"+members+"}") }
	const otherMembers = `"deviceType":"d","browser":"b"`
	tests := []struct{ name, payload, reason, field string }{
		{name: "nothing", payload: "", reason: "not JSON"},
		{name: "null", payload: "null", reason: "not an object"},
		{name: "an array", payload: "[" + validRecord + "]", reason: "not an object"},
		{name: "cut off", payload: validRecord[:len(validRecord)-1], reason: "not JSON"},
		{name: "something follows", payload: validRecord + "{}", reason: "not JSON"},
		{name: "one comma too many", payload: recordAnd(""), reason: "not JSON"},
		{name: "a raw NUL", payload: recordWith("name", "\"a\x00b\""), reason: "not JSON", field: "name"},
		{name: "a raw control character", payload: recordWith("name", "\"a\x01b\""), reason: "not JSON", field: "name"},
		{name: "an unknown escape", payload: recordWith("name", `"a\x"`), reason: "not JSON", field: "name"},
		// The JSON parser finds bad text and fields that occur twice, so it knows their place inside properties too. A name that is bad
		// text cannot be shown, so the rejection has no field.
		{name: "not UTF-8", payload: recordWith("name", "\"a\xffb\""), reason: "bad text", field: "name"},
		{
			name: "not UTF-8 deep in properties", payload: recordWith("properties", "{\"a\":[\"\xc3\"]}"), reason: "bad text",
			field: "properties.a.0",
		},
		{name: "first half of a surrogate pair", payload: recordWith("name", `"\ud83d"`), reason: "bad text", field: "name"},
		{name: "second half of a surrogate pair", payload: recordWith("name", `"\ude00"`), reason: "bad text", field: "name"},
		{
			name: "half a surrogate pair in properties", payload: recordWith("properties", `{"a":"\ud83d\u0041"}`), reason: "bad text",
			field: "properties.a",
		},
		{name: "half a surrogate pair in a new field's name", payload: recordWith(`\ud83d`, `1`), reason: "bad text"},
		{name: "a field twice", payload: recordAnd(`"id":"` + eventID + `"`), reason: "duplicate field", field: "id"},
		{name: "a field twice, once escaped", payload: recordAnd(`"\u0069d":"` + eventID + `"`), reason: "duplicate field", field: "id"},
		{name: "a property twice", payload: recordWith("properties", `{"a":1,"a":1}`), reason: "duplicate field", field: "properties.a"},
		// A name with an escaped NUL is valid JSON and can be shown. pawl looks for NUL in a field's whole value, so it knows no place
		// inside properties.
		{name: "NUL in a name", payload: recordWith("name", `"a\u0000"`), reason: "NUL character", field: "name"},
		{name: "NUL after a backslash", payload: recordWith("name", `"a\\\u0000"`), reason: "NUL character", field: "name"},
		{name: "NUL in properties", payload: recordWith("properties", `{"a":["\u0000"]}`), reason: "NUL character", field: "properties"},
		{name: "NUL in a property's name", payload: recordWith("properties", `{"\u0000":1}`), reason: "NUL character", field: "properties"},
		{name: "NUL in a new field", payload: recordWith("colour", `"\u0000"`), reason: "NUL character", field: "colour"},
		{name: "NUL in a new field's name", payload: recordWith(`\u0000`, `1`), reason: "NUL character", field: `"\x00"`},
		{
			name: "NUL in the session", payload: inSession(`"id":"` + sessionID + `","deviceType":"\u0000","browser":"b"`),
			reason: "NUL character", field: "session.deviceType",
		},
		{
			name: "a UUID without dashes", payload: recordWith("id", `"`+strings.ReplaceAll(eventID, "-", "")+`"`), reason: "bad UUID",
			field: "id",
		},
		{
			name: "the nil UUID as event id", payload: recordWith("id", `"00000000-0000-0000-0000-000000000000"`), reason: "bad UUID",
			field: "id",
		},
		{name: "an empty UUID", payload: recordWith("userId", `""`), reason: "bad UUID", field: "userId"},
		{name: "a number as a UUID", payload: recordWith("sessionId", `17`), reason: "wrong type", field: "sessionId"},
		{name: "a number as a name", payload: recordWith("name", `1`), reason: "wrong type", field: "name"},
		{name: "properties as an array", payload: recordWith("properties", `[]`), reason: "wrong type", field: "properties"},
		{name: "properties as a string", payload: recordWith("properties", `"{}"`), reason: "wrong type", field: "properties"},
		{name: "a session as a string", payload: recordWith("session", `"`+sessionID+`"`), reason: "wrong type", field: "session"},
		{name: "no session id in the session", payload: inSession(otherMembers), reason: "missing field", field: "session.id"},
		{
			name: "a null browser", payload: inSession(`"id":"` + sessionID + `","deviceType":"d","browser":null`),
			reason: "null field", field: "session.browser",
		},
		{name: "a bad session id in the session", payload: inSession(`"id":"x",` + otherMembers), reason: "bad UUID", field: "session.id"},
		{name: "a time as a boolean", payload: recordWith("timestamp", `true`), reason: "bad timestamp", field: "timestamp"},
	}
	for _, name := range []string{"id", "sessionId", "userId", "type", "name", "properties", "timestamp", "session"} {
		tests = append(tests,
			struct{ name, payload, reason, field string }{"no " + name, recordWithout(name), "missing field", name},
			struct{ name, payload, reason, field string }{"null " + name, recordWith(name, "null"), "null field", name})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := decodeRecord(tt.payload)
			rejection, ok := errors.AsType[*domain.Rejection](err)
			if !ok {
				t.Fatalf("got error %v, want a rejection", err)
			}
			if rejection.Reason != tt.reason || rejection.Field != tt.field {
				t.Errorf("got %q in field %q (%s), want %q in field %q",
					rejection.Reason, rejection.Field, rejection.Detail, tt.reason, tt.field)
			}
		})
	}
}

// TestDecode_TooManyFields checks the limits of a record: the number of unknown fields, and the bytes of all its names.
func TestDecode_TooManyFields(t *testing.T) {
	t.Parallel()
	const maxUnknown = 1000
	const maxNameBytes = 512 << 10
	const maxMembers = maxNameBytes / memberNameBytes // more names are longer than maxNameBytes together
	// inBoth has maxUnknown+1 unknown fields: inSession of them in its session, and the others in the record itself.
	const inSession = 400
	inBoth := strings.Replace(recordAnd(members(maxUnknown+1-inSession)), `"deviceType"`, members(inSession)+`,"deviceType"`, 1)
	long := strings.Repeat("n", maxNameBytes+1)
	maximum := recordAnd(members(maxUnknown))
	tests := []struct{ name, payload, reason string }{
		{name: "maximum", payload: maximum},
		// Seconds are one more drift, which must not count as an unknown field.
		{name: "maximum with a timestamp in seconds", payload: strings.Replace(maximum, "1769541553629", "1769541553", 1)},
		{name: "one above the maximum", payload: recordAnd(members(maxUnknown + 1)), reason: "too many fields"},
		{name: "one above the maximum in record and session together", payload: inBoth, reason: "too many fields"},
		{name: "many members", payload: recordWith("properties", "{"+members(maxMembers*9/10)+"}")},
		{name: "too many members", payload: recordWith("properties", "{"+members(maxMembers+1)+"}"), reason: "field names too long"},
		{name: "one long name", payload: recordWith("properties", `{"`+long+`":1}`), reason: "field names too long"},
		{name: "long text", payload: recordWith("name", `"`+long+`"`)},
		{name: "text that looks like names", payload: recordWith("name", `"`+strings.Repeat(`\"a\":`, maxNameBytes)+`"`)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, drift, err := decodeRecord(tt.payload)
			rejection, isRejected := errors.AsType[*domain.Rejection](err)
			switch {
			case tt.reason == "" && err != nil:
				t.Errorf("got error %v, want none", err)
			case tt.reason != "" && (!isRejected || rejection.Reason != tt.reason):
				t.Errorf("got error %v, want %q", err, tt.reason)
			case tt.reason != "" && rejection.ID != mustUUID(t, eventID):
				t.Errorf("got id %s, want %s", rejection.ID, eventID)
			case len(drift) > maxUnknown+1: // one for the timestamp in seconds
				t.Errorf("got %d drifts, want at most %d", len(drift), maxUnknown+1)
			}
		})
	}
}

// TestDecode_RejectionsAreShortAndPrintable checks the text of rejections of records with long or unprintable values.
func TestDecode_RejectionsAreShortAndPrintable(t *testing.T) {
	t.Parallel()
	const maxBytes = 800 // of a rejection's text; the payloads have thousands
	for _, payload := range []string{
		recordWith("timestamp", `"`+strings.Repeat("\u200b", 5000)+`"`),
		recordWith("id", `"`+strings.Repeat(`\n`, 5000)+`"`),
		recordWith(strings.Repeat(`\u0000`, 5000), "1"),
		`{"` + strings.Repeat("é", 5000) + `":`,
		strings.Repeat(`{"`+strings.Repeat("k", 90)+`":`, 20_000),
		strings.Repeat("[", 20_000),
		strings.Repeat("\xff", 5000),
	} {
		_, _, err := decodeRecord(payload)
		rejection, ok := errors.AsType[*domain.Rejection](err)
		if !ok {
			t.Fatalf("got error %v, want a rejection", err)
		}
		text := rejection.Error()
		if len(text) > maxBytes || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' && r != '…' }) {
			t.Errorf("got rejection %q of %d bytes, want printable text of at most %d", text, len(text), maxBytes)
		}
	}
}

// TestDecode_RejectionID checks that a rejection has the record's id if the record is complete and has exactly one valid id.
func TestDecode_RejectionID(t *testing.T) {
	t.Parallel()
	rejected := recordWith("name", "null") // rejected, and not because of its id
	tests := []struct {
		name, payload string
		hasID         bool
	}{
		{name: "bad value after the id", payload: recordWith("timestamp", `"yesterday"`), hasID: true},
		{name: "bad value before the id", payload: strings.Replace(recordWithout("timestamp"), "{", `{"timestamp":null,`, 1), hasID: true},
		{name: "bytes that are not UTF-8", payload: recordWith("name", "\"a\xffb\""), hasID: true},
		{name: "half a surrogate pair", payload: recordWith("name", `"\ud83d"`), hasID: true},
		{name: "an upper-case id", payload: strings.Replace(rejected, eventID, strings.ToUpper(eventID), 1), hasID: true},
		{name: "an escaped name", payload: strings.Replace(rejected, `{"id"`, `{"\u0069d"`, 1), hasID: true},
		{name: "no id", payload: recordWithout("id")},
		{name: "a null id", payload: recordWith("id", "null")},
		{name: "id is not a UUID", payload: recordWith("id", `"undefined"`)},
		{name: "two ids", payload: strings.Replace(rejected, `{"id"`, `{"id":"`+sessionID+`","id"`, 1)},
		{name: "id in the session only", payload: `{"session":{"id":"` + eventID + `"}}`},
		{name: "not an object", payload: `"` + eventID + `"`},
		{name: "cut off", payload: strings.TrimSuffix(validRecord, `fox"}}`)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := decodeRecord(tt.payload)
			rejection, ok := errors.AsType[*domain.Rejection](err)
			if !ok {
				t.Fatalf("got error %v, want a rejection", err)
			}
			want := domain.EventID{}
			if tt.hasID {
				want = mustUUID(t, eventID)
			}
			if rejection.ID != want {
				t.Errorf("got id %s, want %s (%v)", rejection.ID, want, rejection)
			}
		})
	}
}
