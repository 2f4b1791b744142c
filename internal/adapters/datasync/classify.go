package datasync

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// answerError returns the classified error for an answer to req whose status is not 200. If the API refused the request
// because of the rate limit, until is when to send it again, or zero if that is unknown.
func (c *Client) answerError(req domain.PageRequest, a answer, headers rateHeaders, until time.Time) error {
	profile := &c.cfg.Profile
	code, message := profile.ErrorBody.parse(a.body)
	class := profile.ErrorBody.classify(a.status, code, headers)
	if req.Cursor != "" {
		class = class.adjustForCursor(a.status)
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
		text += ", redirects to " + c.redactedExcerpt(stripURL(a.header.Get("Location")))
	}
	id := c.redact(checkedRequestID(a.header.Get(profile.Headers.RequestID)))
	failure.Err = c.addRequest(id, errors.New(text))
	return failure
}

// parse returns the code and the message in the JSON body of an error answer. If the body is malformed, parse returns what
// it could read before the fault, or nothing. Load balancers answer in HTML (claimed), and a body may be cut off.
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

// An errorClass is the result of classifying an error answer.
type errorClass struct {
	kind domain.Kind
	hint string // advice for the user; may be empty
}

// classify returns the class of an answer whose status is not 200. It uses the status, the code and the headers, never the
// message. It treats an unknown status like the first status of its hundred (418 like 400), and a status below 100 or above
// 599 like a server error (RFC 9110, section 15). If the API refuses a cursor, it answers 400 with a code that begins with
// CursorPrefix (several people claim this).
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
		return errorClass{domain.Invalid, "set API_BASE_URL to the address that the server redirects to: " +
			"pawl does not send the API key there by itself"}
	case status >= 200:
		return errorClass{kind: domain.BadPage}
	}
	return errorClass{domain.Invalid, "check API_BASE_URL: the server there does not answer as an HTTP API does"}
}

// adjustForCursor returns the class of an answer to a request that had a cursor. A 400, 410 or 422 then means that the API
// does not accept the cursor, whatever the code says. If something else is wrong with the request, the request for the head,
// which has no cursor, shows it. A 404 does not count as a refused cursor: a proxy may answer 404 for a moment, and to read
// from the head again is expensive.
func (c errorClass) adjustForCursor(status int) errorClass {
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

// isRateLimited reports whether an answer refuses the request because of the rate limit. Every 429 does. A 503 does if it
// has a Retry-After. A 403 does if it has a Retry-After or if no request is left, because some APIs use 403 for this.
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

// classifyBadRequest returns the class of a 400 or a 410, which depends on the code.
func (n ErrorBodyNames) classifyBadRequest(code string) errorClass {
	switch {
	case n.CursorExpired != "" && code == n.CursorExpired:
		return errorClass{kind: domain.CursorExpired}
	case n.CursorPrefix != "" && strings.HasPrefix(code, n.CursorPrefix):
		return errorClass{kind: domain.CursorInvalid}
	}
	return errorClass{domain.Invalid, "the API does not accept the request: check the page size and API_BASE_URL"}
}
