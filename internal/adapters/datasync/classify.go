package datasync

import (
	"net/http"
	"strings"

	"github.com/pawldata/pawl/internal/domain"
)

// A verdict is what a refusal means, and what the user can do about it.
type verdict struct {
	kind domain.Kind
	hint string
}

// classify decides by status, code and headers, never by a message, and has an answer for every status but 200.
// A status it does not know counts as the first of its class, one outside 100 to 599 as a server's error (RFC 9110,
// section 15). A cursor is refused with 400 and a code that begins with CursorPrefix (claimed by several).
func (n RefusalNames) classify(status int, code string, headers rateHeaders) verdict {
	switch {
	case isRefusal(status, headers):
		return verdict{kind: domain.RateLimited}
	case status < 100 || status >= 500:
		return verdict{kind: domain.Transient}
	case status == http.StatusBadRequest || status == http.StatusGone:
		return n.badRequest(code)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return verdict{domain.Unauthorized, "check API_KEY: the API does not accept it"}
	case status == http.StatusRequestTimeout || status == http.StatusTooEarly:
		return verdict{kind: domain.Transient}
	case status == http.StatusNotFound:
		return verdict{domain.Invalid, "check API_BASE_URL: nothing is served at this address"}
	case status == http.StatusProxyAuthRequired:
		return verdict{domain.Invalid, "check the user and password in HTTP_PROXY or HTTPS_PROXY"}
	case status >= 400 || status == http.StatusNotModified:
		return verdict{domain.Invalid, "check API_BASE_URL: what it names does not take such a request"}
	case status >= 300:
		return verdict{domain.Invalid, "set API_BASE_URL to the address it redirects to: the API key is not sent on"}
	case status >= 200:
		return verdict{kind: domain.BadPage}
	}
	return verdict{domain.Invalid, "check API_BASE_URL: the server there does not speak plain HTTP"}
}

// isRefusal reports whether an answer refuses for the rate limit: 429 always, 503 when it says when to come back, and 403
// when it says so or that no request is left, as some APIs do.
func isRefusal(status int, headers rateHeaders) bool {
	saysWhen := !headers.retryAfter.IsZero()
	switch status {
	case http.StatusTooManyRequests:
		return true
	case http.StatusServiceUnavailable:
		return saysWhen
	case http.StatusForbidden:
		return saysWhen || headers.usedUp()
	default:
		return false
	}
}

func (n RefusalNames) badRequest(code string) verdict {
	switch {
	case n.CursorExpired != "" && code == n.CursorExpired:
		return verdict{kind: domain.CursorExpired}
	case n.CursorPrefix != "" && strings.HasPrefix(code, n.CursorPrefix):
		return verdict{kind: domain.CursorInvalid}
	}
	return verdict{domain.Invalid, "the API does not take the request; check the page size and API_BASE_URL"}
}
