package datasync

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/pawldata/pawl/internal/domain"
)

const maxHeaderBytes = 64 << 10

var errProxy = errors.New("the proxy setting in the environment cannot be used")

// newTransport returns a transport of the client's own, so that nobody else's settings reach it.
func newTransport() http.RoundTripper {
	shared, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		shared = &http.Transport{}
	}
	own := shared.Clone()
	own.MaxResponseHeaderBytes = maxHeaderBytes
	// One request at a time gains nothing from HTTP/2, where one that must not be sent again could not look like a plain
	// GET; see request.
	own.Protocols = &http.Protocols{}
	own.Protocols.SetHTTP1(true)
	own.Proxy = func(r *http.Request) (*url.URL, error) {
		proxy, err := http.ProxyFromEnvironment(r)
		if err != nil {
			return nil, errProxy // the cause repeats the setting, which may hold a password
		}
		return proxy, nil
	}
	return own
}

// unanswered classifies an exchange that brought no whole answer, by the error's type. caller is the context FetchPage
// was given, timed the one that also ends with the client's own timeout.
func (c *Client) unanswered(caller, timed context.Context, err error) error {
	failure := &domain.Error{Kind: domain.Transient, Op: opFetch}
	switch {
	case caller.Err() != nil:
		failure.Kind, err = domain.Stopped, caller.Err()
	case errors.Is(context.Cause(timed), errTimeout):
		err = fmt.Errorf("no whole answer within %s", c.cfg.Timeout)
	case errors.Is(err, errOversize):
		failure.Kind = domain.BadPage
		failure.Remedy = domain.LargerPages
	case isCorrupt(err):
		failure.Kind = domain.BadPage
	case errors.Is(err, errProxy):
		failure.Kind = domain.Invalid
		failure.Hint = "mend or unset HTTP_PROXY and HTTPS_PROXY"
	case isUntrusted(err):
		failure.Kind = domain.Invalid
		failure.Hint = "check that API_BASE_URL names the right host, and that this machine trusts its certificate"
	case isPlainHTTP(err):
		failure.Kind = domain.Invalid
		failure.Hint = "the server speaks plain HTTP; check whether API_BASE_URL should begin with http://"
	case isUnknownHost(err):
		failure.Hint = "if it persists, check the host in API_BASE_URL"
	}
	failure.Err = c.about("", err)
	return failure
}

func isCorrupt(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.As(err, &corrupt) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum)
}

func isUntrusted(err error) bool {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return untrusted
}

// isPlainHTTP tells whether the server answered the TLS handshake in HTTP.
func isPlainHTTP(err error) bool {
	noTLS, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok && string(noTLS.RecordHeader[:]) == "HTTP/"
}

func isUnknownHost(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}
