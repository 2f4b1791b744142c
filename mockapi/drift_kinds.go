package mockapi

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// extraFieldDrifts add data that the documentation does not mention. The column extra of the row contains this data.
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
			withoutLastDigit := r.id[:len(r.id)-len(`0"`)] // also without the closing quote
			r.id = pick(v, `""`, `"undefined"`, `"evt_`+strconv.FormatUint(v, 36)+`"`, withoutLastDigit+`"`, withoutLastDigit+`g"`)
		},
	},
	{
		kind: "missing-field", description: "no sessionId, userId, type, name, properties or session", outcome: Parked, reason: reasonMissing,
		editRecord: func(r *record, _ *event, v uint64) {
			fields := r.requiredFields()
			const topLevel = 5 // the first five fields are not in session
			if choice := v % (topLevel + 1); choice < topLevel {
				*fields[choice] = ""
			} else {
				r.override = encodeWithoutSession(*r)
			}
		},
	},
	{
		kind: "null-field", description: "null in sessionId, userId, type, name, properties or a field of session",
		outcome: Parked, reason: reasonNull,
		editRecord: func(r *record, _ *event, v uint64) {
			fields := r.requiredFields()
			*fields[v%uint64(len(fields))] = "null"
		},
	},
	{
		kind: "wrong-type", description: "a number, an array or true in a field that null-field can change",
		outcome: Parked, reason: reasonType,
		editRecord: func(r *record, _ *event, v uint64) {
			fields := r.requiredFields()
			*fields[v%uint64(len(fields))] = pick(v>>8, "12", "[]", "true")
		},
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

// requiredFields returns the fields that every record must have, except id, timestamp and session as a whole. The first
// five fields are not in session.
func (r *record) requiredFields() [8]*string {
	return [...]*string{
		&r.sessionID, &r.userID, &r.eventType, &r.name, &r.properties, &r.session.device, &r.session.browser, &r.session.id,
	}
}

func encodeWithoutSession(r record) string {
	return formatObject("", member{"id", r.id}, member{"sessionId", r.sessionID}, member{"userId", r.userID}, member{"type", r.eventType},
		member{"name", r.name}, member{"properties", r.properties}, member{"timestamp", r.timestamp})
}

// timeDrifts write the time in another form. A client stores a number if its size shows its unit. It parks a record whose
// time it would have to guess, round or replace.
var timeDrifts = []drift{
	{
		kind: "timestamp-s", description: "the time in Unix seconds", outcome: Drifted,
		editRecord: func(r *record, e *event, _ uint64) { r.timestamp = strconv.FormatInt(e.timeMS/1000, 10) },
		editRow:    func(row *Row, e *event, _ uint64) { row.OccurredAt = time.Unix(e.timeMS/1000, 0).UTC() },
	},
	{
		kind: "timestamp-us", description: "the time in Unix microseconds", outcome: Drifted,
		editRecord: func(r *record, e *event, v uint64) { r.timestamp = strconv.FormatInt(microseconds(e, v), 10) },
		editRow:    func(row *Row, e *event, v uint64) { row.OccurredAt = time.UnixMicro(microseconds(e, v)).UTC() },
	},
	{
		kind: "timestamp-ns", description: "the time in Unix nanoseconds, a multiple of 1000", outcome: Drifted,
		editRecord: func(r *record, e *event, v uint64) { r.timestamp = strconv.FormatInt(microseconds(e, v), 10) + "000" },
		editRow:    func(row *Row, e *event, v uint64) { row.OccurredAt = time.UnixMicro(microseconds(e, v)).UTC() },
	},
	{
		kind: "timestamp-numeric-string", description: "the time as a string of Unix milliseconds", outcome: Drifted,
		editRecord: func(r *record, e *event, _ uint64) { r.timestamp = strconv.Quote(strconv.FormatInt(e.timeMS, 10)) },
	},
	{
		kind: "timestamp-offset", description: "the time in ISO 8601 with an offset such as +02:00", outcome: Stored,
		editRecord: func(r *record, e *event, v uint64) {
			hours := []int{2, -5, 9}[v%3]
			at := time.UnixMilli(e.timeMS).In(time.FixedZone("", hours*60*60))
			r.timestamp = strconv.Quote(at.Format("2006-01-02T15:04:05.000-07:00"))
		},
	},
	{
		kind: "timestamp-control", description: "a control or zero-width character within the time", outcome: Parked, reason: reasonBadTimestamp,
		editRecord: func(r *record, e *event, v uint64) {
			text := string(appendISO(nil, e.timeMS))
			position := int((v >> 8) % uint64(len(text)+1))
			character := pick(v, `\u0007`, `\u200b`, "\u200b", `\ufeff`, `\t`, `\u001f`)
			r.timestamp = `"` + text[:position] + character + text[position:] + `"`
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

// microseconds returns the time of a record in Unix microseconds. It adds a part of a millisecond, which v selects, to the
// time of the event.
func microseconds(e *event, v uint64) int64 { return e.timeMS*1000 + int64(v%1000) }

// textDrifts write text that PostgreSQL cannot store. The text is in name, in properties or in a new field.
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

// numberDrifts add numbers that float64 cannot hold. PostgreSQL's jsonb stores them exactly if they are within the limits
// of the type numeric.
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
	digits := string(appendDigits(nil, mixBits(v), 15)) + string(appendDigits(nil, v, 14)) // float64 holds 15 to 17 digits
	return pick(v>>32, "1e400", "-2.5e-400", "7"+digits, "0."+digits, "1"+strings.Repeat("0", 400))
}

// spellingDrifts write a record with spaces, line ends and escapes, although the API usually writes compact JSON. A client
// that encodes a record again, instead of storing its exact bytes, fails with them.
var spellingDrifts = []drift{
	{
		kind: "spelling", description: `the same values with spaces, CRLF and \u0061 for each a`, outcome: Stored,
		editRecord: func(r *record, _ *event, _ uint64) { r.override = respell(string(r.encode())) },
		editRow: func(row *Row, e *event, _ uint64) {
			row.Properties = json.RawMessage(respell(string(e.properties)))
		},
	},
	{
		kind: "spelling-null", description: "like spelling, but with a null userId", outcome: Parked, reason: reasonNull,
		editRecord: func(r *record, _ *event, _ uint64) {
			r.userID = "null"
			r.override = respell(string(r.encode()))
		},
	},
}

// respell writes the values of a compact JSON text with other bytes. A value has the same bytes whether it is respelled
// alone or within a larger text.
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
			length := len(`\n`)
			if text[i+1] == 'u' {
				length = len(`\u0061`)
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

// neighbourDrifts give a record the id of its newer neighbour.
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
