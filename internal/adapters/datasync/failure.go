package datasync

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/pawldata/pawl/internal/domain"
)

// networkError returns the classified error for a request without a complete answer, because of err. callerCtx is the context that the
// caller gave to FetchPage. requestCtx is derived from it; it also ends with the client's own timeout, and when the body pauses for too
// long. body is nil if no headers arrived.
func (c *Client) networkError(callerCtx, requestCtx context.Context, body *watchedBody, err error) error {
	failure := &domain.Error{Kind: domain.Transient, Code: domain.CodeAPIUnreachable, Op: opFetch}
	proxy, isFromProxy := errors.AsType[proxyError](err)
	switch {
	case callerCtx.Err() != nil:
		failure.Kind, failure.Code, err = domain.Stopped, domain.CodeStopped, callerCtx.Err()
	case context.Cause(requestCtx) != nil:
		err = c.timeoutError(context.Cause(requestCtx), body)
	case errors.Is(err, errTooLarge):
		failure.Kind, failure.Code = domain.BadPage, domain.CodeAPIPageTooLarge
		failure.Remedy = domain.LargerPages
	case isCorrupt(err):
		failure.Kind, failure.Code = domain.BadPage, domain.CodeAPIBadPage
		err = fmt.Errorf("the compressed body is damaged: %w", err)
	case errors.Is(err, errProxy):
		failure.Kind, failure.Code = domain.Invalid, domain.CodeProxyFailed
		failure.Hint = "correct or unset HTTP_PROXY and HTTPS_PROXY"
	case isFromProxy && proxy == http.StatusProxyAuthRequired:
		failure.Kind, failure.Code = domain.Invalid, domain.CodeProxyFailed
		failure.Hint = proxyPasswordHint
	case isUntrusted(err):
		failure.Kind, failure.Code = domain.Invalid, domain.CodeAPICertificateUntrusted
		failure.Hint = "check that API_BASE_URL names the right host, and that this machine trusts its certificate"
	case isPlainHTTP(err):
		failure.Kind, failure.Code = domain.Invalid, domain.CodeAPIWrongAddress
		failure.Hint = "the server speaks plain HTTP; check whether API_BASE_URL should begin with http://"
	case isOfProxyConnection(err):
		failure.Hint = "if this persists, check HTTP_PROXY and HTTPS_PROXY: the proxy cannot be reached"
	case isUnknownHost(err):
		failure.Hint = "if this persists, check the host in API_BASE_URL"
	case body != nil:
		err = fmt.Errorf("the connection ended after %d bytes of the answer: %w", body.received, err)
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("the connection ended without an answer: %w", err)
	}
	failure.Err = c.addRequestInfo("", err)
	return failure
}

// timeoutError returns the error for a request that the client ended by itself. cause is errTimeout or errPause. body is nil if no
// headers arrived.
func (c *Client) timeoutError(cause error, body *watchedBody) error {
	switch {
	case body == nil:
		return fmt.Errorf("no answer within %s", c.cfg.Timeout)
	case errors.Is(cause, errPause):
		return fmt.Errorf("the answer stopped after %d bytes: no more came for %s", body.received, c.maxPause())
	default:
		return fmt.Errorf("the answer is too slow: %d bytes within %s, and not complete", body.received, c.cfg.Timeout)
	}
}

// isCorrupt reports whether err means that a compressed body is damaged.
func isCorrupt(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.As(err, &corrupt) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum)
}

// isUntrusted reports whether the server's certificate was not accepted.
func isUntrusted(err error) bool {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return untrusted
}

// isPlainHTTP reports whether the server answered the TLS handshake with HTTP.
func isPlainHTTP(err error) bool {
	noTLS, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok && string(noTLS.RecordHeader[:]) == "HTTP/"
}

// isOfProxyConnection reports whether no connection to the proxy could be opened.
func isOfProxyConnection(err error) bool {
	failure, ok := errors.AsType[*net.OpError](err)
	return ok && failure.Op == "proxyconnect"
}

func isUnknownHost(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}
