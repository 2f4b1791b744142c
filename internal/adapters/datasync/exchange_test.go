package datasync_test

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

// newResponse returns an answer without headers. It does not announce the length of its body.
func newResponse(status int, body io.Reader) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(body), ContentLength: -1}
}

// A readerFunc is a function that serves as an io.Reader.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestFetchPage_TooLargeAfterDecompression checks that a small compressed body, which decompresses to four times the maximum
// size of a page, is read only until it is known to be too large.
func TestFetchPage_TooLargeAfterDecompression(t *testing.T) {
	t.Parallel()
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	if _, err := w.Write(make([]byte, 4*maxPageBytes)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	decompressed, err := gzip.NewReader(&compressed)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	counting := readerFunc(func(p []byte) (int, error) {
		n, err := decompressed.Read(p)
		read += n
		return n, err
	})
	client := newClient(t, func(c *datasync.Config) {
		c.Transport = roundTripFunc(func(r *http.Request) (*http.Response, error) {
			return newResponse(http.StatusOK, counting), nil
		})
	})
	_, err = client.FetchPage(t.Context(), domain.PageRequest{})
	wantText := fmt.Sprintf("more than %d bytes", maxPageBytes)
	if domain.KindOf(err) != domain.BadPage || !strings.Contains(err.Error(), wantText) {
		t.Errorf("got error %v, want BadPage with %q", err, wantText)
	}
	if got := domain.RemedyOf(err); got != domain.LargerPages {
		t.Errorf("got remedy %d, want %d (allow larger pages)", got, domain.LargerPages)
	}
	if read > maxPageBytes+1 {
		t.Errorf("got %d bytes read, want at most %d", read, maxPageBytes+1)
	}
}

// TestFetchPage_EndlessErrorBody checks that the client reads only the beginning of an error answer's body.
func TestFetchPage_EndlessErrorBody(t *testing.T) {
	t.Parallel()
	const maxRead = 128 << 10 // the client needs 64 KiB
	read := 0
	client := newClient(t, func(c *datasync.Config) {
		c.Transport = roundTripFunc(func(*http.Request) (*http.Response, error) {
			endless := readerFunc(func(p []byte) (int, error) {
				read += len(p)
				return len(p), nil
			})
			return newResponse(http.StatusInternalServerError, endless), nil
		})
	})
	if _, err := client.FetchPage(t.Context(), domain.PageRequest{}); domain.KindOf(err) != domain.Transient || read > maxRead {
		t.Errorf("got error %v after %d bytes, want Transient after at most %d", err, read, maxRead)
	}
}

// TestFetchPage_NetworkErrors checks the kind, the hint and the code of errors before an answer and within its body.
func TestFetchPage_NetworkErrors(t *testing.T) {
	t.Parallel()
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	otherHost := x509.HostnameError{Host: "h", Certificate: &x509.Certificate{}}
	tests := []struct {
		name string
		err  error
		want domain.Kind
		hint string      // a part of the hint; empty: no hint
		code domain.Code // empty: CodeAPIUnreachable
	}{
		{name: "connection refused", err: dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), want: domain.Transient},
		{name: "connection reset", err: &net.OpError{Op: "read", Err: syscall.ECONNRESET}, want: domain.Transient},
		{name: "closed without an answer", err: io.EOF, want: domain.Transient},
		{name: "body ends early", err: io.ErrUnexpectedEOF, want: domain.Transient},
		{name: "broken pipe", err: syscall.EPIPE, want: domain.Transient},
		{name: "dial timeout", err: dial(os.ErrDeadlineExceeded), want: domain.Transient},
		{name: "deadline of another context", err: context.DeadlineExceeded, want: domain.Transient},
		{
			name: "name server fails", err: dial(&net.DNSError{Err: "server misbehaving", Name: "api.test", IsTemporary: true}),
			want: domain.Transient,
		},
		{
			name: "unknown host", err: dial(&net.DNSError{Err: "no such host", Name: "api.test", IsNotFound: true}),
			want: domain.Transient, hint: "API_BASE_URL",
		},
		{
			name: "unknown authority", err: &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, want: domain.Invalid,
			hint: "certificate", code: domain.CodeAPICertificateUntrusted,
		},
		{
			name: "certificate of another host", err: &tls.CertificateVerificationError{Err: otherHost}, want: domain.Invalid,
			hint: "API_BASE_URL", code: domain.CodeAPICertificateUntrusted,
		},
		{
			name: "wrapped", err: fmt.Errorf("x: %w", &tls.CertificateVerificationError{Err: otherHost}), want: domain.Invalid,
			hint: "API_BASE_URL", code: domain.CodeAPICertificateUntrusted,
		},
		{
			name: "plain HTTP at an https URL", err: tls.RecordHeaderError{RecordHeader: [5]byte([]byte("HTTP/"))},
			want: domain.Invalid, hint: "http://", code: domain.CodeAPIWrongAddress,
		},
		{name: "neither TLS nor HTTP", err: tls.RecordHeaderError{RecordHeader: [5]byte([]byte("SSH-2"))}, want: domain.Transient},
		{name: "corrupt gzip", err: gzip.ErrChecksum, want: domain.BadPage, code: domain.CodeAPIBadPage},
		{name: "not gzip", err: gzip.ErrHeader, want: domain.BadPage, code: domain.CodeAPIBadPage},
		{name: "corrupt deflate", err: flate.CorruptInputError(7), want: domain.BadPage, code: domain.CodeAPIBadPage},
		{name: "anything else", err: errors.New("malformed HTTP response"), want: domain.Transient},
		{name: "error with the key", err: fmt.Errorf("bad header X-API-Key: %s", apiKey), want: domain.Transient},
	}
	for _, tt := range tests {
		for place, transport := range map[string]roundTripFunc{
			"before the answer": func(*http.Request) (*http.Response, error) { return nil, tt.err },
			"in the body": func(*http.Request) (*http.Response, error) {
				fails := readerFunc(func([]byte) (int, error) { return 0, asBodyError(tt.err) })
				return newResponse(http.StatusOK, io.MultiReader(strings.NewReader(`{"data":`), fails)), nil
			},
		} {
			t.Run(tt.name+" "+place, func(t *testing.T) {
				t.Parallel()
				client := newClient(t, func(c *datasync.Config) { c.Transport = transport })
				_, err := client.FetchPage(t.Context(), domain.PageRequest{Cursor: requestedCursor})
				failure := domain.AsError(err)
				code := cmp.Or(tt.code, domain.CodeAPIUnreachable)
				if failure == nil || failure.Kind != tt.want || failure.Code != code || failure.Unsent || !strings.Contains(failure.Hint, tt.hint) {
					t.Fatalf("got error %v, code %s, hint %q, want %s, %s, %q", err, domain.CodeOf(err), domain.HintOf(err), tt.want, code, tt.hint)
				}
				if tt.hint == "" && failure.Hint != "" {
					t.Errorf("got hint %q, want none", failure.Hint)
				}
				text := err.Error()
				if strings.Contains(text, apiKey) || strings.Contains(text, requestedCursor) || !strings.Contains(text, "/events") {
					t.Errorf("got error %q, want one with the URL, without the key and the cursor", err)
				}
			})
		}
	}
}

// asBodyError returns err, or io.ErrUnexpectedEOF instead of io.EOF. When a body is read, io.EOF is its normal end and no error.
func asBodyError(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// TestFetchPage_ClosesBody checks that FetchPage closes the body of each answer, even if the context is cancelled before the answer
// arrives. A body that is not closed blocks its connection, so that the next request needs another connection.
func TestFetchPage_ClosesBody(t *testing.T) {
	t.Parallel()
	const unknownLength = -1
	fails := readerFunc(func([]byte) (int, error) { return 0, errors.New("connection reset") })
	endless := readerFunc(func(p []byte) (int, error) { return len(p), nil })
	tests := []struct {
		name   string
		status int
		header http.Header
		body   io.Reader
		length int64 // the announced length
	}{
		{name: "page", status: 200, body: strings.NewReader(lastPage), length: unknownLength},
		{name: "bad page", status: 200, body: strings.NewReader(`{"data":null}`), length: unknownLength},
		{name: "page ends early", status: 200, body: io.MultiReader(strings.NewReader(`{"data":[`), fails), length: unknownLength},
		{name: "page too large", status: 200, body: strings.NewReader(strings.Repeat(" ", 2*maxPageBytes)), length: unknownLength},
		{name: "page too large by its length", status: 200, body: strings.NewReader(lastPage), length: 2 * maxPageBytes},
		{
			name: "refusal", status: 429, header: http.Header{"Retry-After": {"0"}},
			body: strings.NewReader(`{"code":"x"}`), length: unknownLength,
		},
		{name: "refusal without a body", status: 429, body: http.NoBody, length: 0},
		{name: "refusal ends early", status: 429, body: fails, length: unknownLength},
		{name: "endless server error", status: 503, body: endless, length: unknownLength},
		{name: "expired cursor", status: 400, body: strings.NewReader(`{"code":"CURSOR_EXPIRED"}`), length: unknownLength},
		{
			name: "redirect", status: 302, header: http.Header{"Location": {"/"}},
			body: strings.NewReader("elsewhere"), length: unknownLength,
		},
		{name: "wrong key", status: 401, body: strings.NewReader(""), length: unknownLength},
	}
	for _, tt := range tests {
		for suffix, isCancelled := range map[string]bool{"": false, ", cancelled": true} {
			t.Run(tt.name+suffix, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				body := &closeCounter{Reader: tt.body}
				client := newClient(t, func(c *datasync.Config) {
					c.Transport = roundTripFunc(func(*http.Request) (*http.Response, error) {
						if isCancelled {
							cancel()
						}
						return &http.Response{StatusCode: tt.status, Header: tt.header, Body: body, ContentLength: tt.length}, nil
					})
				})
				_, err := client.FetchPage(ctx, domain.PageRequest{})
				if body.closed != 1 {
					t.Errorf("got body closed %d times, error %v, want once", body.closed, err)
				}
			})
		}
	}
}

// A closeCounter counts how often it is closed.
type closeCounter struct {
	io.Reader

	closed int
}

func (c *closeCounter) Close() error {
	c.closed++
	return nil
}

// TestFetchPage_RefusalReusesConnection checks that the body of a refusal is read to its end, so that the next request uses
// the same connection.
func TestFetchPage_RefusalReusesConnection(t *testing.T) {
	t.Parallel()
	const longSize, pieceSize = 60 << 10, 10 << 10 // the client reads up to 64 KiB of such a body
	for name, body := range map[string]string{
		"empty": "", "short": `{"code":"RATE_LIMIT_EXCEEDED"}`, "long": strings.Repeat("x", longSize),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var connections, requests atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				requests.Add(1)
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(http.StatusTooManyRequests)
				for text := body; text != ""; { // in flushed pieces, so that the answer has no Content-Length
					piece := text[:min(len(text), pieceSize)]
					text = text[len(piece):]
					_, _ = io.WriteString(w, piece)
					_ = http.NewResponseController(w).Flush()
				}
			}))
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					connections.Add(1)
				}
			}
			server.Start()
			defer server.Close()
			client := newClient(t, func(c *datasync.Config) { c.BaseURL, c.Transport = server.URL, nil })
			const attempts = 10
			for range attempts {
				_, err := client.FetchPage(t.Context(), domain.PageRequest{})
				if failure := domain.AsError(err); failure == nil || failure.Kind != domain.RateLimited || failure.Unsent {
					t.Fatalf("got error %v, want RateLimited for a request that was sent", err)
				}
			}
			if connections.Load() != 1 || requests.Load() != attempts {
				t.Errorf("got %d connections for %d requests, want 1 for %d", connections.Load(), requests.Load(), attempts)
			}
		})
	}
}

// TestFetchPage_OneRequestPerAttempt checks that each call of FetchPage sends only one request, even if the server closes a
// reused connection. If the client did not prevent it, net/http would then send the request again, and the API would count two
// requests where the ledger has one.
func TestFetchPage_OneRequestPerAttempt(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // a test's listener
	var requests atomic.Int64
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go answerOnce(conn, &requests)
		}
	}()
	client := newClient(t, func(c *datasync.Config) {
		c.BaseURL, c.Transport = "http://"+listener.Addr().String(), nil
	})
	if _, err := client.FetchPage(t.Context(), domain.PageRequest{}); err != nil {
		t.Fatal(err)
	}
	_, err = client.FetchPage(t.Context(), domain.PageRequest{})
	if domain.KindOf(err) != domain.Transient || requests.Load() != 2 {
		t.Errorf("got %d requests for two attempts, second error %v, want 2 and Transient", requests.Load(), err)
	}
}

// answerOnce answers the first request on a connection and closes the connection after the second. It also closes the
// connection after a request with a body, because pawl must not send a body.
func answerOnce(conn net.Conn, requests *atomic.Int64) {
	defer conn.Close() //nolint:errcheck // a test's connection
	reader := bufio.NewReader(conn)
	for answered := range 2 {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		requests.Add(1)
		if answered > 0 || request.ContentLength != 0 || len(request.TransferEncoding) > 0 {
			return
		}
		const body = `{"data":[],"hasMore":false}`
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
}
