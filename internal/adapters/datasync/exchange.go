package datasync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	// maxErrorBytes is how much of the body of an error answer is read. That is enough for a code and a message.
	maxErrorBytes = 64 << 10
	// firstBufferBytes is the size of the first buffer for a body of unknown length. The buffer doubles when it is full.
	firstBufferBytes = 256 << 10
	// pauseShare is the part of the timeout for which a body may pause: with a timeout of 60 s, 20 s.
	pauseShare = 3
)

// Causes of the end of a request's context. send never returns them.
var (
	errTimeout = errors.New("the request's own timeout")
	errPause   = errors.New("the body paused for too long")
)

var errTooLarge = errors.New("the body is too large")

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
	requestCtx, end := context.WithCancelCause(timedCtx)
	defer end(nil)
	request, err := c.newRequest(requestCtx, req)
	if err != nil {
		return answer{}, &domain.Error{
			Kind: domain.Invalid, Code: domain.CodeSettingInvalid, Op: opFetch, Unsent: true, Err: c.addRequestInfo("", err),
		}
	}
	// The client does not use http.Client, because RoundTrip returns a redirect as an answer and stores no cookies.
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return answer{}, c.networkError(ctx, requestCtx, nil, err)
	}
	defer response.Body.Close() //nolint:errcheck // the body was read, or send returns another error
	body := watchBody(response.Body, c.maxPause(), func() { end(errPause) })
	defer body.timer.Stop()
	a := answer{status: response.StatusCode, header: response.Header, receivedAt: time.Now()}
	if a.status != http.StatusOK {
		a.body, _ = io.ReadAll(io.LimitReader(body, maxErrorBytes)) // if the body cannot be read, the status is enough
		if ctx.Err() != nil {
			return answer{}, c.networkError(ctx, requestCtx, body, ctx.Err())
		}
		return a, nil
	}
	if a.body, err = readBody(body, response.ContentLength, c.cfg.MaxPageBytes, c.bodies.take()); err != nil {
		return a, c.networkError(ctx, requestCtx, body, err)
	}
	return a, nil
}

// maxPause returns how long a body may pause.
func (c *Client) maxPause() time.Duration { return c.cfg.Timeout / pauseShare }

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

// A watchedBody is a body that counts its bytes and notices when it pauses.
type watchedBody struct {
	body     io.Reader
	received int64 // bytes so far, decompressed
	maxPause time.Duration
	timer    *time.Timer // fires when the body has paused for too long; the owner must stop it
}

// watchBody returns a watchedBody that calls onPause if no byte comes for maxPause.
func watchBody(body io.Reader, maxPause time.Duration, onPause func()) *watchedBody {
	return &watchedBody{body: body, maxPause: maxPause, timer: time.AfterFunc(maxPause, onPause)}
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if n > 0 {
		b.received += int64(n)
		b.timer.Reset(b.maxPause)
	}
	return n, err
}

// readBody reads a body into one buffer, which the page's records share. length is the announced length, or negative. If the body has
// more than maxBytes, it returns errTooLarge. The buffer is never larger than maxBytes+1. It is memory, if the body fits into that.
func readBody(from io.Reader, length, maxBytes int64, memory []byte) ([]byte, error) {
	if length > maxBytes {
		return nil, fmt.Errorf("%w: %d bytes announced, %d allowed", errTooLarge, length, maxBytes)
	}
	// The buffer has one byte more than the announced length, so that Read can report the end before the buffer is full. It
	// may have one byte more than maxBytes, so that a body that is too large can be recognized.
	size := length + 1
	if length < 0 {
		size = firstBufferBytes
	}
	body := memory[:0]
	if int64(cap(body)) < min(size, maxBytes+1) {
		body = make([]byte, 0, min(size, maxBytes+1))
	}
	for {
		n, err := from.Read(body[len(body):cap(body)])
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
