package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// What comes from an API may hold whatever controls a terminal, turns text around, or looks like something else.

// ascii is an upstream's text in printable ASCII, on one line.
func ascii(text string) string { return escaped(text, isASCII) }

// words are pawl's own about an upstream's record, which quote from it, and cut with an ellipsis.
func words(text string) string {
	return escaped(text, func(r rune) bool { return isASCII(r) || r == '…' })
}

func isASCII(r rune) bool { return r >= ' ' && r <= '~' }

// printable is a user's text with what cannot be printed escaped.
func printable(text string) string { return escaped(text, unicode.IsPrint) }

// escaped writes what is not plain as Go does in a string, and the rest, quotes and backslashes included, as it is.
func escaped(text string, plain func(rune) bool) string {
	var b strings.Builder
	for text != "" {
		r, size := utf8.DecodeRuneInString(text)
		if plain(r) && (r != utf8.RuneError || size > 1) {
			b.WriteString(text[:size])
		} else {
			quoted := strconv.QuoteToASCII(text[:size])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[size:]
	}
	return b.String()
}

// writeASCIIJSON writes one JSON object on a line of its own, in which everything but ASCII is escaped: JSON itself leaves
// in what a terminal heeds.
func writeASCIIJSON(w io.Writer, v any) error {
	var text bytes.Buffer
	if err := json.NewEncoder(&text).Encode(v); err != nil {
		return err
	}
	var b strings.Builder
	for _, r := range text.String() {
		switch high, low := utf16.EncodeRune(r); {
		case r < 0x7f:
			b.WriteRune(r)
		case high != unicode.ReplacementChar:
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
