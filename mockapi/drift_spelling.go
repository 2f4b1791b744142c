package mockapi

import "encoding/json"

// spellingDrifts are records that are spelt with spaces, line ends and escapes, where the API otherwise writes compact
// JSON: whoever keeps a record's exact bytes must not write it anew.
var spellingDrifts = []drift{
	{
		kind: "spelling", what: `the same values with spaces, CRLF and \u0061 for each a`, outcome: Stored,
		bend: func(r *record, _ *event, _ uint64) { r.instead = spelt(string(r.bytes())) },
		expect: func(row *Row, e *event, _ uint64) {
			row.Properties = json.RawMessage(spelt(string(e.properties)))
		},
	},
	{
		kind: "spelling-null", what: "a record spelt so, with a null userId", outcome: Parked, reason: reasonNull,
		bend: func(r *record, _ *event, _ uint64) {
			r.userID = "null"
			r.instead = spelt(string(r.bytes()))
		},
	},
}

// spelt writes a compact JSON text with other bytes for the same values. What it makes of a part does not depend on what
// stands around it.
func spelt(text string) string {
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
