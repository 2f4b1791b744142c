package datasync

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/pawldata/pawl/internal/domain"
)

// FuzzDecode compares the decoder with referenceDecode: an accepted record has the same event and the same drift, and a rejected one
// is rejected for a reason that the reference found. It also checks that the decoder does not change the payload, and that Hash gives
// the same hash for the same content in another form.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(plainRecord))
	for _, tt := range plainForms {
		f.Add([]byte(strings.NewReplacer(tt.change...).Replace(plainRecord)))
	}
	for _, change := range [][]string{
		{`"type"`, `"x":{"y":"\\u0000"},"typ\u0065"`},
		{`"type"`, `"x":{"y\u0000":1},"type"`},
		{`"os":`, `"os":"\u0000",`},
		{`"deviceType"`, `"os":[null],"deviceType"`},
		{`"click"`, `null`},
		{`"session":{`, `"session":[{`, `"}}`, `"}]}`},
		{`"event_1"`, "\"\xff\""},
		{`{"c"`, `{"\u0000":1,"c"`},
		{`"2026-01-27T19:19:13.629Z"`, `"1769541553"`},
		{`"x\\u00e9"`, `"\ud83d"`},
		{`"properties":{`, `"properties":{"a":1,`},
	} {
		f.Add([]byte(strings.NewReplacer(change...).Replace(plainRecord)))
	}
	decoder := NewDecoder(DataSync())
	f.Fuzz(func(t *testing.T, payload []byte) {
		before := bytes.Clone(payload)
		record := domain.Record{Payload: payload}
		got, drift, err := decoder.Decode(record)
		hash := decoder.Hash(record)
		if !bytes.Equal(payload, before) {
			t.Fatalf("got payload changed to %q, want %q", payload, before)
		}
		want := referenceDecode(payload)
		if err != nil {
			rejection, ok := errors.AsType[*domain.Rejection](err)
			if !ok || want.reasons != nil && !slices.Contains(want.reasons, rejection.Reason) || want.isEvent() {
				t.Errorf("%q: got rejection %v, want one of %q", payload, err, want.reasons)
			}
			return
		}
		if !want.isEvent() {
			t.Fatalf("%q: got event %+v, want a rejection with one of %q", payload, got, want.reasons)
		}
		if extra := membersOf(got.Extra); !reflect.DeepEqual(extra, want.extra()) {
			t.Errorf("%q: got extra %q, want %q", payload, extra, want.extra())
		}
		if got.Extra = nil; !reflect.DeepEqual(got, want.event) {
			t.Errorf("%q: got event %+v, want %+v", payload, got, want.event)
		}
		if !reflect.DeepEqual(drift, want.drift) {
			t.Errorf("%q: got drift %v, want %v", payload, drift, want.drift)
		}
		if other := decoder.Hash(domain.Record{Payload: reversed(payload)}); other != hash {
			t.Errorf("%q: got another hash for its members in reverse order", payload)
		}
	})
}

// A decoded is the result of referenceDecode.
type decoded struct {
	event   domain.Event // without Extra
	drift   []domain.Drift
	reasons []string // all reasons to reject the record; nil for any reason, if the record is not JSON
	isJSON  bool

	top, session []member // the unknown fields
}

func (d *decoded) isEvent() bool { return d.isJSON && len(d.reasons) == 0 }

func (d *decoded) reject(reason string) { d.reasons = append(d.reasons, reason) }

// extra returns the members of Event.Extra, with those of its session behind them.
func (d *decoded) extra() []member {
	all := slices.Clone(d.top)
	for _, m := range d.session {
		all = append(all, member{"session." + m.name, m.value})
	}
	return all
}

// A member is a member of an object with its value as written.
type member struct {
	name  string
	value string
}

// referenceDecode decodes a record of the DataSync API in a simple and slow way, with encoding/json.
func referenceDecode(payload []byte) *decoded {
	d := &decoded{}
	if d.isJSON = json.Valid(payload); !d.isJSON {
		return d
	}
	if !utf8.Valid(payload) || hasHalfPair(string(payload)) {
		d.reject(reasonBadText)
	}
	if hasRepeatedName(payload) {
		d.reject(reasonDuplicate)
	}
	if bytes.TrimSpace(payload)[0] != '{' {
		d.reject(reasonNotObject)
		return d
	}
	var innerID domain.UUID
	var innerText string
	found := map[string]bool{}
	for _, m := range membersOfObject(payload) {
		found[m.name] = true
		switch m.name {
		case "id":
			if d.event.ID = d.uuid(m.value); d.event.ID == (domain.EventID{}) {
				d.reject(reasonBadUUID)
			}
		case "sessionId":
			d.event.SessionID = d.uuid(m.value)
		case "userId":
			d.event.UserID = d.uuid(m.value)
		case "type":
			d.event.Type = d.text(m.value)
		case "name":
			d.event.Name = d.text(m.value)
		case "properties":
			d.checkKnown(m.value, '{')
			d.event.Properties = []byte(m.value)
		case "timestamp":
			d.timestamp(m)
		case "session":
			if d.checkKnown(m.value, '{'); m.value[0] != '{' {
				continue
			}
			for _, inner := range membersOfObject([]byte(m.value)) {
				found["session."+inner.name] = true
				switch inner.name {
				case "id":
					innerID, innerText = d.uuid(inner.value), inner.value
				case "deviceType":
					d.event.DeviceType = d.text(inner.value)
				case "browser":
					d.event.Browser = d.text(inner.value)
				default:
					d.unknown(&d.session, "session", inner)
				}
			}
		default:
			d.unknown(&d.top, "", m)
		}
	}
	for _, name := range []string{
		"id", "sessionId", "userId", "type", "name", "properties", "timestamp", "session", "session.id", "session.deviceType", "session.browser",
	} {
		if !found[name] {
			d.reject(reasonMissing)
		}
	}
	if len(d.top)+len(d.session) > maxUnknownFields {
		d.reject(reasonTooMany)
	}
	if len(payload) > maxTotalNameBytes {
		d.reject(reasonLongNames) // perhaps; the fuzzer does not make so long records
	}
	if innerID != d.event.SessionID {
		d.session = append(d.session, member{"id", innerText})
		d.drift = append(d.drift, domain.Drift{Path: "session.id", Kind: driftOtherSessionID, Value: []byte(innerText)})
	}
	return d
}

func (d *decoded) unknown(to *[]member, path string, m member) {
	if strings.ContainsRune(m.name, 0) || valueHasNUL(m.value) {
		d.reject(reasonNUL)
	}
	*to = append(*to, m)
	d.drift = append(d.drift, domain.Drift{Path: joinPath(path, fieldName(m.name)), Kind: driftNewField, Value: []byte(m.value)})
}

// checkKnown adds the reasons to reject the value of a known field, which must begin with this byte.
func (d *decoded) checkKnown(value string, begin byte) {
	switch {
	case value == "null":
		d.reject(reasonNull)
	case valueHasNUL(value):
		d.reject(reasonNUL)
	case value[0] != begin:
		d.reject(reasonType)
	}
}

func (d *decoded) text(value string) (text string) {
	d.checkKnown(value, '"')
	_ = json.Unmarshal([]byte(value), &text)
	return text
}

var uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func (d *decoded) uuid(value string) (id domain.UUID) {
	text := d.text(value)
	if value[0] == '"' && !uuidForm.MatchString(text) {
		d.reject(reasonBadUUID)
		return id
	}
	_, _ = hex.Decode(id[:], []byte(strings.ReplaceAll(text, "-", "")))
	return id
}

func (d *decoded) timestamp(m member) {
	result, kinds, ok := referenceTimestamp(m.value)
	switch {
	case m.value == "null":
		d.reject(reasonNull)
	case valueHasNUL(m.value):
		d.reject(reasonNUL)
	case !ok:
		d.reject(reasonBadTimestamp)
	}
	d.event.OccurredAt = result.UTC()
	for _, kind := range kinds {
		d.drift = append(d.drift, domain.Drift{Path: m.name, Kind: kind, Value: []byte(m.value)})
	}
}

// valueHasNUL reports whether a text or a name in a JSON value has a NUL.
func valueHasNUL(value string) bool {
	tokens := json.NewDecoder(strings.NewReader(value))
	for {
		token, err := tokens.Token()
		if err != nil {
			return false
		}
		if text, ok := token.(string); ok && strings.ContainsRune(text, 0) {
			return true
		}
	}
}

// hasRepeatedName reports whether an object in a valid JSON text has a name twice, at any depth.
func hasRepeatedName(text []byte) bool {
	tokens := json.NewDecoder(bytes.NewReader(text))
	tokens.UseNumber()
	return repeatsName(tokens)
}

// repeatsName reports the same for the value that comes next. It may leave a part of the value unread.
func repeatsName(tokens *json.Decoder) bool {
	token, _ := tokens.Token()
	bracket, _ := token.(json.Delim)
	names := map[string]bool{}
	for bracket != 0 && tokens.More() {
		if bracket == '{' {
			token, _ := tokens.Token()
			name, _ := token.(string)
			if names[name] {
				return true
			}
			names[name] = true
		}
		if repeatsName(tokens) {
			return true
		}
	}
	if bracket != 0 {
		_, _ = tokens.Token() // the closing bracket
	}
	return false
}

// membersOfObject returns the members of an object in a valid JSON text, in their order.
func membersOfObject(object []byte) (all []member) {
	tokens := json.NewDecoder(bytes.NewReader(object))
	_, _ = tokens.Token()
	for tokens.More() {
		token, _ := tokens.Token()
		name, _ := token.(string)
		var value json.RawMessage
		if err := tokens.Decode(&value); errors.Is(err, io.EOF) {
			break
		}
		all = append(all, member{name, string(value)})
	}
	return all
}

// membersOf returns the members of Event.Extra, with those of its session behind them.
func membersOf(extra []byte) []member {
	var all []member
	if extra == nil {
		return all
	}
	for _, m := range membersOfObject(extra) {
		if m.name != "session" {
			all = append(all, m)
			continue
		}
		for _, inner := range membersOfObject([]byte(m.value)) {
			all = append(all, member{"session." + inner.name, inner.value})
		}
	}
	return all
}

// reversed returns an accepted record with its members in reverse order, and its timestamp in the form of RFC 3339.
func reversed(payload []byte) []byte {
	var text []string
	for _, m := range slices.Backward(membersOfObject(payload)) {
		name, _ := json.Marshal(m.name)
		if m.name == "timestamp" {
			parsed, _, _ := referenceTimestamp(m.value)
			m.value = `"` + parsed.UTC().Format(time.RFC3339Nano) + `"`
		}
		text = append(text, string(name)+" : "+m.value)
	}
	return []byte("{" + strings.Join(text, ",\n") + "}")
}
