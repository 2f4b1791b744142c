package datasync

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/pawldata/pawl/internal/domain"
)

// NormalizeBaseURL returns the normal form of an API's base URL, so that two spellings of one base URL give the same source
// URL. In the normal form, the scheme and the host are in lower case, and the default port and trailing slashes are removed.
// The path keeps its case and its escapes. A URL in normal form stays as it is.
//
// rawURL must be an http or https URL that has a host, and no user, query or fragment. Otherwise NormalizeBaseURL returns an
// Invalid error. The error does not repeat the URL, because the URL may contain a secret.
func NormalizeBaseURL(rawURL string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(rawURL))
	if err != nil {
		return "", baseURLError("it is not a URL")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https": // url.Parse has put the scheme into lower case
		return "", baseURLError("it does not begin with http:// or https://")
	case u.Hostname() == "":
		return "", baseURLError("it has no host")
	case !isPort(u.Port()):
		return "", baseURLError("its port is not a number from 1 to 65535")
	case u.User != nil:
		return "", baseURLError("it has a user or a password")
	case u.RawQuery != "" || u.ForceQuery: // ForceQuery is true for a "?" with nothing after it
		return "", baseURLError("it has a query (?)")
	case strings.Contains(rawURL, "#"): // u.Fragment would be empty for a "#" with nothing after it
		return "", baseURLError("it has a fragment (#)")
	}
	return u.Scheme + "://" + normalizeHost(u) + strings.TrimRight(u.EscapedPath(), "/"), nil
}

// normalizeHost returns the host of u in lower case. It adds the port if that is not the default port of the scheme.
func normalizeHost(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	isDefaultPort := port == "" || u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443"
	if !isDefaultPort {
		return net.JoinHostPort(host, port)
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]" // an IPv6 address
	}
	return host
}

// isPort reports whether port can be the port of a server. An empty port is the default one. url.Parse has checked that there are only digits.
func isPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

func baseURLError(reason string) error {
	return &domain.Error{
		Kind: domain.Invalid, Code: domain.CodeSettingInvalid, Op: "read the API's address", Err: errors.New(reason),
		Hint: "set API_BASE_URL to the API's address, like https://host/api/v1",
	}
}
