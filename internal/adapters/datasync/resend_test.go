package datasync_test

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

// TestOneAttemptIsOneRequest drops the second request on a kept-alive connection, which net/http would send again by
// itself: the API would count two where the ledger says one.
func TestOneAttemptIsOneRequest(t *testing.T) {
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
		t.Errorf("%d requests for two attempts, the second ends with %v", requests.Load(), err)
	}
}

// answerOnce answers a connection's first request and hangs up on the second. It refuses a body: none must be sent.
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
