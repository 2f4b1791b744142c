package mockapi

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// This file lists the drifts by groups. The functions of a drift are explained at the type [drift]: variant is a random
// number that selects one of the variants of a kind.

// extraFieldDrifts add data that the documentation does not mention. The column extra of the row contains this data.
var extraFieldDrifts = []drift{
	{
		kind: "new-field", description: "a field that nobody expects", outcome: Drifted,
		editRecord: func(r *record, _ *event, variant uint64) {
			r.extraMembers = `"` + extraField + `":` + extraValue(variant)
		},
		editRow: func(row *Row, _ *event, variant uint64) {
			row.Extra = json.RawMessage(`{"` + extraField + `":` + extraValue(variant) + `}`)
		},
	},
	{
		kind: "new-session-field", description: "a field that nobody expects, within session", outcome: Drifted,
		editRecord: func(r *record, _ *event, variant uint64) {
			r.session.extraMembers = `"` + extraField + `":` + extraValue(variant)
		},
		editRow: func(row *Row, _ *event, variant uint64) {
			row.Extra = json.RawMessage(`{"session":{"` + extraField + `":` + extraValue(variant) + `}}`)
		},
	},
	{
		kind: "other-session-id", description: "a session.id that differs from sessionId", outcome: Drifted,
		editRecord: func(r *record, _ *event, variant uint64) { r.session.id = strconv.Quote(randomUUID(variant)) },
		editRow: func(row *Row, _ *event, variant uint64) {
			row.Extra = json.RawMessage(`{"session":{"id":` + strconv.Quote(randomUUID(variant)) + `}}`)
		},
	},
}

const extraField = "referrer"

// extraValue returns the JSON of a value for extraField.
func extraValue(variant uint64) string {
	return pick(variant, `"https://example.com/?a=1"`, `{"name":"example","rank":[1,2,null]}`, `null`, `17`, `true`)
}

// randomUUID returns the text of a random UUID.
func randomUUID(variant uint64) string { return newUUID(variant&mask60, mixBits(variant)).String() }

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
		editRecord: func(r *record, _ *event, variant uint64) {
			withoutLastDigit := r.id[:len(r.id)-len(`0"`)] // begins with a quote, but has no closing quote
			tooShort := withoutLastDigit + `"`
			notHex := withoutLastDigit + `g"`
			r.id = pick(variant, `""`, `"undefined"`, `"evt_`+strconv.FormatUint(variant, 36)+`"`, tooShort, notHex)
		},
	},
	{
		kind: "missing-field", description: "no sessionId, userId, type, name, properties or session", outcome: Parked, reason: reasonMissing,
		editRecord: func(r *record, _ *event, variant uint64) {
			fields := r.topLevelFields()
			omitted := variant % uint64(len(fields)+1) // the number after the last field means session
			if omitted < uint64(len(fields)) {
				*fields[omitted] = ""
			} else {
				r.override = encodeWithoutSession(*r)
			}
		},
	},
	{
		kind: "null-field", description: "null in sessionId, userId, type, name, properties or a field of session",
		outcome: Parked, reason: reasonNull,
		editRecord: func(r *record, _ *event, variant uint64) {
			fields := r.requiredFields()
			*fields[variant%uint64(len(fields))] = "null"
		},
	},
	{
		kind: "wrong-type", description: "a number, an array or true in a field that null-field can change",
		outcome: Parked, reason: reasonType,
		editRecord: func(r *record, _ *event, variant uint64) {
			fields := r.requiredFields()
			*fields[variant%uint64(len(fields))] = pick(variant>>8, "12", "[]", "true") // other bits select the value
		},
	},
	{
		kind: "properties-string", description: "properties as a string that holds JSON", outcome: Parked, reason: reasonType,
		editRecord: func(r *record, _ *event, _ uint64) { r.properties = strconv.Quote(`{"page":"/home"}`) },
	},
	{
		kind: "field-twice", description: "the same field twice, with two values", outcome: Parked, reason: reasonTwice,
		editRecord: func(r *record, _ *event, variant uint64) {
			r.extraMembers = pick(variant, `"type":"click2"`, `"name":"event_twice0"`) // in addition to the usual members
		},
	},
	{
		kind: "not-an-object", description: "null, a number, a string, an array or false instead of the record", hidesID: true,
		outcome: Parked, reason: reasonNotObject,
		editRecord: func(r *record, _ *event, variant uint64) {
			r.override = pick(variant, "null", "42", `"event"`, "[]", "false")
		},
	},
}

// requiredFields returns the fields that every record must have, except id and timestamp, which have drifts of their own.
func (r *record) requiredFields() []*string {
	return append(r.topLevelFields(), &r.session.device, &r.session.browser, &r.session.id)
}

// topLevelFields returns those of the requiredFields that are not in session.
func (r *record) topLevelFields() []*string {
	return []*string{&r.sessionID, &r.userID, &r.eventType, &r.name, &r.properties}
}

// encodeWithoutSession returns the JSON of a record without the member session, which record.encode always writes.
func encodeWithoutSession(r record) string {
	return formatObject("", member{"id", r.id}, member{"sessionId", r.sessionID}, member{"userId", r.userID}, member{"type", r.eventType},
		member{"name", r.name}, member{"properties", r.properties}, member{"timestamp", r.timestamp})
}

// timeDrifts write the time in another form. A client must store a number whose size shows its unit. A client must park a
// record whose time it could only guess, round or replace.
var timeDrifts = []drift{
	{
		kind: "timestamp-s", description: "the time in Unix seconds", outcome: Drifted,
		editRecord: func(r *record, e *event, _ uint64) { r.timestamp = strconv.FormatInt(e.timeMS/1000, 10) },
		editRow:    func(row *Row, e *event, _ uint64) { row.OccurredAt = time.Unix(e.timeMS/1000, 0).UTC() },
	},
	{
		kind: "timestamp-us", description: "the time in Unix microseconds", outcome: Drifted,
		editRecord: func(r *record, e *event, variant uint64) {
			r.timestamp = strconv.FormatInt(microseconds(e, variant), 10)
		},
		editRow: func(row *Row, e *event, variant uint64) {
			row.OccurredAt = time.UnixMicro(microseconds(e, variant)).UTC()
		},
	},
	{
		kind: "timestamp-ns", description: "the time in Unix nanoseconds, a multiple of 1000", outcome: Drifted,
		editRecord: func(r *record, e *event, variant uint64) {
			r.timestamp = strconv.FormatInt(microseconds(e, variant), 10) + "000"
		},
		editRow: func(row *Row, e *event, variant uint64) {
			row.OccurredAt = time.UnixMicro(microseconds(e, variant)).UTC()
		},
	},
	{
		kind: "timestamp-numeric-string", description: "the time as a string of Unix milliseconds", outcome: Drifted,
		editRecord: func(r *record, e *event, _ uint64) { r.timestamp = strconv.Quote(strconv.FormatInt(e.timeMS, 10)) },
	},
	{
		kind: "timestamp-offset", description: "the time in ISO 8601 with an offset such as +02:00", outcome: Stored,
		editRecord: func(r *record, e *event, variant uint64) {
			offsetHours := []int{2, -5, 9}[variant%3]
			zone := time.FixedZone("", offsetHours*60*60)
			r.timestamp = strconv.Quote(time.UnixMilli(e.timeMS).In(zone).Format("2006-01-02T15:04:05.000-07:00"))
		},
	},
	{
		kind: "timestamp-control", description: "a control or zero-width character within the time", outcome: Parked, reason: reasonBadTimestamp,
		editRecord: func(r *record, e *event, variant uint64) {
			text := string(appendISO(nil, e.timeMS))
			position := int((variant >> 8) % uint64(len(text)+1))                              // other bits than those that select the character
			character := pick(variant, `\u0007`, `\u200b`, "\u200b", `\ufeff`, `\t`, `\u001f`) // escaped, or as it is
			r.timestamp = `"` + text[:position] + character + text[position:] + `"`
		},
	},
	{
		kind: "bad-timestamp", description: "a time that is not valid", outcome: Parked, reason: reasonBadTimestamp,
		editRecord: func(r *record, _ *event, variant uint64) {
			const noSuchDay, noOffset = `"2026-02-30T10:00:00.000Z"`, `"2026-01-27T19:19:13.629"`
			r.timestamp = pick(variant, `""`, `"yesterday"`, noSuchDay, noOffset, `"Invalid Date"`, `0`, `-1`, `true`, `{}`)
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

// microseconds returns the time of a record in Unix microseconds. This is the time of the event, which is in whole
// milliseconds, and 0 to 999 µs more.
func microseconds(e *event, variant uint64) int64 { return e.timeMS*1000 + int64(variant%1000) }

// textDrifts write text that PostgreSQL cannot store. The text is in name, in properties or in a new field.
var textDrifts = []drift{
	textDrift("nul", `a NUL, \u0000`, reasonNUL, `\u0000`),
	textDrift("lone-surrogate", `half a surrogate pair, \ud83d`, reasonBadText, `\ud83d`),
	textDrift("bad-utf8", "a byte that is not UTF-8", reasonBadText, "\xff"),
}

// textDrift returns a drift whose text contains bad.
func textDrift(kind DriftKind, description, reason, bad string) drift {
	return drift{
		kind: kind, description: description + " in name, properties or a new field", outcome: Parked, reason: reason,
		editRecord: func(r *record, _ *event, variant uint64) {
			text := `"a` + bad + `b"`
			switch variant % 3 {
			case 0:
				r.name = text
			case 1:
				r.addProperty("remark", text)
			default:
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
		editRecord: func(r *record, _ *event, variant uint64) { r.addProperty(numberField, bigNumber(variant)) },
		editRow: func(row *Row, e *event, variant uint64) {
			row.Properties = json.RawMessage(prependProperty(string(e.properties), numberField, bigNumber(variant)))
		},
	},
	{
		kind: "unstorable-number", description: "a number in properties that PostgreSQL's numeric cannot hold, 1e400000",
		outcome: Parked, reason: reasonUnstorable,
		editRecord: func(r *record, _ *event, variant uint64) {
			r.addProperty(numberField, pick(variant, "1e400000", "-3.5E+400000"))
		},
	},
}

const numberField = "amount"

// bigNumber returns the JSON of a number that float64 cannot hold. float64 holds 15 to 17 digits, and exponents up to 308.
func bigNumber(variant uint64) string {
	digits := string(appendDigits(nil, mixBits(variant), 15)) + string(appendDigits(nil, variant, 14)) // 29 random digits
	return pick(variant>>32, "1e400", "-2.5e-400", "7"+digits, "0."+digits, "1"+strings.Repeat("0", 400))
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
	inString := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '"':
			inString = !inString
			out = append(out, c)
		case inString && c == '\\': // an escape stays as it is
			length := len(`\n`)
			if text[i+1] == 'u' {
				length = len(`\u0061`)
			}
			out = append(out, text[i:i+length]...)
			i += length - 1
		case inString && c == 'a':
			out = append(out, `\u0061`...)
		case inString:
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
		editRecord: func(r *record, _ *event, variant uint64) {
			if variant%2 == 0 {
				r.name = `"event_other0"`
			} else {
				r.addProperty("revised", "true")
			}
		},
	},
}
