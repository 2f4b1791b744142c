package datasync_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

// TestFetchPage_Timeout checks that the client ends a request that takes too long, and a body that pauses for a third of that time. The
// error says what was missing. The deadline of the caller ends a request too.
func TestFetchPage_Timeout(t *testing.T) {
	t.Parallel()
	const timeout, maxPause, callerTimeout = 60 * time.Second, 20 * time.Second, 3 * time.Second
	const beginning = `{"data":[`
	ok, failed := http.StatusOK, http.StatusInternalServerError
	for _, tt := range []struct {
		name      string
		status    int           // 0: there is no answer
		beginning string        // the part of the body that comes at once
		pause     time.Duration // from one byte of the body to the next; 0: the body stops after its beginning
		want      time.Duration // when the client ends the request
		wantText  string
	}{
		{name: "no answer", want: timeout, wantText: "no answer within 1m0s"},
		{name: "page does not begin", status: ok, want: maxPause, wantText: "the answer stopped after 0 bytes"},
		{name: "page stops", status: ok, beginning: beginning, want: maxPause, wantText: "the answer stopped after 9 bytes: no more came for 20s"},
		{
			name: "page pauses a bit too long", status: ok, beginning: beginning, pause: maxPause + 1, want: maxPause,
			wantText: "stopped after 9 bytes",
		},
		{
			name: "page trickles", status: ok, beginning: beginning, pause: 7 * time.Second, want: timeout,
			wantText: "the answer is too slow: 17 bytes within 1m0s, and not complete", // 9 and, after 56 s, 8
		},
		{name: "error body stops", status: failed, want: maxPause, wantText: "HTTP 500"},
		{name: "error body trickles", status: failed, pause: time.Second, want: timeout, wantText: "HTTP 500"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := newClient(t, func(c *datasync.Config) {
					c.Timeout = timeout
					c.Transport = roundTripFunc(func(r *http.Request) (*http.Response, error) {
						return answerSlowly(r.Context(), tt.status, tt.beginning, tt.pause)
					})
				})
				began := time.Now()
				_, err := client.FetchPage(t.Context(), domain.PageRequest{})
				took := time.Since(began)
				if domain.KindOf(err) != domain.Transient || !strings.Contains(err.Error(), tt.wantText) || took != tt.want {
					t.Errorf("own timeout: got error %v after %s, want Transient with %q after %s", err, took, tt.wantText, tt.want)
				}
				ctx, cancel := context.WithTimeout(t.Context(), callerTimeout)
				defer cancel()
				began = time.Now()
				_, err = client.FetchPage(ctx, domain.PageRequest{})
				took = time.Since(began)
				if domain.KindOf(err) != domain.Stopped || domain.AsError(err).Unsent || took != callerTimeout {
					t.Errorf("caller's deadline: got error %v after %s, want Stopped for a sent request after %s", err, took, callerTimeout)
				}
			})
		})
	}
}

// TestFetchPage_PausingBody checks that a body may pause several times, if no pause is too long.
func TestFetchPage_PausingBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const pause = 19 * time.Second
		parts := []string{lastPage[:5], lastPage[5:20], lastPage[20:]}
		client := newClient(t, func(c *datasync.Config) {
			c.Timeout = time.Minute
			c.Transport = roundTripFunc(func(r *http.Request) (*http.Response, error) {
				return newResponse(http.StatusOK, readerFunc(func(p []byte) (int, error) {
					if len(parts) == 0 {
						return 0, io.EOF
					}
					if err := wait(r.Context(), pause); err != nil {
						return 0, err
					}
					n := copy(p, parts[0])
					parts = parts[1:]
					return n, nil
				})), nil
			})
		})
		if _, err := client.FetchPage(t.Context(), domain.PageRequest{}); err != nil {
			t.Errorf("got error %v, want none", err)
		}
	})
}

// answerSlowly returns an answer whose body has this beginning at once. Then it has one byte after each pause; if pause is 0, no byte
// comes. If status is 0, answerSlowly itself blocks until ctx ends, and returns the error of ctx.
func answerSlowly(ctx context.Context, status int, beginning string, pause time.Duration) (*http.Response, error) {
	if status == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	trickle := readerFunc(func(p []byte) (int, error) {
		if err := wait(ctx, pause); err != nil {
			return 0, err
		}
		p[0] = ' '
		return 1, nil
	})
	return newResponse(status, io.MultiReader(strings.NewReader(beginning), trickle)), nil
}

// wait waits for d, or for ever if d is 0. If ctx ends before, it returns the error of ctx.
func wait(ctx context.Context, d time.Duration) error {
	var over <-chan time.Time // nil: never
	if d > 0 {
		over = time.After(d)
	}
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
