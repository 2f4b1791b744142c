package cli

import (
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

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/domain"
)

// outputError wraps err, an error of writing to standard output, in an Invalid error. It returns nil if err is nil.
func outputError(err error) error {
	if err == nil {
		return nil
	}
	return &domain.Error{
		Kind: domain.Invalid, Code: domain.CodeOutputFailed, Op: "print", Err: err, Hint: "check where standard output goes",
	}
}

// commandLine returns what a user can type to run a command on the database and the stream of this command.
func (s *session) commandLine(command string) string {
	line := s.prefix + "pawl " + command
	readsStream := !strings.HasPrefix(command, "psql")
	if stream := s.settings.Stream.String(); readsStream && stream != settings.DefaultStream() {
		line += " --" + streamFlag + " " + stream
	}
	return line
}

// A table holds rows of cells. Its first row has the headings. The cells must contain no control characters.
type table [][]string

// write writes the table with aligned columns.
func (t table) write(w io.Writer) error {
	const columnGap = 2
	aligned := tabwriter.NewWriter(w, 0, 0, columnGap, ' ', 0)
	for _, row := range t {
		if _, err := io.WriteString(aligned, strings.Join(row, "\t")+"\n"); err != nil {
			return err
		}
	}
	return aligned.Flush()
}

// writeASCIIJSON writes v as a JSON object on one line, in the way of asciiJSON.
func writeASCIIJSON(w io.Writer, v any) error { return json.NewEncoder(asciiJSON{w}).Encode(v) }

// asciiJSON is a writer of JSON. It escapes all characters that are not ASCII and the character DEL. JSON allows them unescaped, but some
// of them control a terminal. Each call of Write must have whole characters.
type asciiJSON struct{ to io.Writer }

// Write implements io.Writer.
func (w asciiJSON) Write(p []byte) (int, error) {
	var b strings.Builder
	for _, r := range string(p) {
		high, low := utf16.EncodeRune(r)
		needsTwoEscapes := high != unicode.ReplacementChar
		switch {
		case r < 0x7f: // ASCII except DEL
			b.WriteRune(r)
		case needsTwoEscapes:
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	if _, err := io.WriteString(w.to, b.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// escapeToASCII returns text with every character escaped that is not printable ASCII. The result is one line. Text from an API must be
// escaped, because it may control a terminal, reverse other text, or look like other text.
func escapeToASCII(text string) string { return escape(text, isPrintableASCII) }

// escapeExceptEllipsis does the same, except that it does not escape the character …. It is for a text in which pawl quotes a part of a
// record, because pawl marks the end of a shortened quotation with this character.
func escapeExceptEllipsis(text string) string {
	return escape(text, func(r rune) bool { return isPrintableASCII(r) || r == '…' })
}

// escapeUnprintable returns text with every character escaped that cannot be printed. It is for text that a user wrote, and for whole
// messages, which may repeat such text.
func escapeUnprintable(text string) string { return escape(text, unicode.IsPrint) }

// isPrintableASCII reports whether r is a printable ASCII character.
func isPrintableASCII(r rune) bool { return r >= ' ' && r <= '~' }

// escape returns text with every character escaped for which isPlain returns false, and every byte that is not UTF-8. The escapes are
// those of a Go string.
func escape(text string, isPlain func(rune) bool) string {
	var b strings.Builder
	for text != "" {
		r, size := utf8.DecodeRuneInString(text)
		isUTF8 := r != utf8.RuneError || size > 1
		if isUTF8 && isPlain(r) {
			b.WriteString(text[:size])
		} else {
			quoted := strconv.QuoteToASCII(text[:size])
			b.WriteString(quoted[1 : len(quoted)-1]) // without the quotes
		}
		text = text[size:]
	}
	return b.String()
}

// formatID returns an id as text, without thousands separators.
func formatID(n int64) string { return strconv.FormatInt(n, 10) }

// dashIfEmpty returns text, or a dash if text is empty.
func dashIfEmpty(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// quantity returns n, followed by the text one if n is 1 and by the text many otherwise.
func quantity(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(n) + " " + many
}

// seconds returns d in seconds, rounded to milliseconds.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }
