package datasync

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	excerptBytes    = 40  // of a value, in an error's or rejection's text
	identifierBytes = 128 // of a request id
)

// excerpt quotes the beginning of what came from outside, in printable ASCII: it goes into logs and tables.
func excerpt(text string) string {
	if len(text) <= excerptBytes {
		return strconv.QuoteToASCII(text)
	}
	cut := excerptBytes
	for cut > excerptBytes-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return strconv.QuoteToASCII(text[:cut]) + "…"
}

// identifier is a request id as it came, or nothing if it could not be stored and printed as it is.
func identifier(text string) string {
	foreign := func(r rune) bool { return r < ' ' || r > '~' }
	if len(text) > identifierBytes || strings.ContainsFunc(text, foreign) {
		return ""
	}
	return text
}
