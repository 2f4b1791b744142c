package datasync

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// nulEscape is how a JSON text writes the one character that PostgreSQL keeps neither in text nor in jsonb.
const nulEscape = `\u0000`

// hasNUL tells whether a JSON text holds a NUL. After an even number of backslashes what looks like the escape is plain
// text: a backslash, then "u0000".
func hasNUL(value []byte) bool {
	for {
		at := bytes.Index(value, []byte(nulEscape))
		if at < 0 {
			return false
		}
		before := value[:at]
		if (len(before)-len(bytes.TrimRight(before, `\`)))%2 == 0 {
			return true
		}
		value = value[at+1:]
	}
}

// unquote returns a valid JSON string's text, a slice of it where it can be.
func unquote(quoted []byte) ([]byte, error) {
	if len(quoted) >= 2 && bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], nil
	}
	return jsontext.AppendUnquote(nil, quoted)
}
