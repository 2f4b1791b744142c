package datasync_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

const (
	id      = "0198c0de-0000-7000-8000-000000000001"
	session = "0198c0de-0000-7000-8000-0000000000aa"
	user    = "0198c0de-0000-4000-8000-0000000000bb"

	valid = `{"id":"` + id + `","sessionId":"` + session + `","userId":"` + user + `","type":"click","name":"event_00zz1k",` +
		`"properties":{"n":9007199254740993,"s":"a\\u0000b"},"timestamp":1769541553629,` +
		`"session":{"id":"` + session + `","deviceType":"desktop","browser":"Firefox"}}`
)

// with returns the valid record with one member's value replaced, or with the member added at the end.
func with(name, value string) string {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(valid), &members); err != nil {
		panic(err)
	}
	if old, found := members[name]; found {
		return strings.Replace(valid, `"`+name+`":`+string(old), `"`+name+`":`+value, 1)
	}
	return valid[:len(valid)-1] + `,"` + name + `":` + value + "}"
}

// without returns the valid record without one member of the record itself.
func without(name string) string {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(valid), &members); err != nil {
		panic(err)
	}
	delete(members, name)
	text, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func decode(payload string) (domain.Event, []domain.Drift, error) {
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

func TestDecode_Values(t *testing.T) {
	t.Parallel()
	escaped := strings.NewReplacer(`"userId"`, `"user\u0049d"`, `"click"`, `"cl\u0069ck \ud83d\ude00"`,
		session+`","userId`, strings.ToUpper(session)+`","userId`).Replace(valid)
	tests := []struct{ name, payload, wantType string }{
		{"as recorded", valid, "click"},
		{"with space around everything", "\n\t" + strings.NewReplacer(`":`, `" : `, `,"`, " ,\r\n\"").Replace(valid) + " ", "click"},
		{"names and values escaped, upper-case UUID", escaped, "click"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, drift, err := decode(tt.payload)
			if err != nil {
				t.Fatal(err)
			}
			if e.ID != mustUUID(t, id) || e.SessionID != mustUUID(t, session) || e.UserID != mustUUID(t, user) {
				t.Errorf("got ids %s %s %s, want %s %s %s", e.ID, e.SessionID, e.UserID, id, session, user)
			}
			if !strings.HasPrefix(e.Type, tt.wantType) || e.Name != "event_00zz1k" || e.DeviceType != "desktop" || e.Browser != "Firefox" {
				t.Errorf("got texts %q %q %q %q, want %q event_00zz1k desktop Firefox", e.Type, e.Name, e.DeviceType, e.Browser, tt.wantType)
			}
			if !bytes.Contains(e.Properties, []byte("9007199254740993")) || !bytes.Contains(e.Properties, []byte(`a\\u0000b`)) {
				t.Errorf("got properties %s, want them unchanged", e.Properties)
			}
			if cap(e.Properties) != len(e.Properties) {
				t.Errorf("got capacity %d for properties of %d bytes: an append would overwrite the payload", cap(e.Properties), len(e.Properties))
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

func TestDecode_ExtraAndDrift(t *testing.T) {
	t.Parallel()
	const other = "0198c0de-0000-7000-8000-0000000000ff"
	inSession := func(members string) string {
		return with("session", `{"deviceType":"d",`+members+`,"browser":"b"}`)
	}
	tests := []struct {
		name, payload, extra string
		drift                []domain.Drift
	}{
		{"a new field", with("colour", ` [1, null]`), `{"colour":[1, null]}`, []domain.Drift{{Path: "colour", Kind: "new field", Value: []byte("[1, null]")}}},
		{"a new null field", with("colour", `null`), `{"colour":null}`, []domain.Drift{{Path: "colour", Kind: "new field", Value: []byte("null")}}},
		{
			"a new field in the session", inSession(`"id":"` + session + `","os":{"name":"x"}`),
			`{"session":{"os":{"name":"x"}}}`,
			[]domain.Drift{{Path: "session.os", Kind: "new field", Value: []byte(`{"name":"x"}`)}},
		},
		{
			"another session id", inSession(`"id":"` + other + `"`), `{"session":{"id":"` + other + `"}}`,
			[]domain.Drift{{Path: "session.id", Kind: "differs from the session id beside it", Value: []byte(`"` + other + `"`)}},
		},
		{
			"all together", strings.Replace(inSession(`"id":"`+other+`","os":1`), `{"id"`, `{"a.b":2,"id"`, 1),
			`{"a.b":2,"session":{"os":1,"id":"` + other + `"}}`,
			[]domain.Drift{
				{Path: "a.b", Kind: "new field", Value: []byte("2")},
				{Path: "session.os", Kind: "new field", Value: []byte("1")},
				{Path: "session.id", Kind: "differs from the session id beside it", Value: []byte(`"` + other + `"`)},
			},
		},
		{
			"name with control characters", with(`\u001b[31m`, `1`), `{"\u001b[31m":1}`,
			[]domain.Drift{{Path: `"\x1b[31m"`, Kind: "new field", Value: []byte("1")}},
		},
		{
			"long name", with(strings.Repeat("n", 1000), `1`), `{"` + strings.Repeat("n", 1000) + `":1}`,
			[]domain.Drift{{Path: `"` + strings.Repeat("n", 40) + `"…`, Kind: "new field", Value: []byte("1")}},
		},
		{"escaped backslash before u0000", with("colour", `"\\u0000"`), `{"colour":"\\u0000"}`, []domain.Drift{{Path: "colour", Kind: "new field", Value: []byte(`"\\u0000"`)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, drift, err := decode(tt.payload)
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

func TestDecode_Rejects(t *testing.T) {
	t.Parallel()
	inSession := func(members string) string { return with("session", "{"+members+"}") }
	const rest = `"deviceType":"d","browser":"b"`
	tests := []struct{ name, payload, reason, field string }{
		{"nothing", "", "not JSON", ""},
		{"null", "null", "not an object", ""},
		{"an array", "[" + valid + "]", "not an object", ""},
		{"cut", valid[:len(valid)-1], "not JSON", ""},
		{"something follows", valid + "{}", "not JSON", ""},
		{"one comma too many", valid[:len(valid)-1] + ",}", "not JSON", ""},
		{"a raw NUL", with("name", "\"a\x00b\""), "not JSON", "name"},
		{"a raw control character", with("name", "\"a\x01b\""), "not JSON", "name"},
		{"an unknown escape", with("name", `"a\x"`), "not JSON", "name"},
		{"not UTF-8", with("name", "\"a\xffb\""), "bad text", "name"},
		{"not UTF-8 deep in properties", with("properties", "{\"a\":[\"\xc3\"]}"), "bad text", "properties.a.0"},
		{"half a surrogate pair", with("name", `"\ud83d"`), "bad text", "name"},
		{"the other half", with("name", `"\ude00"`), "bad text", "name"},
		{"half a pair in properties", with("properties", `{"a":"\ud83d\u0041"}`), "bad text", "properties.a"},
		{"half a pair in a new field's name", with(`\ud83d`, `1`), "bad text", ""},
		{"a field twice", valid[:len(valid)-1] + `,"id":"` + id + `"}`, "duplicate field", "id"},
		{"a field twice, once escaped", valid[:len(valid)-1] + `,"\u0069d":"` + id + `"}`, "duplicate field", "id"},
		{"a property twice", with("properties", `{"a":1,"a":1}`), "duplicate field", "properties.a"},
		{"NUL in a name", with("name", `"a\u0000"`), "NUL character", "name"},
		{"NUL after a backslash", with("name", `"a\\\u0000"`), "NUL character", "name"},
		{"NUL in properties", with("properties", `{"a":["\u0000"]}`), "NUL character", "properties"},
		{"NUL in a property's name", with("properties", `{"\u0000":1}`), "NUL character", "properties"},
		{"NUL in a new field", with("colour", `"\u0000"`), "NUL character", "colour"},
		{"NUL in a new field's name", with(`\u0000`, `1`), "NUL character", `"\x00"`},
		{"NUL in the session", inSession(`"id":"` + session + `","deviceType":"\u0000","browser":"b"`), "NUL character", "session.deviceType"},
		{"a UUID without dashes", with("id", `"`+strings.ReplaceAll(id, "-", "")+`"`), "bad UUID", "id"},
		{"the nil UUID as event id", with("id", `"00000000-0000-0000-0000-000000000000"`), "bad UUID", "id"},
		{"an empty UUID", with("userId", `""`), "bad UUID", "userId"},
		{"a number as a UUID", with("sessionId", `17`), "wrong type", "sessionId"},
		{"a number as a name", with("name", `1`), "wrong type", "name"},
		{"properties as an array", with("properties", `[]`), "wrong type", "properties"},
		{"properties as a string", with("properties", `"{}"`), "wrong type", "properties"},
		{"a session as a string", with("session", `"`+session+`"`), "wrong type", "session"},
		{"no session id in the session", inSession(rest), "missing field", "session.id"},
		{"a null browser", inSession(`"id":"` + session + `","deviceType":"d","browser":null`), "null field", "session.browser"},
		{"a bad session id in the session", inSession(`"id":"x",` + rest), "bad UUID", "session.id"},
		{"a time as a boolean", with("timestamp", `true`), "bad timestamp", "timestamp"},
	}
	for _, name := range []string{"id", "sessionId", "userId", "type", "name", "properties", "timestamp", "session"} {
		tests = append(tests,
			struct{ name, payload, reason, field string }{"no " + name, without(name), "missing field", name},
			struct{ name, payload, reason, field string }{"null " + name, with(name, "null"), "null field", name})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := decode(tt.payload)
			var rejection *domain.Rejection
			if !errors.As(err, &rejection) {
				t.Fatalf("got error %v, want a rejection", err)
			}
			if rejection.Reason != tt.reason || rejection.Field != tt.field {
				t.Errorf("got %q in field %q (%s), want %q in field %q",
					rejection.Reason, rejection.Field, rejection.Detail, tt.reason, tt.field)
			}
		})
	}
}

func TestDecode_TooManyFields(t *testing.T) {
	t.Parallel()
	add := func(more string) string { return valid[:len(valid)-1] + "," + more + "}" }
	inSession := strings.Replace(valid, `"deviceType"`, members(400, 8)+`,"deviceType"`, 1)
	long := strings.Repeat("n", 600<<10)
	tests := []struct{ name, payload, reason string }{
		{"maximum", add(members(1000, 8)), ""},
		{"maximum with other drift", strings.Replace(add(members(1000, 8)), "1769541553629", "1769541553", 1), ""},
		{"one above the maximum", add(members(1001, 8)), "too many fields"},
		{"record and session together", inSession[:len(inSession)-1] + "," + members(601, 8) + "}", "too many fields"},
		{"properties of many members", with("properties", "{"+members(20_000, 10)+"}"), ""},
		{"properties of too many members", with("properties", "{"+members(60_000, 10)+"}"), "field names too long"},
		{"one long name", with("properties", `{"`+long+`":1}`), "field names too long"},
		{"long text", with("name", `"`+long+`"`), ""},
		{"text with the form of names", with("name", `"`+strings.Repeat(`\"a\":`, 120<<10)+`"`), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, drift, err := decode(tt.payload)
			var rejection *domain.Rejection
			switch {
			case tt.reason == "" && err != nil:
				t.Errorf("got error %v, want none", err)
			case tt.reason != "" && (!errors.As(err, &rejection) || rejection.Reason != tt.reason):
				t.Errorf("got error %v, want %q", err, tt.reason)
			case tt.reason != "" && rejection.ID != mustUUID(t, id):
				t.Errorf("got id %s, want %s", rejection.ID, id)
			case len(drift) > 1001:
				t.Errorf("got %d drifts, want at most 1001", len(drift))
			}
		})
	}
}

func TestDecode_RejectionsAreShortAndPrintable(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{
		with("timestamp", `"`+strings.Repeat("\u200b", 5000)+`"`), strings.Repeat("[", 20_000), strings.Repeat(`{"`+strings.Repeat("k", 90)+`":`, 20_000), strings.Repeat("\xff", 5000),
		with(strings.Repeat(`\u0000`, 5000), "1"), with("id", `"`+strings.Repeat(`\n`, 5000)+`"`), `{"` + strings.Repeat("é", 5000) + `":`,
	} {
		_, _, err := decode(payload)
		var rejection *domain.Rejection
		if !errors.As(err, &rejection) {
			t.Fatalf("got error %v, want a rejection", err)
		}
		text := rejection.Error()
		if len(text) > 800 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' && r != '…' }) {
			t.Errorf("got rejection %q of %d bytes, want printable text of at most 800", text, len(text))
		}
	}
}

func TestDecode_RejectionHasTheID(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, payload string
		known         bool
	}{
		{"bad value after the id", with("timestamp", `"yesterday"`), true},
		{"bad value before the id", `{"timestamp":null,` + without("timestamp")[1:], true},
		{"bytes that are not UTF-8", with("name", "\"a\xffb\""), true},
		{"half a surrogate pair", with("name", `"\ud83d"`), true},
		{"an upper-case id", strings.Replace(with("name", "null"), id, strings.ToUpper(id), 1), true},
		{"an escaped name", strings.Replace(with("name", "null"), `{"id"`, `{"\u0069d"`, 1), true},
		{"no id", without("id"), false},
		{"a null id", with("id", "null"), false},
		{"id is not a UUID", with("id", `"undefined"`), false},
		{"two ids", strings.Replace(with("name", "null"), `{"id"`, `{"id":"`+session+`","id"`, 1), false},
		{"id in the session only", `{"session":{"id":"` + id + `"}}`, false},
		{"not an object", `"` + id + `"`, false},
		{"cut off", valid[:len(valid)-9], false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := decode(tt.payload)
			rejection, ok := errors.AsType[*domain.Rejection](err)
			if !ok {
				t.Fatalf("got error %v, want a rejection", err)
			}
			want := domain.EventID{}
			if tt.known {
				want = mustUUID(t, id)
			}
			if rejection.ID != want {
				t.Errorf("got id %s, want %s (%v)", rejection.ID, want, rejection)
			}
		})
	}
}
