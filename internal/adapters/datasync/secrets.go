package datasync

import (
	"net/url"
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
	var oldNew []string
	for _, form := range []string{key, quoted[1 : len(quoted)-1], url.PathEscape(key), url.QueryEscape(key)} {
		// A text may have been cut within the key. A short beginning of the key is no secret, and may be an ordinary word.
		const minBeginning = 8
		for n := len(form); n >= min(len(form), max(minBeginning, len(form)/2)); n-- {
			oldNew = append(oldNew, form[:n], "[API key]")
		}
	}
	return secrets{strings.NewReplacer(oldNew...)}
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
