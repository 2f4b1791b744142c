package mockapi

import (
	"strconv"
	"time"
)

// timeDrifts are records whose time is written otherwise. What a number's magnitude tells for certain is stored; nothing is
// guessed, cut or replaced.
var timeDrifts = []drift{
	{
		kind: "timestamp-s", what: "the time in Unix seconds", outcome: Drifted,
		bend:   func(r *record, e *event, _ uint64) { r.timestamp = strconv.FormatInt(e.at/1000, 10) },
		expect: func(row *Row, e *event, _ uint64) { row.OccurredAt = time.Unix(e.at/1000, 0).UTC() },
	},
	{
		kind: "timestamp-us", what: "the time in Unix microseconds", outcome: Drifted,
		bend:   func(r *record, e *event, v uint64) { r.timestamp = strconv.FormatInt(micros(e, v), 10) },
		expect: func(row *Row, e *event, v uint64) { row.OccurredAt = time.UnixMicro(micros(e, v)).UTC() },
	},
	{
		kind: "timestamp-ns", what: "the time in Unix nanoseconds, whole microseconds", outcome: Drifted,
		bend:   func(r *record, e *event, v uint64) { r.timestamp = strconv.FormatInt(micros(e, v), 10) + "000" },
		expect: func(row *Row, e *event, v uint64) { row.OccurredAt = time.UnixMicro(micros(e, v)).UTC() },
	},
	{
		kind: "timestamp-numeric-string", what: "the time as a string of Unix milliseconds", outcome: Drifted,
		bend: func(r *record, e *event, _ uint64) { r.timestamp = strconv.Quote(strconv.FormatInt(e.at, 10)) },
	},
	{
		kind: "timestamp-offset", what: "the time in ISO 8601 with an offset such as +02:00", outcome: Stored,
		bend: func(r *record, e *event, v uint64) {
			hours := []int{2, -5, 9}[v%3]
			at := time.UnixMilli(e.at).In(time.FixedZone("", hours*60*60))
			r.timestamp = strconv.Quote(at.Format("2006-01-02T15:04:05.000-07:00"))
		},
	},
	{
		kind: "timestamp-control", what: "a control or zero-width character within the time", outcome: Parked, reason: reasonBadTimestamp,
		bend: func(r *record, e *event, v uint64) {
			text := string(appendISO(nil, e.at))
			at := int(v >> 8 % uint64(len(text)+1))
			r.timestamp = `"` + text[:at] + pick(v, `\u0007`, `\u200b`, "\u200b", `\ufeff`, `\t`, `\u001f`) + text[at:] + `"`
		},
	},
	{
		kind: "bad-timestamp", what: "a time that is none", outcome: Parked, reason: reasonBadTimestamp,
		bend: func(r *record, _ *event, v uint64) {
			r.timestamp = pick(v, `""`, `"yesterday"`, `"2026-02-30T10:00:00.000Z"`, `"2026-01-27T19:19:13.629"`, `"Invalid Date"`, `0`, `-1`, `true`, `{}`)
		},
	},
	{
		kind: "missing-timestamp", what: "no timestamp", outcome: Parked, reason: reasonMissing,
		bend: func(r *record, _ *event, _ uint64) { r.timestamp = "" },
	},
	{
		kind: "null-timestamp", what: "a null timestamp", outcome: Parked, reason: reasonNull,
		bend: func(r *record, _ *event, _ uint64) { r.timestamp = "null" },
	},
}

// micros is the event's time in microseconds, which the record says though the event knows milliseconds only.
func micros(e *event, v uint64) int64 { return e.at*1000 + int64(v%1000) }
