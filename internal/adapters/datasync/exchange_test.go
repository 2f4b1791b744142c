package datasync_test

import (
	"bufio"
	"bytes"
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
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

func TestFetchPage_Timeout(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status int // 0: there is no answer
		says   string
	}{
		{"no answer", 0, "7s"},
		{"page stalls", http.StatusOK, "7s"},
		{"error body stalls", http.StatusInternalServerError, "HTTP 500"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := newClient(t, func(c *datasync.Config) {
					c.Timeout = 7 * time.Second
					c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) { return stall(r.Context(), tt.status) })
				})
				began := time.Now()
				_, err := client.FetchPage(t.Context(), domain.PageRequest{})
				if domain.KindOf(err) != domain.Transient || !strings.Contains(err.Error(), tt.says) || time.Since(began) != 7*time.Second {
					t.Errorf("own timeout: got error %v after %s, want Transient with %q after 7s", err, time.Since(began), tt.says)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				_, err = client.FetchPage(ctx, domain.PageRequest{})
				if domain.KindOf(err) != domain.Stopped || domain.AsError(err).Unsent || time.Since(began) != 10*time.Second {
					t.Errorf("caller's deadline: got error %v after %s, want Stopped after 10s", err, time.Since(began))
				}
			})
		})
	}
}

// stall returns an answer whose body does not end before ctx does. With status 0 it waits for ctx and returns its error.
func stall(ctx context.Context, status int) (*http.Response, error) {
	wait := readerFunc(func([]byte) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	})
	if status == 0 {
		_, err := wait(nil)
		return nil, err
	}
	body := io.NopCloser(io.MultiReader(strings.NewReader(`{"data":[`), wait))
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: body, ContentLength: -1}, nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestFetchPage_TooLargeAfterInflation(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	for range 4 {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	inflated, err := gzip.NewReader(&bomb)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	counting := readerFunc(func(p []byte) (int, error) {
		n, err := inflated.Read(p)
		read += n
		return n, err
	})
	client := newClient(t, func(c *datasync.Config) {
		c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(counting), ContentLength: -1}, nil
		})
	})
	_, err = client.FetchPage(t.Context(), domain.PageRequest{})
	if domain.KindOf(err) != domain.BadPage || !strings.Contains(err.Error(), "more than 1048576 bytes") || domain.RemedyOf(err) != domain.LargerPages {
		t.Errorf("got error %v, remedy %d, want BadPage with remedy %d", err, domain.RemedyOf(err), domain.LargerPages)
	}
	if read > 1<<20+1 {
		t.Errorf("got %d bytes read, want at most %d", read, 1<<20+1)
	}
}

func TestFetchPage_EndlessErrorBody(t *testing.T) {
	t.Parallel()
	read := 0
	client := newClient(t, func(c *datasync.Config) {
		c.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
			endless := readerFunc(func(p []byte) (int, error) {
				read += len(p)
				return len(p), nil
			})
			return &http.Response{StatusCode: http.StatusInternalServerError, Header: http.Header{}, Body: io.NopCloser(endless), ContentLength: -1}, nil
		})
	})
	if _, err := client.FetchPage(t.Context(), domain.PageRequest{}); domain.KindOf(err) != domain.Transient || read > 128<<10 {
		t.Errorf("got error %v after %d bytes, want Transient after at most %d", err, read, 128<<10)
	}
}

func TestFetchPage_NetworkErrors(t *testing.T) {
	t.Parallel()
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	tests := []struct {
		name string
		err  error
		want domain.Kind
		hint string
	}{
		{"refused", dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), domain.Transient, ""},
		{"reset", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, domain.Transient, ""},
		{"closed without an answer", io.EOF, domain.Transient, ""},
		{"body ends early", io.ErrUnexpectedEOF, domain.Transient, ""},
		{"broken pipe", syscall.EPIPE, domain.Transient, ""},
		{"dial timeout", dial(os.ErrDeadlineExceeded), domain.Transient, ""},
		{"deadline of another context", context.DeadlineExceeded, domain.Transient, ""},
		{"name server fails", dial(&net.DNSError{Err: "server misbehaving", Name: "api.test", IsTemporary: true}), domain.Transient, ""},
		{"unknown host", dial(&net.DNSError{Err: "no such host", Name: "api.test", IsNotFound: true}), domain.Transient, "API_BASE_URL"},
		{"unknown authority", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, domain.Invalid, "certificate"},
		{"certificate of another host", fmt.Errorf("x: %w", &tls.CertificateVerificationError{Err: x509.HostnameError{Host: "h", Certificate: &x509.Certificate{}}}), domain.Invalid, "API_BASE_URL"},
		{"plain HTTP at an https URL", tls.RecordHeaderError{RecordHeader: [5]byte([]byte("HTTP/"))}, domain.Invalid, "http://"},
		{"neither TLS nor HTTP", tls.RecordHeaderError{RecordHeader: [5]byte([]byte("SSH-2"))}, domain.Transient, ""},
		{"corrupt gzip", gzip.ErrChecksum, domain.BadPage, ""},
		{"not gzip", gzip.ErrHeader, domain.BadPage, ""},
		{"corrupt deflate", flate.CorruptInputError(7), domain.BadPage, ""},
		{"anything else", errors.New("malformed HTTP response"), domain.Transient, ""},
		{"error with the key", fmt.Errorf("bad header X-API-Key: %s", key), domain.Transient, ""},
	}
	for _, tt := range tests {
		for place, trip := range map[string]roundTrip{
			"before the answer": func(*http.Request) (*http.Response, error) { return nil, tt.err },
			"in the body": func(*http.Request) (*http.Response, error) {
				body := io.MultiReader(strings.NewReader(`{"data":`), readerFunc(func([]byte) (int, error) { return 0, notEOF(tt.err) }))
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(body), ContentLength: -1}, nil
			},
		} {
			t.Run(tt.name+" "+place, func(t *testing.T) {
				t.Parallel()
				client := newClient(t, func(c *datasync.Config) { c.Transport = trip })
				_, err := client.FetchPage(t.Context(), domain.PageRequest{Cursor: "asked"})
				failure := domain.AsError(err)
				if failure == nil || failure.Kind != tt.want || failure.Unsent || !strings.Contains(failure.Hint, tt.hint) {
					t.Fatalf("got error %v, hint %q, want %s with hint %q", err, domain.HintOf(err), tt.want, tt.hint)
				}
				if tt.hint == "" && failure.Hint != "" {
					t.Errorf("got hint %q, want none", failure.Hint)
				}
				if strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "asked") || !strings.Contains(err.Error(), "/events") {
					t.Errorf("got error %q, want one with the URL, without the key and the cursor", err)
				}
			})
		}
	}
}

// notEOF returns err as a body gives it: in a body io.EOF is the normal end.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// TestFetchPage_ClosesBody checks that each body is closed. A body that is not closed blocks its connection, so that the
// next request needs another one.
func TestFetchPage_ClosesBody(t *testing.T) {
	t.Parallel()
	fails := readerFunc(func([]byte) (int, error) { return 0, errors.New("connection reset") })
	tests := []struct {
		name   string
		status int
		header http.Header
		body   io.Reader
		length int64
	}{
		{"page", 200, nil, strings.NewReader(last), -1},
		{"bad page", 200, nil, strings.NewReader(`{"data":null}`), -1},
		{"page ends early", 200, nil, io.MultiReader(strings.NewReader(`{"data":[`), fails), -1},
		{"page too large", 200, nil, strings.NewReader(strings.Repeat(" ", 2<<20)), -1},
		{"page too large by its length", 200, nil, strings.NewReader(last), 2 << 20},
		{"refusal", 429, http.Header{"Retry-After": {"0"}}, strings.NewReader(`{"code":"x"}`), -1},
		{"refusal without a body", 429, nil, http.NoBody, 0},
		{"refusal ends early", 429, nil, fails, -1},
		{"endless refusal", 503, nil, readerFunc(func(p []byte) (int, error) { return len(p), nil }), -1},
		{"expired cursor", 400, nil, strings.NewReader(`{"code":"CURSOR_EXPIRED"}`), -1},
		{"redirect", 302, http.Header{"Location": {"/"}}, strings.NewReader("elsewhere"), -1},
		{"wrong key", 401, nil, strings.NewReader(""), -1},
	}
	for _, tt := range tests {
		for name, ended := range map[string]bool{"": false, ", stopped": true} {
			t.Run(tt.name+name, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				body := &closeCounter{Reader: tt.body}
				client := newClient(t, func(c *datasync.Config) {
					c.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
						if ended {
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

func (b *closeCounter) Close() error {
	b.closed++
	return nil
}

// TestFetchPage_RefusalReusesConnection checks that the body of a refusal is read to its end, so that the next request uses
// the same connection.
func TestFetchPage_RefusalReusesConnection(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"empty": "", "short": `{"code":"RATE_LIMIT_EXCEEDED"}`, "long": strings.Repeat("x", 60<<10)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var connections, requests atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				requests.Add(1)
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(http.StatusTooManyRequests)
				for text := body; text != ""; { // in pieces: the length is not announced
					piece := text[:min(len(text), 10<<10)]
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
			for range 10 {
				_, err := client.FetchPage(t.Context(), domain.PageRequest{})
				if refused := domain.AsError(err); refused == nil || refused.Kind != domain.RateLimited || refused.Unsent {
					t.Fatalf("got error %v, want RateLimited by an answer", err)
				}
			}
			if connections.Load() != 1 || requests.Load() != 10 {
				t.Errorf("got %d connections for %d requests, want 1 for 10", connections.Load(), requests.Load())
			}
		})
	}
}

// TestFetchPage_OneRequestPerAttempt closes a reused connection at its second request. net/http would send such a request
// again by itself, and the API would count two requests where the ledger has one.
func TestFetchPage_OneRequestPerAttempt(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // nothing was written
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

// answerOnce answers the first request on a connection and closes it at the second. It also closes it at a request with a
// body, because none may be sent.
func answerOnce(conn net.Conn, requests *atomic.Int64) {
	defer conn.Close() //nolint:errcheck // a test's connection
	from := bufio.NewReader(conn)
	for n := range 2 {
		request, err := http.ReadRequest(from)
		if err != nil {
			return
		}
		requests.Add(1)
		if n > 0 || request.ContentLength != 0 || len(request.TransferEncoding) > 0 {
			return
		}
		const body = `{"data":[],"hasMore":false}`
		_, _ = conn.Write([]byte(strings.Join([]string{
			"HTTP/1.1 200 OK", "Content-Type: application/json", "Content-Length: 27", "", body,
		}, "\r\n")))
	}
}
