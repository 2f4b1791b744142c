package datasync

import (
	"bytes"
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

// maxRefusalBytes bounds what is read of an error's body: enough for a code and a message.
const maxRefusalBytes = 64 << 10

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
		query.Set(names.LimitParam, strconv.Itoa(min(req.Limit, names.MaxLimit)))
	}
	if req.Cursor != "" {
		query.Set(names.CursorParam, string(req.Cursor))
	}
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	// net/http sends a GET anew by itself when a kept-alive connection turns out to be dead. A body that it cannot rewind,
	// though empty, keeps it from that: one attempt is one request, or the rate limit is counted wrong.
	request.Body = io.NopCloser(strings.NewReader(""))
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", c.cfg.UserAgent)
	if c.cfg.APIKey != "" {
		request.Header.Set(names.KeyHeader, c.cfg.APIKey)
	}
	return request, nil
}

// readBody reads a body of at most bound bytes into one buffer, which the page's records go on to share.
func readBody(response *http.Response, bound int64) ([]byte, error) {
	if response.ContentLength > bound {
		return nil, fmt.Errorf("%w: %d bytes announced, %d allowed", errOversize, response.ContentLength, bound)
	}
	var body bytes.Buffer
	// One byte and bytes.MinRead more than announced let ReadFrom see the end without growing.
	body.Grow(int(max(response.ContentLength, 0)) + 1 + bytes.MinRead)
	if _, err := body.ReadFrom(io.LimitReader(response.Body, bound+1)); err != nil {
		return nil, err
	}
	if int64(body.Len()) > bound {
		return nil, fmt.Errorf("%w: more than %d bytes", errOversize, bound)
	}
	return body.Bytes(), nil
}
