package datasync

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxExcerptBytes   = 40  // maximum length of the part of a value that the text of an error or a rejection repeats
	maxRequestIDBytes = 128 // maximum length of a request id
)

// addRequestInfo returns err with information about the request that failed: its URL without the query, and its request id
// unless the id is empty. It also removes the API key from the text of err.
func (c *Client) addRequestInfo(requestID string, err error) error {
	err = c.redactError(err)
	if requestID == "" {
		return fmt.Errorf("GET %s: %w", c.events.String(), err)
	}
	return fmt.Errorf("GET %s (request id %s): %w", c.events.String(), requestID, err)
}

// redactError returns err unchanged if its text does not contain the API key. Otherwise it returns a new error with the same
// text but without the key. Some transports repeat the request's headers in their errors.
func (c *Client) redactError(err error) error {
	if text := err.Error(); c.redact(text) != text {
		return errors.New(c.redact(text))
	}
	return err
}

// redactedExcerpt returns an excerpt of text from the API. If the text contains the API key, the key is removed.
func (c *Client) redactedExcerpt(text string) string { return excerpt(c.redact(text)) }

func (c *Client) redact(text string) string {
	if c.cfg.APIKey == "" {
		return text
	}
	return strings.ReplaceAll(text, c.cfg.APIKey, "[API key]")
}

// stripURL returns a redirect's target without its user, query and fragment, because these may contain secrets.
func stripURL(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return "an address that is not a URL"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
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
func excerpt[T string | []byte](text T) string {
	if len(text) <= maxExcerptBytes {
		return strconv.QuoteToASCII(string(text))
	}
	cut := maxExcerptBytes // moves back to the beginning of a character, if the text is valid UTF-8
	for cut > maxExcerptBytes-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return strconv.QuoteToASCII(string(text[:cut])) + "…"
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
