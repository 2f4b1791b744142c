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
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	maxHeaderBytes = 64 << 10
	// maxErrorBytes is how much of the body of an error answer is read. That is enough for a code and a message.
	maxErrorBytes = 64 << 10
	// firstBufferBytes is the size of the first buffer for a body of unknown length. The buffer doubles when it is full.
	firstBufferBytes = 256 << 10
)

var (
	errTimeout  = errors.New("the request's own timeout") // only the cause of a context's end; send never returns it
	errTooLarge = errors.New("the body is too large")
	errProxy    = errors.New("the proxy setting in the environment cannot be used")
)

// An answer is one HTTP response with its body.
type answer struct {
	status     int
	header     http.Header
	body       []byte // decompressed; if the status is not 200, only its beginning
	sentAt     time.Time
	receivedAt time.Time // the time when the headers arrived
}

// send sends one request and reads the answer. It returns an error if no answer arrives, or if a page's body is incomplete or
// too large. In the second case the answer has a status and headers too. An answer with an error status is not an error here, even
// if its body is incomplete.
func (c *Client) send(ctx context.Context, req domain.PageRequest) (answer, error) {
	timedCtx, cancel := context.WithTimeoutCause(ctx, c.cfg.Timeout, errTimeout)
	defer cancel()
	request, err := c.newRequest(timedCtx, req)
	if err != nil {
		return answer{}, &domain.Error{
			Kind: domain.Invalid, Code: domain.CodeSettingInvalid, Op: opFetch, Unsent: true, Err: c.addRequestInfo("", err),
		}
	}
	// The client does not use http.Client, because RoundTrip returns a redirect as an answer and stores no cookies.
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return answer{}, c.networkError(ctx, timedCtx, err)
	}
	defer response.Body.Close() //nolint:errcheck // the body was read, or send returns another error
	a := answer{status: response.StatusCode, header: response.Header, receivedAt: time.Now()}
	if a.status != http.StatusOK {
		a.body, _ = io.ReadAll(io.LimitReader(response.Body, maxErrorBytes)) // if the body cannot be read, the status is enough
		if ctx.Err() != nil {
			return answer{}, c.networkError(ctx, timedCtx, ctx.Err())
		}
		return a, nil
	}
	if a.body, err = readBody(response, c.cfg.MaxPageBytes, c.bodies.take()); err != nil {
		return a, c.networkError(ctx, timedCtx, err)
	}
	return a, nil
}

func (c *Client) newRequest(ctx context.Context, req domain.PageRequest) (*http.Request, error) {
	profile := &c.cfg.Profile
	target := c.events
	query := target.Query()
	if req.Limit > 0 {
		query.Set(profile.LimitParam, strconv.Itoa(profile.clampLimit(req.Limit)))
	}
	if req.Cursor != "" {
		query.Set(profile.CursorParam, string(req.Cursor))
	}
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	// If a reused connection turns out to be closed, net/http sends a GET again by itself, and the governor does not count the second
	// request. net/http does not do this if it cannot rewind the request's body. It cannot rewind this one.
	request.Body = io.NopCloser(strings.NewReader(""))
	request.Header.Set("Accept", "application/json")
	// A cache must not answer by itself, because an old answer has old records and an old quota.
	request.Header.Set("Cache-Control", "no-cache")
	request.Header.Set("User-Agent", c.cfg.UserAgent)
	if c.cfg.APIKey != "" {
		request.Header.Set(profile.KeyHeader, c.cfg.APIKey)
	}
	return request, nil
}

// newTransport returns a copy of http.DefaultTransport, so that later changes to http.DefaultTransport do not affect it.
func newTransport() *http.Transport {
	defaults, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		defaults = &http.Transport{}
	}
	transport := defaults.Clone()
	transport.MaxResponseHeaderBytes = maxHeaderBytes
	// The transport does not use HTTP/2: over HTTP/2, net/http sends a request again by itself if the server has refused it, and the
	// governor would not count that request. HTTP/2 is no faster for one request at a time.
	transport.Protocols = &http.Protocols{}
	transport.Protocols.SetHTTP1(true)
	transport.Proxy = func(r *http.Request) (*url.URL, error) {
		proxy, err := http.ProxyFromEnvironment(r)
		if err != nil {
			return nil, errProxy // err repeats the setting, which may have a password
		}
		return proxy, nil
	}
	return transport
}

// readBody reads a body into one buffer, which the page's records share. If the body has more than maxBytes, it returns
// errTooLarge. The buffer is never larger than maxBytes+1. It is memory, if the body fits into that.
func readBody(response *http.Response, maxBytes int64, memory []byte) ([]byte, error) {
	if response.ContentLength > maxBytes {
		return nil, fmt.Errorf("%w: %d bytes announced, %d allowed", errTooLarge, response.ContentLength, maxBytes)
	}
	// The buffer has one byte more than the announced length, so that Read can report the end before the buffer is full. It
	// may have one byte more than maxBytes, so that a body that is too large can be recognized.
	size := response.ContentLength + 1
	if response.ContentLength < 0 {
		size = firstBufferBytes
	}
	body := memory[:0]
	if int64(cap(body)) < min(size, maxBytes+1) {
		body = make([]byte, 0, min(size, maxBytes+1))
	}
	for {
		n, err := response.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > maxBytes:
			return nil, fmt.Errorf("%w: more than %d bytes", errTooLarge, maxBytes)
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, err
		case len(body) == cap(body):
			grown := make([]byte, len(body), min(2*int64(cap(body)), maxBytes+1))
			copy(grown, body)
			body = grown
		}
	}
}

// A bodyMemory holds the buffers of pages that were released, so that later bodies can use them. Its methods may be called from several
// goroutines.
type bodyMemory struct{ pool sync.Pool }

// take returns the buffer of a released page, or nil.
func (m *bodyMemory) take() []byte {
	if body, ok := m.pool.Get().(*[]byte); ok {
		return *body
	}
	return nil
}

// put keeps a buffer, which nothing may use any more.
func (m *bodyMemory) put(body []byte) { m.pool.Put(&body) }

// networkError returns the classified error for a request without a complete answer, because of err. callerCtx is the context
// that the caller gave to FetchPage. timedCtx is derived from it and also ends with the client's own timeout.
func (c *Client) networkError(callerCtx, timedCtx context.Context, err error) error {
	failure := &domain.Error{Kind: domain.Transient, Code: domain.CodeAPIUnreachable, Op: opFetch}
	switch {
	case callerCtx.Err() != nil:
		failure.Kind, failure.Code, err = domain.Stopped, domain.CodeStopped, callerCtx.Err()
	case errors.Is(context.Cause(timedCtx), errTimeout):
		err = fmt.Errorf("no complete answer within %s", c.cfg.Timeout)
	case errors.Is(err, errTooLarge):
		failure.Kind, failure.Code = domain.BadPage, domain.CodeAPIPageTooLarge
		failure.Remedy = domain.LargerPages
	case isCorrupt(err):
		failure.Kind, failure.Code = domain.BadPage, domain.CodeAPIBadPage
	case errors.Is(err, errProxy):
		failure.Kind, failure.Code = domain.Invalid, domain.CodeProxyFailed
		failure.Hint = "correct or unset HTTP_PROXY and HTTPS_PROXY"
	case isUntrusted(err):
		failure.Kind, failure.Code = domain.Invalid, domain.CodeAPICertificateUntrusted
		failure.Hint = "check that API_BASE_URL names the right host, and that this machine trusts its certificate"
	case isPlainHTTP(err):
		failure.Kind, failure.Code = domain.Invalid, domain.CodeAPIWrongAddress
		failure.Hint = "the server speaks plain HTTP; check whether API_BASE_URL should begin with http://"
	case isUnknownHost(err):
		failure.Hint = "if this persists, check the host in API_BASE_URL"
	}
	failure.Err = c.addRequestInfo("", err)
	return failure
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

func isUnknownHost(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}
