package datasync

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// TestNewTransport_IdleConnection checks that a connection is used again after a short break. After a break of about a minute it is not,
// because load balancers close connections then.
func TestNewTransport_IdleConnection(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		breakFor        time.Duration
		wantConnections int
	}{
		{breakFor: 25 * time.Second, wantConnections: 1},
		{breakFor: 55 * time.Second, wantConnections: 2},
	} {
		t.Run(tt.breakFor.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				connections := 0
				transport := newTransport()
				defer transport.CloseIdleConnections()
				transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
					connections++
					const body = `{"data":[],"hasMore":false}`
					return answerRequests(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body), nil), nil
				}
				client := newTestClient(t, "http://api.test", transport)
				for range 2 {
					if _, err := client.FetchPage(t.Context(), domain.PageRequest{}); err != nil {
						t.Fatal(err)
					}
					time.Sleep(tt.breakFor)
				}
				if connections != tt.wantConnections {
					t.Errorf("got %d connections, want %d", connections, tt.wantConnections)
				}
			})
		})
	}
}

// TestNewTransport_ProxyRefusal checks the error if a proxy opens no connection to the API. The proxy must not get the API key, and the
// error must not show the proxy's password.
func TestNewTransport_ProxyRefusal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status   int
		want     domain.Kind
		wantHint string
	}{
		{status: http.StatusProxyAuthRequired, want: domain.Invalid, wantHint: "HTTPS_PROXY"},
		{status: http.StatusBadGateway, want: domain.Transient},
		{status: http.StatusFound, want: domain.Transient},
		{status: http.StatusNoContent, want: domain.Transient},
	} {
		t.Run(http.StatusText(tt.status), func(t *testing.T) {
			t.Parallel()
			transport := newTransport()
			transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.test", User: url.UserPassword("user", "s3cret")})
			var atProxy strings.Builder
			transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
				return answerRequests(fmt.Sprintf("HTTP/1.1 %d \x1b[2J\r\nLocation: https://else.test\r\n\r\n", tt.status), &atProxy), nil
			}
			_, err := newTestClient(t, "https://api.test", transport).FetchPage(t.Context(), domain.PageRequest{})
			if domain.KindOf(err) != tt.want || !strings.Contains(domain.HintOf(err), tt.wantHint) {
				t.Errorf("got error %v, hint %q, want %s, %q", err, domain.HintOf(err), tt.want, tt.wantHint)
			}
			if want := fmt.Sprintf("HTTP %d", tt.status); err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("got error %v, want one with %q", err, want)
			}
			if text := fmt.Sprint(err); strings.ContainsAny(text, "\x1b") || strings.Contains(text, "s3cret") {
				t.Errorf("got error %q, want it without control characters and without the proxy's password", text)
			}
			if got := atProxy.String(); !strings.HasPrefix(got, "CONNECT api.test:443 ") || strings.Contains(got, testKey) {
				t.Errorf("the proxy got %q, want a CONNECT without the API key", got)
			}
		})
	}
}

// testKey is the API key of newTestClient.
const testKey = "key-of-the-test"

func newTestClient(t *testing.T, baseURL string, transport http.RoundTripper) *Client {
	t.Helper()
	client, err := New(Config{
		BaseURL: baseURL, APIKey: testKey, Profile: DataSync(), Timeout: time.Minute, MaxPageBytes: 1 << 20, Transport: transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// answerRequests returns a connection to a server that answers each request in the same way, until the connection is closed. It writes
// the requests to log, if log is not nil.
func answerRequests(answer string, log *strings.Builder) net.Conn {
	client, server := net.Pipe()
	go func() {
		defer server.Close() //nolint:errcheck // a test's connection
		for reader := bufio.NewReader(server); ; {
			request, err := http.ReadRequest(reader)
			if err != nil {
				return
			}
			if log != nil {
				fmt.Fprintf(log, "%s %s %v\n", request.Method, request.RequestURI, request.Header)
			}
			if _, err := server.Write([]byte(answer)); err != nil {
				return
			}
		}
	}()
	return client
}
