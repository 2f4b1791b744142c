package datasync

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// proxyPasswordHint is the advice for a proxy that answers 407.
const proxyPasswordHint = "check the user and password in HTTP_PROXY or HTTPS_PROXY"

// answerError returns the classified error for an answer to req whose status is not 200. retryAt is used only if the API refused
// the request because of the rate limit. It is the time to send the request again, or zero if this time is unknown.
func (c *Client) answerError(req domain.PageRequest, a answer, headers rateHeaders, retryAt time.Time) error {
	profile := &c.cfg.Profile
	code, message := profile.ErrorBody.parse(a.body)
	class := profile.ErrorBody.classify(a.status, code, headers)
	if req.Cursor != "" {
		class = class.adjustForCursor(a.status)
	}
	failure := &domain.Error{Kind: class.kind, Code: class.code, Op: opFetch, Hint: class.hint, Status: a.status}
	if class.kind == domain.RateLimited {
		failure.Until = retryAt
	}
	text := fmt.Sprintf("HTTP %d", a.status)
	if name := http.StatusText(a.status); name != "" {
		text += " " + name
	}
	if code != "" {
		text += ", code " + c.secrets.excerpt(code)
	}
	if message != "" {
		text += ", message " + c.secrets.excerpt(message)
	}
	if a.status/100 == 3 {
		target := c.redirectTarget(a.header.Get("Location"))
		text += ", redirects to " + excerptOf(target, maxAddressBytes)
		if base, isEndpoint := strings.CutSuffix(target, profile.EventsPath); isEndpoint && class.code == domain.CodeAPIWrongAddress {
			failure.Hint = "set API_BASE_URL to " + excerptOf(base, maxAddressBytes) + ": pawl does not send the API key there by itself"
		}
	}
	id := c.secrets.redact(checkedRequestID(a.header.Get(profile.Headers.RequestID)))
	failure.Err = c.addRequestInfo(id, errors.New(text))
	return failure
}

// redirectTarget returns the address that an answer redirects to, without its user, query and fragment, because these may contain
// secrets, and without the API key. location is the header of the answer; it may be relative to the request's URL.
func (c *Client) redirectTarget(location string) string {
	target, err := c.events.Parse(c.secrets.redact(location))
	if location == "" || err != nil {
		return "an address that is not a URL"
	}
	target.User, target.RawQuery, target.Fragment = nil, "", ""
	return c.secrets.redact(target.String())
}

// parse returns the code and the message in the JSON body of an error answer. If the body is malformed, parse returns the parts
// that it has read before the fault. Both can be empty. A body may be cut off, and some people report that load balancers answer
// in HTML.
func (f ErrorBodyFormat) parse(body []byte) (code, message string) {
	s := newScanner(body)
	_ = s.readObject(func(name string) error {
		value, err := s.readValue()
		switch {
		case err != nil:
			return err
		case name == f.Code:
			code = shortText(value)
		case name == f.Message:
			message = shortText(value)
		}
		return nil
	})
	return code, message
}

// An errorClass is the result of classifying an error answer.
type errorClass struct {
	kind domain.Kind
	code domain.Code
	hint string // advice for the user; may be empty
}

// classify returns the class of an answer whose status is not 200. It uses the status, the code and the headers, never the
// message. The code matters only for 400 and 410: several people report that the API refuses a cursor with 400 and a code that
// begins with CursorCodePrefix.
//
// A status that has no case of its own is treated by its first digit. For example, 418 is Invalid, as other 4xx are. A status
// below 100 or above 599 is treated as a server error (RFC 9110, section 15).
func (f ErrorBodyFormat) classify(status int, code string, headers rateHeaders) errorClass {
	switch {
	case isRateLimited(status, headers):
		return errorClass{kind: domain.RateLimited, code: domain.CodeRateLimited}
	case status < 100 || status >= 500:
		return errorClass{kind: domain.Transient, code: domain.CodeAPIServerError}
	case status == http.StatusBadRequest || status == http.StatusGone:
		return f.classifyBadRequest(code)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return errorClass{domain.Unauthorized, domain.CodeAPIKeyRefused, "check API_KEY: the API does not accept it"}
	case status == http.StatusRequestTimeout || status == http.StatusTooEarly:
		return errorClass{kind: domain.Transient, code: domain.CodeAPIServerError}
	case status == http.StatusNotFound:
		return errorClass{domain.Invalid, domain.CodeAPIWrongAddress, "check API_BASE_URL: there is nothing at this address"}
	case status == http.StatusProxyAuthRequired:
		return errorClass{domain.Invalid, domain.CodeProxyFailed, proxyPasswordHint}
	// A 304 is not a redirect. It answers a conditional request, but pawl sends no such request.
	case status >= 400 || status == http.StatusNotModified:
		return errorClass{domain.Invalid, domain.CodeAPIRequestRefused, "check API_BASE_URL: the server there does not accept this request"}
	case status >= 300:
		return errorClass{domain.Invalid, domain.CodeAPIWrongAddress, "set API_BASE_URL to the address that the server redirects to: " +
			"pawl does not send the API key there by itself"}
	case status >= 200:
		return errorClass{kind: domain.BadPage, code: domain.CodeAPIBadPage}
	}
	return errorClass{domain.Invalid, domain.CodeAPIWrongAddress, "check API_BASE_URL: the server there does not answer as an HTTP API does"}
}

// adjustForCursor returns the class of an answer to a request that had a cursor. If c is Invalid and the status is 400, 410 or
// 422, it returns CursorExpired or CursorInvalid, even if the code of the answer does not name the cursor. The runner then
// requests the first page of the stream, without a cursor. If something else was wrong with the request, this next request
// fails too, and its error says the real reason.
//
// A 404 does not count as a refused cursor. A proxy may answer 404 for a moment, and it is expensive to read the stream from
// its head again.
func (c errorClass) adjustForCursor(status int) errorClass {
	if c.kind != domain.Invalid {
		return c
	}
	switch status {
	case http.StatusGone:
		return errorClass{kind: domain.CursorExpired, code: domain.CodeCursorLost}
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return errorClass{kind: domain.CursorInvalid, code: domain.CodeCursorLost}
	}
	return c
}

// isRateLimited reports whether an answer refuses the request because of the rate limit. A 429 always means this. A 503 means it
// if the answer has a Retry-After. A 403 means it if the answer has a Retry-After or reports that no request is left, because
// some APIs answer 403 instead of 429.
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

// classifyBadRequest returns the class of an answer with status 400 or 410. The class depends on the code.
func (f ErrorBodyFormat) classifyBadRequest(code string) errorClass {
	switch {
	case f.ExpiredCode != "" && code == f.ExpiredCode:
		return errorClass{kind: domain.CursorExpired, code: domain.CodeCursorLost}
	case f.CursorCodePrefix != "" && strings.HasPrefix(code, f.CursorCodePrefix):
		return errorClass{kind: domain.CursorInvalid, code: domain.CodeCursorLost}
	}
	return errorClass{domain.Invalid, domain.CodeAPIRequestRefused, "the API does not accept the request: check the page size and API_BASE_URL"}
}
