package datasync

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxExcerptBytes   = 40  // maximum length of the part of a value that the text of an error or a rejection repeats
	maxRequestIDBytes = 128 // maximum length of a request id
	maxAddressBytes   = 300 // maximum length of the part of a redirect's target that an error repeats
	maxErrorTextBytes = 800 // maximum length of the text of an error, without the URL and the request id

	ellipsis = "…" // follows a text that was cut
)

// addRequestInfo returns err with information about the request that failed: its URL without the query, and its request id
// unless the id is empty. It cleans the text of err.
func (c *Client) addRequestInfo(requestID string, err error) error {
	err = c.cleanError(err)
	if requestID == "" {
		return fmt.Errorf("GET %s: %w", c.events.String(), err)
	}
	return fmt.Errorf("GET %s (request id %s): %w", c.events.String(), requestID, err)
}

// cleanError returns err unchanged if its text is clean. Otherwise it returns a new error with the cleaned text: without the API key,
// with escapes in place of characters that are not printable ASCII, and not too long. The errors of net/http and of crypto/tls repeat
// headers and names of certificates as the server sent them.
func (c *Client) cleanError(err error) error {
	text := err.Error()
	clean := c.secrets.redact(text)
	if !isPrintable(clean) {
		quoted := strconv.QuoteToASCII(strings.ReplaceAll(clean, ellipsis, "..."))
		clean = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[1 : len(quoted)-1])
	}
	if len(clean) > maxErrorTextBytes {
		clean = strings.ToValidUTF8(clean[:maxErrorTextBytes], "") + ellipsis
	}
	if clean == text {
		return err
	}
	return errors.New(clean)
}

// isPrintable reports whether a text consists of printable ASCII characters and of the sign that excerpt adds.
func isPrintable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return (r < ' ' || r > '~') && string(r) != ellipsis })
}

// checkedRequestID returns a request id from the API unchanged, or "" if it is too long or not printable ASCII.
func checkedRequestID(text string) string {
	notPrintable := func(r rune) bool { return r < ' ' || r > '~' }
	if len(text) > maxRequestIDBytes || strings.ContainsFunc(text, notPrintable) {
		return ""
	}
	return text
}

// excerpt returns the beginning of a text from outside, in quotes. It escapes all characters that are not printable ASCII, so
// the excerpt is safe in logs and tables. After a text that was cut, it adds "…".
func excerpt[T string | []byte](text T) string { return excerptOf(text, maxExcerptBytes) }

// excerptOf returns an excerpt of at most maxBytes bytes of text.
func excerptOf[T string | []byte](text T, maxBytes int) string {
	if len(text) <= maxBytes {
		return strconv.QuoteToASCII(string(text))
	}
	cut := maxBytes // moves back to the beginning of a character, if the text is valid UTF-8
	for cut > maxBytes-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return strconv.QuoteToASCII(string(text[:cut])) + ellipsis
}

// fieldName returns a field's name in the form for paths: unchanged if it is short and needs no escape, else as an excerpt.
func fieldName[T string | []byte](name T) string {
	if len(name) <= maxExcerptBytes && needsNoEscape(name) {
		return string(name)
	}
	return excerpt(name)
}

// needsNoEscape reports whether a name consists of printable ASCII characters, without quotes and backslashes.
func needsNoEscape[T string | []byte](name T) bool {
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// joinPath returns the path of the field with this name in the object at path. The path of the record itself is "".
func joinPath(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// typeName returns the type of a JSON value, with its article.
func typeName(value []byte) string {
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
