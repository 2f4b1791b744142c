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
	excerptBytes    = 40  // of a value, in the text of an error or a rejection
	identifierBytes = 128 // of a request id
)

// addRequest returns err with the request that failed: its URL without the query, and the API's id of the answer, if there
// is one. The key is removed from the text.
func (c *Client) addRequest(requestID string, err error) error {
	err = c.redactError(err)
	if requestID == "" {
		return fmt.Errorf("GET %s: %w", c.events.String(), err)
	}
	return fmt.Errorf("GET %s (request id %s): %w", c.events.String(), requestID, err)
}

// redactError returns err, or an error with its text without the key: some transports repeat the request's headers.
func (c *Client) redactError(err error) error {
	if text := err.Error(); c.redact(text) != text {
		return errors.New(c.redact(text))
	}
	return err
}

// redactedExcerpt returns an excerpt of text from the API, without the key if the API repeats it.
func (c *Client) redactedExcerpt(text string) string { return excerpt(c.redact(text)) }

func (c *Client) redact(text string) string {
	if c.cfg.APIKey == "" {
		return text
	}
	return strings.ReplaceAll(text, c.cfg.APIKey, "[API key]")
}

// stripURL returns a redirect's target without its user, query and fragment, which may have secrets.
func stripURL(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return "an address that is not a URL"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// identifier returns a request id unchanged, or "" if it is too long or not printable ASCII.
func identifier(text string) string {
	notPrintable := func(r rune) bool { return r < ' ' || r > '~' }
	if len(text) > identifierBytes || strings.ContainsFunc(text, notPrintable) {
		return ""
	}
	return text
}

// excerpt quotes the beginning of a text from outside, in printable ASCII. It is safe in logs and tables.
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

// fieldName returns a field's name as paths show it: unchanged if it is plain and short, else as an excerpt.
func fieldName[T string | []byte](name T) string {
	if len(name) <= excerptBytes && isPlain(name) {
		return string(name)
	}
	return excerpt(name)
}

// isPlain reports whether excerpt would add only quotes to the name.
func isPlain[T string | []byte](name T) bool {
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// joinPath returns the path of a field within the object at path. The record's own path is "".
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
