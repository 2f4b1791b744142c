package datasync

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	excerptBytes    = 40  // of a value, in an error's or rejection's text
	identifierBytes = 128 // of a request id
)

// excerpt quotes the beginning of what came from outside, in printable ASCII: it goes into logs and tables.
func excerpt[T string | []byte](text T) string {
	if len(text) <= excerptBytes {
		return strconv.QuoteToASCII(string(text))
	}
	cut := excerptBytes
	for cut > excerptBytes-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return strconv.QuoteToASCII(string(text[:cut])) + "…"
}

// typeOf names what a JSON value is, for an error's text.
func typeOf(value []byte) string {
	switch jsontext.Value(value).Kind() {
	case jsontext.KindNull:
		return "null"
	case jsontext.KindTrue, jsontext.KindFalse:
		return "a boolean"
	case jsontext.KindNumber:
		return "a number"
	case jsontext.KindString:
		return "a string"
	case jsontext.KindBeginObject:
		return "an object"
	case jsontext.KindBeginArray:
		return "an array"
	default:
		return "no JSON value"
	}
}

// identifier returns a request id as it came, or nothing if it could not be stored and printed as it is.
func identifier(text string) string {
	foreign := func(r rune) bool { return r < ' ' || r > '~' }
	if len(text) > identifierBytes || strings.ContainsFunc(text, foreign) {
		return ""
	}
	return text
}
