package datasync

import (
	"errors"
	"net"
	"net/url"
	"strings"

	"github.com/pawldata/pawl/internal/domain"
)

// NormalizeBaseURL returns the one form of an API's address, so that two spellings of it are the same origin: scheme
// and host in lower case, no default port, no trailing slash. The path keeps its case and its escapes. Anything but
// http or https with a host, or with user, query or fragment, is Invalid; the error does not repeat the address, which
// may hold a secret. Normalizing twice changes nothing.
func NormalizeBaseURL(address string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil {
		return "", badBaseURL("it is not a URL")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https": // url.Parse has put it in lower case
		return "", badBaseURL("it does not begin with http:// or https://")
	case u.Hostname() == "":
		return "", badBaseURL("it has no host")
	case u.User != nil:
		return "", badBaseURL("it holds a user or a password")
	case u.RawQuery != "" || u.ForceQuery:
		return "", badBaseURL("it has a query (?)")
	case strings.Contains(address, "#"):
		return "", badBaseURL("it has a fragment (#)")
	}
	return u.Scheme + "://" + normalHost(u) + strings.TrimRight(u.EscapedPath(), "/"), nil
}

func normalHost(u *url.URL) string {
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

func badBaseURL(why string) error {
	return &domain.Error{
		Kind: domain.Invalid, Op: "read the API's address", Err: errors.New(why),
		Hint: "set API_BASE_URL to the API's address, like https://host/api/v1",
	}
}
