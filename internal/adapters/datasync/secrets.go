package datasync

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// secrets removes the API key from texts. The zero value removes nothing.
type secrets struct{ replacer *strings.Replacer }

// newSecrets returns the secrets of a client with this key, which may be empty.
func newSecrets(key string) secrets {
	if key == "" {
		return secrets{}
	}
	quoted := strconv.QuoteToASCII(key)
	path, query := url.PathEscape(key), url.QueryEscape(key)
	var hidden []string
	for _, form := range []string{
		key, quoted[1 : len(quoted)-1], strings.ReplaceAll(key, "/", `\/`), path, query, lowerEscapes(path), lowerEscapes(query),
	} {
		// A text may have been cut within the key. A short beginning of the key is no secret, and may be an ordinary word.
		const minBeginning = 8
		for n := len(form); n >= min(len(form), max(minBeginning, len(form)/2)); n-- {
			hidden = append(hidden, form[:n])
		}
	}
	// The replacer takes the first form that matches. A short one would leave the rest of a longer one.
	slices.SortStableFunc(hidden, func(a, b string) int { return len(b) - len(a) })
	var oldNew []string
	for _, form := range hidden {
		oldNew = append(oldNew, form, "[API key]")
	}
	return secrets{strings.NewReplacer(oldNew...)}
}

var percentEscape = regexp.MustCompile(`%[0-9A-F]{2}`)

// lowerEscapes returns the text with its percent-escapes in lower case, as some servers write them.
func lowerEscapes(text string) string {
	return percentEscape.ReplaceAllStringFunc(text, strings.ToLower)
}

// redact returns text with "[API key]" in place of the API key, of its escaped forms, and of a long beginning of the key.
func (s secrets) redact(text string) string {
	if s.replacer == nil {
		return text
	}
	return s.replacer.Replace(text)
}

// excerpt returns an excerpt of text from the API, without the API key.
func (s secrets) excerpt(text string) string { return excerpt(s.redact(text)) }
