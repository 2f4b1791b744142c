package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/domain"
)

// printError returns err, an error of writing to standard output, as an Invalid error. It returns nil for nil.
func printError(err error) error {
	if err == nil {
		return nil
	}
	return &domain.Error{Kind: domain.Invalid, Op: "print", Err: err, Hint: "check where standard output goes"}
}

// A table is rows of cells; the first row has the headings. Cells must hold no control characters.
type table [][]string

func (t table) write(w io.Writer) error {
	aligned := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range t {
		if _, err := io.WriteString(aligned, strings.Join(row, "\t")+"\n"); err != nil {
			return err
		}
	}
	return aligned.Flush()
}

// writeASCIIJSON writes v as a JSON object on one line. It escapes everything but ASCII, because JSON alone allows characters
// that control a terminal.
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

// Text from an API may control a terminal, reverse text, or look like something else. The next three functions escape it.

// escapeToASCII returns text in printable ASCII, on one line.
func escapeToASCII(text string) string { return escape(text, isASCII) }

// escapeQuoting returns pawl's own text that quotes from a record. It may hold the ellipsis that marks a cut.
func escapeQuoting(text string) string {
	return escape(text, func(r rune) bool { return isASCII(r) || r == '…' })
}

// escapeUnprintable returns a user's text with the characters escaped that cannot be printed.
func escapeUnprintable(text string) string { return escape(text, unicode.IsPrint) }

func isASCII(r rune) bool { return r >= ' ' && r <= '~' }

// escape returns text with every character escaped that is not plain, as in a Go string. Quotes and backslashes stay.
func escape(text string, isPlain func(rune) bool) string {
	var b strings.Builder
	for text != "" {
		r, size := utf8.DecodeRuneInString(text)
		if isPlain(r) && (r != utf8.RuneError || size > 1) {
			b.WriteString(text[:size])
		} else {
			quoted := strconv.QuoteToASCII(text[:size])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[size:]
	}
	return b.String()
}

// formatID returns an id for a cell, without thousands separators.
func formatID(n int64) string { return strconv.FormatInt(n, 10) }

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// quantity returns n and the words that follow it: one if n is 1, else many.
func quantity(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(n) + " " + many
}

// seconds returns d in seconds, rounded to milliseconds.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }
