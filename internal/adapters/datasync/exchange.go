package datasync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	// maxRefusalBytes bounds what is read of an error's body: enough for a code and a message.
	maxRefusalBytes = 64 << 10
	// firstBuffer is the room for a body whose length is not announced; it doubles as the body goes on.
	firstBuffer = 256 << 10
)

var (
	errTimeout  = errors.New("the request's own timeout")
	errOversize = errors.New("the body is over its bound")
)

// An answer is one HTTP answer, read whole.
type answer struct {
	status int
	header http.Header
	body   []byte    // decompressed; for an error its beginning
	at     time.Time // when the headers had arrived
}

// ask sends one request and reads the answer. An answer with an error's status is an answer; an error is one of the way
// there and back.
func (c *Client) ask(ctx context.Context, req domain.PageRequest) (answer, error) {
	timed, cancel := context.WithTimeoutCause(ctx, c.cfg.Timeout, errTimeout)
	defer cancel()
	request, err := c.request(timed, req)
	if err != nil {
		return answer{}, &domain.Error{Kind: domain.Invalid, Op: opFetch, Unsent: true, Err: c.about("", err)}
	}
	// RoundTrip, not http.Client: a redirect is an answer here, and there are no cookies.
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return answer{}, c.unanswered(ctx, timed, err)
	}
	defer response.Body.Close() //nolint:errcheck // the answer is read or given up by then
	a := answer{status: response.StatusCode, header: response.Header, at: time.Now()}
	if a.status != http.StatusOK {
		a.body, _ = io.ReadAll(io.LimitReader(response.Body, maxRefusalBytes)) // the status has said what matters
		if ctx.Err() != nil {
			return answer{}, c.unanswered(ctx, timed, ctx.Err())
		}
		return a, nil
	}
	if a.body, err = readBody(response, c.cfg.MaxPageBytes); err != nil {
		return answer{}, c.unanswered(ctx, timed, err)
	}
	return a, nil
}

func (c *Client) request(ctx context.Context, req domain.PageRequest) (*http.Request, error) {
	names := &c.cfg.Profile
	target := c.events
	query := target.Query()
	if req.Limit > 0 {
		query.Set(names.LimitParam, strconv.Itoa(names.limit(req.Limit)))
	}
	if req.Cursor != "" {
		query.Set(names.CursorParam, string(req.Cursor))
	}
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	// net/http sends a GET anew by itself when a kept-alive connection turns out to be dead. A body that it cannot
	// rewind, though empty, keeps it from that: one attempt is one request, or the rate limit is counted wrong.
	request.Body = io.NopCloser(strings.NewReader(""))
	request.Header.Set("Accept", "application/json")
	// A cache on the way must ask the API: a page that it kept tells neither what is new nor what is left of the quota.
	request.Header.Set("Cache-Control", "no-cache")
	request.Header.Set("User-Agent", c.cfg.UserAgent)
	if c.cfg.APIKey != "" {
		request.Header.Set(names.KeyHeader, c.cfg.APIKey)
	}
	return request, nil
}

// readBody reads a body of at most bound bytes into one buffer, which the page's records go on to share. The buffer
// never has room for more than one byte above bound.
func readBody(response *http.Response, bound int64) ([]byte, error) {
	if response.ContentLength > bound {
		return nil, fmt.Errorf("%w: %d bytes announced, %d allowed", errOversize, response.ContentLength, bound)
	}
	// One byte more than announced lets the end be seen without growing, and one more than allowed the excess.
	size := response.ContentLength + 1
	if response.ContentLength < 0 {
		size = firstBuffer
	}
	body := make([]byte, 0, min(size, bound+1))
	for {
		n, err := response.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > bound:
			return nil, fmt.Errorf("%w: more than %d bytes", errOversize, bound)
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, err
		case len(body) == cap(body):
			grown := make([]byte, len(body), min(2*int64(cap(body)), bound+1))
			copy(grown, body)
			body = grown
		}
	}
}
