package datasync

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/pawldata/pawl/internal/domain"
)

// refused turns an answer that is no success into a classified error. until is when to try again after a refusal for
// the rate limit, zero if unknown.
func (c *Client) refused(a answer, headers rateHeaders, until time.Time) error {
	names := &c.cfg.Profile
	code, message := names.Refusal.read(a.body)
	verdict := names.Refusal.classify(a.status, code, headers)
	refusal := &domain.Error{Kind: verdict.kind, Op: opFetch, Hint: verdict.hint, Status: a.status}
	if verdict.kind == domain.RateLimited {
		refusal.Until = until
	}
	text := fmt.Sprintf("HTTP %d", a.status)
	if name := http.StatusText(a.status); name != "" {
		text += " " + name
	}
	if code != "" {
		text += ", code " + c.shown(code)
	}
	if message != "" {
		text += ", message " + c.shown(message)
	}
	if a.status/100 == 3 {
		text += ", to " + c.shown(withoutQuery(a.header.Get("Location")))
	}
	id := c.redact(identifier(a.header.Get(names.Headers.RequestID)))
	refusal.Err = c.about(id, errors.New(text))
	return refusal
}

// read takes code and message from an error's JSON body. A load balancer answers in HTML (claimed), a body may be cut:
// what cannot be read is empty.
func (n RefusalNames) read(body []byte) (code, message string) {
	s := newScanner(body)
	_ = s.object(func(name string) error {
		value, err := s.value()
		switch {
		case err != nil:
			return err
		case name == n.Code:
			code = looseText(value)
		case name == n.Message:
			message = looseText(value)
		}
		return nil
	})
	return code, message
}

func looseText(value []byte) string {
	if jsontext.Value(value).Kind() != jsontext.KindString || len(value) > maxRefusalBytes {
		return ""
	}
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return ""
	}
	return string(text)
}

// shown quotes what the API sent for an error's text: short, printable, and without the key if the API repeats it.
func (c *Client) shown(text string) string { return excerpt(c.redact(text)) }

func (c *Client) redact(text string) string {
	if c.cfg.APIKey == "" {
		return text
	}
	return strings.ReplaceAll(text, c.cfg.APIKey, "[API key]")
}

// withoutKey returns err, or its text without the key where a transport put it there.
func (c *Client) withoutKey(err error) error {
	if text := err.Error(); c.redact(text) != text {
		return errors.New(c.redact(text))
	}
	return err
}

func withoutQuery(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return "an address that is not a URL"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
