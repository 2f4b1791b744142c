package mockapi

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// extraFieldDrifts add data that nobody expects. The row has it in its column extra.
var extraFieldDrifts = []drift{
	{
		kind: "new-field", description: "a field that nobody expects", outcome: Drifted,
		editRecord: func(r *record, _ *event, v uint64) { r.extraMembers = `"` + extraField + `":` + extraValue(v) },
		editRow: func(row *Row, _ *event, v uint64) {
			row.Extra = json.RawMessage(`{"` + extraField + `":` + extraValue(v) + `}`)
		},
	},
	{
		kind: "new-session-field", description: "a field that nobody expects, within session", outcome: Drifted,
		editRecord: func(r *record, _ *event, v uint64) { r.session.extraMembers = `"` + extraField + `":` + extraValue(v) },
		editRow: func(row *Row, _ *event, v uint64) {
			row.Extra = json.RawMessage(`{"session":{"` + extraField + `":` + extraValue(v) + `}}`)
		},
	},
	{
		kind: "other-session-id", description: "a session.id that differs from sessionId", outcome: Drifted,
		editRecord: func(r *record, _ *event, v uint64) { r.session.id = strconv.Quote(randomUUID(v)) },
		editRow: func(row *Row, _ *event, v uint64) {
			row.Extra = json.RawMessage(`{"session":{"id":` + strconv.Quote(randomUUID(v)) + `}}`)
		},
	},
}

const extraField = "referrer"

func extraValue(v uint64) string {
	return pick(v, `"https://example.com/?a=1"`, `{"name":"example","rank":[1,2,null]}`, `null`, `17`, `true`)
}

func randomUUID(v uint64) string { return newUUID(v&mask60, mixBits(v)).String() }

// badFieldDrifts make a field missing, null or of another type, so that no column can hold it.
var badFieldDrifts = []drift{
	{
		kind: "missing-id", description: "no id", hidesID: true, outcome: Parked, reason: reasonMissing,
		editRecord: func(r *record, _ *event, _ uint64) { r.id = "" },
	},
	{
		kind: "null-id", description: "a null id", hidesID: true, outcome: Parked, reason: reasonNull,
		editRecord: func(r *record, _ *event, _ uint64) { r.id = "null" },
	},
	{
		kind: "bad-id", description: "an id that is not a UUID", hidesID: true, outcome: Parked, reason: reasonBadUUID,
		editRecord: func(r *record, _ *event, v uint64) {
			r.id = pick(v, `""`, `"undefined"`, `"evt_`+strconv.FormatUint(v, 36)+`"`, r.id[:len(r.id)-2]+`"`, r.id[:len(r.id)-2]+`g"`)
		},
	},
	{
		kind: "missing-field", description: "no sessionId, userId, type, name, properties or session", outcome: Parked, reason: reasonMissing,
		editRecord: func(r *record, _ *event, v uint64) {
			if i := v % 6; i == 5 {
				r.override = encodeWithoutSession(*r)
			} else {
				*r.columnField(i) = ""
			}
		},
	},
	{
		kind: "null-field", description: "null in one of these fields or in a field of session", outcome: Parked, reason: reasonNull,
		editRecord: func(r *record, _ *event, v uint64) { *r.columnField(v % 8) = "null" },
	},
	{
		kind: "wrong-type", description: "a number, an array or true in one of these fields", outcome: Parked, reason: reasonType,
		editRecord: func(r *record, _ *event, v uint64) { *r.columnField(v % 8) = pick(v>>8, "12", "[]", "true") },
	},
	{
		kind: "properties-string", description: "properties as a string that holds JSON", outcome: Parked, reason: reasonType,
		editRecord: func(r *record, _ *event, _ uint64) { r.properties = strconv.Quote(`{"page":"/home"}`) },
	},
	{
		kind: "field-twice", description: "the same field twice, with two values", outcome: Parked, reason: reasonTwice,
		editRecord: func(r *record, _ *event, v uint64) {
			r.extraMembers = pick(v, `"type":"click2"`, `"name":"event_twice0"`)
		},
	},
	{
		kind: "not-an-object", description: "null, a number, a string, an array or false instead of the record", hidesID: true,
		outcome: Parked, reason: reasonNotObject,
		editRecord: func(r *record, _ *event, v uint64) { r.override = pick(v, "null", "42", `"event"`, "[]", "false") },
	},
}

// columnField returns one of the eight fields that have a column. The first five are not in session.
func (r *record) columnField(i uint64) *string {
	return [...]*string{
		&r.sessionID, &r.userID, &r.eventType, &r.name, &r.properties, &r.session.device, &r.session.browser, &r.session.id,
	}[i]
}

func encodeWithoutSession(r record) string {
	return formatObject("", member{"id", r.id}, member{"sessionId", r.sessionID}, member{"userId", r.userID}, member{"type", r.eventType},
		member{"name", r.name}, member{"properties", r.properties}, member{"timestamp", r.timestamp})
}

// timeDrifts write the time in another form. A number whose magnitude shows its unit is stored; a client must not guess,
// round or replace a time.
var timeDrifts = []drift{
	{
		kind: "timestamp-s", description: "the time in Unix seconds", outcome: Drifted,
		editRecord: func(r *record, e *event, _ uint64) { r.timestamp = strconv.FormatInt(e.at/1000, 10) },
		editRow:    func(row *Row, e *event, _ uint64) { row.OccurredAt = time.Unix(e.at/1000, 0).UTC() },
	},
	{
		kind: "timestamp-us", description: "the time in Unix microseconds", outcome: Drifted,
		editRecord: func(r *record, e *event, v uint64) { r.timestamp = strconv.FormatInt(microseconds(e, v), 10) },
		editRow:    func(row *Row, e *event, v uint64) { row.OccurredAt = time.UnixMicro(microseconds(e, v)).UTC() },
	},
	{
		kind: "timestamp-ns", description: "the time in Unix nanoseconds, whole microseconds", outcome: Drifted,
		editRecord: func(r *record, e *event, v uint64) { r.timestamp = strconv.FormatInt(microseconds(e, v), 10) + "000" },
		editRow:    func(row *Row, e *event, v uint64) { row.OccurredAt = time.UnixMicro(microseconds(e, v)).UTC() },
	},
	{
		kind: "timestamp-numeric-string", description: "the time as a string of Unix milliseconds", outcome: Drifted,
		editRecord: func(r *record, e *event, _ uint64) { r.timestamp = strconv.Quote(strconv.FormatInt(e.at, 10)) },
	},
	{
		kind: "timestamp-offset", description: "the time in ISO 8601 with an offset such as +02:00", outcome: Stored,
		editRecord: func(r *record, e *event, v uint64) {
			hours := []int{2, -5, 9}[v%3]
			at := time.UnixMilli(e.at).In(time.FixedZone("", hours*60*60))
			r.timestamp = strconv.Quote(at.Format("2006-01-02T15:04:05.000-07:00"))
		},
	},
	{
		kind: "timestamp-control", description: "a control or zero-width character within the time", outcome: Parked, reason: reasonBadTimestamp,
		editRecord: func(r *record, e *event, v uint64) {
			text := string(appendISO(nil, e.at))
			i := int(v >> 8 % uint64(len(text)+1))
			r.timestamp = `"` + text[:i] + pick(v, `\u0007`, `\u200b`, "\u200b", `\ufeff`, `\t`, `\u001f`) + text[i:] + `"`
		},
	},
	{
		kind: "bad-timestamp", description: "a time that is not valid", outcome: Parked, reason: reasonBadTimestamp,
		editRecord: func(r *record, _ *event, v uint64) {
			r.timestamp = pick(v, `""`, `"yesterday"`, `"2026-02-30T10:00:00.000Z"`, `"2026-01-27T19:19:13.629"`, `"Invalid Date"`,
				`0`, `-1`, `true`, `{}`)
		},
	},
	{
		kind: "missing-timestamp", description: "no timestamp", outcome: Parked, reason: reasonMissing,
		editRecord: func(r *record, _ *event, _ uint64) { r.timestamp = "" },
	},
	{
		kind: "null-timestamp", description: "a null timestamp", outcome: Parked, reason: reasonNull,
		editRecord: func(r *record, _ *event, _ uint64) { r.timestamp = "null" },
	},
}

// microseconds returns the time of a record in microseconds: the event's milliseconds plus a fraction that v selects.
func microseconds(e *event, v uint64) int64 { return e.at*1000 + int64(v%1000) }

// textDrifts add text that PostgreSQL cannot store, to a column, to properties or in a new field.
var textDrifts = []drift{
	textDrift("nul", `a NUL, \u0000`, reasonNUL, `\u0000`),
	textDrift("lone-surrogate", `half a surrogate pair, \ud83d`, reasonBadText, `\ud83d`),
	textDrift("bad-utf8", "a byte that is not UTF-8", reasonBadText, "\xff"),
}

func textDrift(kind DriftKind, description, reason, bad string) drift {
	return drift{
		kind: kind, description: description + " in name, properties or a new field", outcome: Parked, reason: reason,
		editRecord: func(r *record, _ *event, v uint64) {
			text := `"a` + bad + `b"`
			switch v % 3 {
			case 0:
				r.name = text
			case 1:
				r.addProperty("remark", text)
			case 2:
				r.extraMembers = `"` + extraField + `":` + text
			}
		},
	}
}

// numberDrifts add numbers that float64 cannot hold. PostgreSQL's jsonb stores them exactly up to the limits of numeric.
var numberDrifts = []drift{
	{
		kind: "big-number", description: "a number in properties that float64 cannot hold, 1e400 or 30 digits", outcome: Stored,
		editRecord: func(r *record, _ *event, v uint64) { r.addProperty(numberField, bigNumber(v)) },
		editRow: func(row *Row, e *event, v uint64) {
			row.Properties = json.RawMessage(prependProperty(string(e.properties), numberField, bigNumber(v)))
		},
	},
	{
		kind: "unstorable-number", description: "a number in properties that PostgreSQL's numeric cannot hold, 1e400000",
		outcome: Parked, reason: reasonUnstorable,
		editRecord: func(r *record, _ *event, v uint64) { r.addProperty(numberField, pick(v, "1e400000", "-3.5E+400000")) },
	},
}

const numberField = "amount"

func bigNumber(v uint64) string {
	digits := string(appendDigits(nil, mixBits(v), 15)) + string(appendDigits(nil, v, 14))
	return pick(v>>32, "1e400", "-2.5e-400", "7"+digits, "0."+digits, "1"+strings.Repeat("0", 400))
}

// spellingDrifts write a record with spaces, line ends and escapes, while the API otherwise writes compact JSON. They show
// whether a client that stores a record's exact bytes encodes it again.
var spellingDrifts = []drift{
	{
		kind: "spelling", description: `the same values with spaces, CRLF and \u0061 for each a`, outcome: Stored,
		editRecord: func(r *record, _ *event, _ uint64) { r.override = respell(string(r.encode())) },
		editRow: func(row *Row, e *event, _ uint64) {
			row.Properties = json.RawMessage(respell(string(e.properties)))
		},
	},
	{
		kind: "spelling-null", description: "the same, with a null userId", outcome: Parked, reason: reasonNull,
		editRecord: func(r *record, _ *event, _ uint64) {
			r.userID = "null"
			r.override = respell(string(r.encode()))
		},
	},
}

// respell returns a compact JSON text with other bytes for the same values. The result for a part of a text is the same
// as in the whole text.
func respell(text string) string {
	var out []byte
	quoted := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '"':
			quoted = !quoted
			out = append(out, c)
		case quoted && c == '\\':
			length := 2
			if text[i+1] == 'u' {
				length = 6
			}
			out = append(out, text[i:i+length]...)
			i += length - 1
		case quoted && c == 'a':
			out = append(out, `\u0061`...)
		case quoted:
			out = append(out, c)
		case c == '{' || c == ',':
			out = append(append(out, c), "\r\n\t"...)
		case c == ':':
			out = append(out, " : "...)
		case c == '}':
			out = append(out, "\r\n}"...)
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// neighbourDrifts are records with the id of another record.
var neighbourDrifts = []drift{
	{
		kind: "duplicate", description: "the newer neighbour again, with the same content", hidesID: true, copiesNeighbour: true,
		outcome: Duplicate,
	},
	{
		kind: "conflict", description: "the newer neighbour's id with other content", hidesID: true, copiesNeighbour: true,
		outcome: Parked, reason: reasonConflict,
		editRecord: func(r *record, _ *event, v uint64) {
			if v%2 == 0 {
				r.name = `"event_other0"`
			} else {
				r.addProperty("revised", "true")
			}
		},
	},
}
