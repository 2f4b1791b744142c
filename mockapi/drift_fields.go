package mockapi

import (
	"encoding/json"
	"strconv"
)

// newFieldDrifts are records that say more than expected: the row keeps it as extra.
var newFieldDrifts = []drift{
	{
		kind: "new-field", what: "a field that nobody expects", outcome: Drifted,
		bend: func(r *record, _ *event, v uint64) { r.more = `"` + newField + `":` + newValue(v) },
		expect: func(row *Row, _ *event, v uint64) {
			row.Extra = json.RawMessage(`{"` + newField + `":` + newValue(v) + `}`)
		},
	},
	{
		kind: "new-session-field", what: "such a field within session", outcome: Drifted,
		bend: func(r *record, _ *event, v uint64) { r.session.more = `"` + newField + `":` + newValue(v) },
		expect: func(row *Row, _ *event, v uint64) {
			row.Extra = json.RawMessage(`{"session":{"` + newField + `":` + newValue(v) + `}}`)
		},
	},
	{
		kind: "other-session-id", what: "a session.id that is not the sessionId", outcome: Drifted,
		bend: func(r *record, _ *event, v uint64) { r.session.id = strconv.Quote(otherUUID(v)) },
		expect: func(row *Row, _ *event, v uint64) {
			row.Extra = json.RawMessage(`{"session":{"id":` + strconv.Quote(otherUUID(v)) + `}}`)
		},
	},
}

const newField = "referrer"

func newValue(v uint64) string {
	return pick(v, `"https://example.com/?a=1"`, `{"name":"example","rank":[1,2,null]}`, `null`, `17`, `true`)
}

func otherUUID(v uint64) string { return newUUID(v&mask60, mix(v)).String() }

// fieldDrifts are records with a field that no column can hold.
var fieldDrifts = []drift{
	{
		kind: "missing-id", what: "no id", hidesID: true, outcome: Parked, reason: reasonMissing,
		bend: func(r *record, _ *event, _ uint64) { r.id = "" },
	},
	{
		kind: "null-id", what: "a null id", hidesID: true, outcome: Parked, reason: reasonNull,
		bend: func(r *record, _ *event, _ uint64) { r.id = "null" },
	},
	{
		kind: "bad-id", what: "an id that is no UUID", hidesID: true, outcome: Parked, reason: reasonBadUUID,
		bend: func(r *record, _ *event, v uint64) {
			r.id = pick(v, `""`, `"undefined"`, `"evt_`+strconv.FormatUint(v, 36)+`"`, r.id[:len(r.id)-2]+`"`, r.id[:len(r.id)-2]+`g"`)
		},
	},
	{
		kind: "missing-field", what: "no sessionId, userId, type, name, properties or session", outcome: Parked, reason: reasonMissing,
		bend: func(r *record, _ *event, v uint64) {
			if at := v % 6; at == 5 {
				r.session = sessionRecord{}
				r.instead = withoutSession(*r)
			} else {
				*r.field(at) = ""
			}
		},
	},
	{
		kind: "null-field", what: "one of these, or a field of session, is null", outcome: Parked, reason: reasonNull,
		bend: func(r *record, _ *event, v uint64) { *r.field(v % 8) = "null" },
	},
	{
		kind: "wrong-type", what: "one of these is a number, an array or true", outcome: Parked, reason: reasonType,
		bend: func(r *record, _ *event, v uint64) { *r.field(v % 8) = pick(v>>8, "12", "[]", "true") },
	},
	{
		kind: "properties-string", what: "properties as a string that holds JSON", outcome: Parked, reason: reasonType,
		bend: func(r *record, _ *event, _ uint64) { r.properties = strconv.Quote(`{"page":"/home"}`) },
	},
	{
		kind: "field-twice", what: "a field twice, with two values", outcome: Parked, reason: reasonTwice,
		bend: func(r *record, _ *event, v uint64) { r.more = pick(v, `"type":"click2"`, `"name":"event_twice0"`) },
	},
	{
		kind: "not-an-object", what: "null, a number, a string, an array or false in place of the record", hidesID: true,
		outcome: Parked, reason: reasonNotObject,
		bend: func(r *record, _ *event, v uint64) { r.instead = pick(v, "null", "42", `"event"`, "[]", "false") },
	},
}

// field is one of eight fields that have a column: the first five stand in the record itself.
func (r *record) field(i uint64) *string {
	return [...]*string{
		&r.sessionID, &r.userID, &r.kind, &r.name, &r.properties, &r.session.device, &r.session.browser, &r.session.id,
	}[i]
}

func withoutSession(r record) string {
	return object("", member{"id", r.id}, member{"sessionId", r.sessionID}, member{"userId", r.userID}, member{"type", r.kind},
		member{"name", r.name}, member{"properties", r.properties}, member{"timestamp", r.timestamp})
}
