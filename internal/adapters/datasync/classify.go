package datasync

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// answerError returns the classified error for an answer to req whose status is not 200. until is when to try again if the answer
// refuses for the rate limit, zero if unknown.
func (c *Client) answerError(req domain.PageRequest, a answer, headers rateHeaders, until time.Time) error {
	profile := &c.cfg.Profile
	code, message := profile.ErrorBody.parse(a.body)
	class := profile.ErrorBody.classify(a.status, code, headers)
	if req.Cursor != "" {
		class = class.withCursor(a.status)
	}
	failure := &domain.Error{Kind: class.kind, Op: opFetch, Hint: class.hint, Status: a.status}
	if class.kind == domain.RateLimited {
		failure.Until = until
	}
	text := fmt.Sprintf("HTTP %d", a.status)
	if name := http.StatusText(a.status); name != "" {
		text += " " + name
	}
	if code != "" {
		text += ", code " + c.redactedExcerpt(code)
	}
	if message != "" {
		text += ", message " + c.redactedExcerpt(message)
	}
	if a.status/100 == 3 {
		text += ", to " + c.redactedExcerpt(stripURL(a.header.Get("Location")))
	}
	id := c.redact(identifier(a.header.Get(profile.Headers.RequestID)))
	failure.Err = c.addRequest(id, errors.New(text))
	return failure
}

// parse returns the code and the message in the JSON body of an error answer. Both may be empty: load balancers answer in
// HTML (claimed), and a body may be cut.
func (n ErrorBodyNames) parse(body []byte) (code, message string) {
	s := newScanner(body)
	_ = s.readObject(func(name string) error {
		value, err := s.readValue()
		switch {
		case err != nil:
			return err
		case name == n.Code:
			code = shortText(value)
		case name == n.Message:
			message = shortText(value)
		}
		return nil
	})
	return code, message
}

// An errorClass is the kind of an error answer and what the user can do about it.
type errorClass struct {
	kind domain.Kind
	hint string
}

// classify returns the class of an answer with any status but 200. It uses the status, the code and the headers, never the
// message. An unknown status counts as the first of its hundred, and a status outside 100 to 599 as a server error (RFC
// 9110, section 15). The API refuses a cursor with 400 and a code that begins with CursorPrefix (claimed by several).
func (n ErrorBodyNames) classify(status int, code string, headers rateHeaders) errorClass {
	switch {
	case isRateLimited(status, headers):
		return errorClass{kind: domain.RateLimited}
	case status < 100 || status >= 500:
		return errorClass{kind: domain.Transient}
	case status == http.StatusBadRequest || status == http.StatusGone:
		return n.classifyBadRequest(code)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return errorClass{domain.Unauthorized, "check API_KEY: the API does not accept it"}
	case status == http.StatusRequestTimeout || status == http.StatusTooEarly:
		return errorClass{kind: domain.Transient}
	case status == http.StatusNotFound:
		return errorClass{domain.Invalid, "check API_BASE_URL: there is nothing at this address"}
	case status == http.StatusProxyAuthRequired:
		return errorClass{domain.Invalid, "check the user and password in HTTP_PROXY or HTTPS_PROXY"}
	case status >= 400 || status == http.StatusNotModified:
		return errorClass{domain.Invalid, "check API_BASE_URL: the server there does not accept this request"}
	case status >= 300:
		return errorClass{domain.Invalid, "set API_BASE_URL to the address it redirects to: pawl does not send the API key there by itself"}
	case status >= 200:
		return errorClass{kind: domain.BadPage}
	}
	return errorClass{domain.Invalid, "check API_BASE_URL: the server there does not speak plain HTTP"}
}

// withCursor returns the class of an answer to a request with a cursor. If the API refuses the request itself, the cursor is
// at fault, whatever the code: the request for the head is the same but for the cursor, and tells if anything else is wrong.
// 404 is not taken for that, since a proxy may answer it for a moment, and reading from the head again is expensive.
func (c errorClass) withCursor(status int) errorClass {
	if c.kind != domain.Invalid {
		return c
	}
	switch status {
	case http.StatusGone:
		return errorClass{kind: domain.CursorExpired}
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return errorClass{kind: domain.CursorInvalid}
	}
	return c
}

// isRateLimited reports whether an answer refuses the request because of the rate limit: always with 429, with 503 if it
// has a Retry-After, and with 403, as some APIs do, if it has a Retry-After or no request is left.
func isRateLimited(status int, headers rateHeaders) bool {
	hasRetryAfter := !headers.retryAfter.IsZero()
	switch status {
	case http.StatusTooManyRequests:
		return true
	case http.StatusServiceUnavailable:
		return hasRetryAfter
	case http.StatusForbidden:
		return hasRetryAfter || headers.isUsedUp()
	default:
		return false
	}
}

func (n ErrorBodyNames) classifyBadRequest(code string) errorClass {
	switch {
	case n.CursorExpired != "" && code == n.CursorExpired:
		return errorClass{kind: domain.CursorExpired}
	case n.CursorPrefix != "" && strings.HasPrefix(code, n.CursorPrefix):
		return errorClass{kind: domain.CursorInvalid}
	}
	return errorClass{domain.Invalid, "the API does not accept the request: check the page size and API_BASE_URL"}
}
