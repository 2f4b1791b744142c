package mockapi

import (
	"encoding/json"
	"strings"
)

// textDrifts are records with text that PostgreSQL does not keep, in a column, in properties or in a new field.
var textDrifts = []drift{
	textDrift("nul", `a NUL, \u0000`, reasonNUL, `\u0000`),
	textDrift("lone-surrogate", `half a surrogate pair, \ud83d`, reasonBadText, `\ud83d`),
	textDrift("bad-utf8", "a byte that is not UTF-8", reasonBadText, "\xff"),
}

func textDrift(kind DriftKind, what, reason, bad string) drift {
	return drift{
		kind: kind, what: what + " in name, properties or a new field", outcome: Parked, reason: reason,
		bend: func(r *record, _ *event, v uint64) {
			text := `"a` + bad + `b"`
			switch v % 3 {
			case 0:
				r.name = text
			case 1:
				r.setProperty("remark", text)
			case 2:
				r.more = `"` + newField + `":` + text
			}
		},
	}
}

// numberDrifts are numbers beyond float64: jsonb keeps them exactly, up to a point.
var numberDrifts = []drift{
	{
		kind: "big-number", what: "a number beyond float64 in properties, 1e400 or of 30 digits", outcome: Stored,
		bend: func(r *record, _ *event, v uint64) { r.setProperty(bigField, bigNumber(v)) },
		expect: func(row *Row, e *event, v uint64) {
			row.Properties = json.RawMessage(withProperty(string(e.properties), bigField, bigNumber(v)))
		},
	},
	{
		kind: "unstorable-number", what: "a number beyond PostgreSQL's numeric in properties, 1e400000", outcome: Parked, reason: reasonUnstorable,
		bend: func(r *record, _ *event, v uint64) { r.setProperty(bigField, pick(v, "1e400000", "-3.5E+400000")) },
	},
}

const bigField = "amount"

func bigNumber(v uint64) string {
	digits := string(appendDigits(nil, mix(v), 15)) + string(appendDigits(nil, v, 14))
	return pick(v>>32, "1e400", "-2.5e-400", "7"+digits, "0."+digits, "1"+strings.Repeat("0", 400))
}

// twinDrifts are records with the id of another.
var twinDrifts = []drift{
	{
		kind: "duplicate", what: "the newer neighbour once more, with the same content", hidesID: true, twin: true,
		outcome: Duplicate,
	},
	{
		kind: "conflict", what: "the newer neighbour's id with other content", hidesID: true, twin: true,
		outcome: Parked, reason: reasonConflict,
		bend: func(r *record, _ *event, v uint64) {
			if v%2 == 0 {
				r.name = `"event_other0"`
			} else {
				r.setProperty("revised", "true")
			}
		},
	},
}
