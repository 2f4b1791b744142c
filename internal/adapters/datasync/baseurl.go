package datasync

import (
	"errors"
	"net"
	"net/url"
	"strings"

	"github.com/pawldata/pawl/internal/domain"
)

// NormalizeBaseURL returns the normal form of an API's base URL, so that all spellings of it give the same source URL. The
// scheme and the host are in lower case; there is no default port and no trailing slash. Case and escapes of the path stay.
// Normalizing twice changes nothing.
//
// NormalizeBaseURL returns an Invalid error unless rawURL is an http or https URL with a host and without a user, query or
// fragment. The error does not repeat the URL, which may have a secret.
func NormalizeBaseURL(rawURL string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(rawURL))
	if err != nil {
		return "", baseURLError("it is not a URL")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https": // url.Parse returns it in lower case
		return "", baseURLError("it does not begin with http:// or https://")
	case u.Hostname() == "":
		return "", baseURLError("it has no host")
	case u.User != nil:
		return "", baseURLError("it has a user or a password")
	case u.RawQuery != "" || u.ForceQuery:
		return "", baseURLError("it has a query (?)")
	case strings.Contains(rawURL, "#"):
		return "", baseURLError("it has a fragment (#)")
	}
	return u.Scheme + "://" + normalizeHost(u) + strings.TrimRight(u.EscapedPath(), "/"), nil
}

func normalizeHost(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	isDefault := port == "" || u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443"
	if !isDefault {
		return net.JoinHostPort(host, port)
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]" // an IPv6 address
	}
	return host
}

func baseURLError(reason string) error {
	return &domain.Error{
		Kind: domain.Invalid, Op: "read the API's address", Err: errors.New(reason),
		Hint: "set API_BASE_URL to the API's address, like https://host/api/v1",
	}
}
