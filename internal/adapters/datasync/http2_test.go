package datasync

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// TestFetchPage_Protocols checks that the client uses HTTP/2 if the server offers it. Each page must take one request without a
// body, and all requests must use the same connection.
func TestFetchPage_Protocols(t *testing.T) {
	t.Parallel()
	const pages = 3
	for _, tt := range []struct {
		name        string
		offersHTTP2 bool
		wantProto   string
	}{
		{name: "the server offers HTTP/2", offersHTTP2: true, wantProto: "HTTP/2.0"},
		{name: "the server knows only HTTP/1", offersHTTP2: false, wantProto: "HTTP/1.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int64
			var connections atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n := requests.Add(1)
				if r.Proto != tt.wantProto || r.ContentLength != 0 {
					t.Errorf("request %d: got protocol %s and content length %d, want %s and 0", n, r.Proto, r.ContentLength, tt.wantProto)
				}
				fmt.Fprintf(w, `{"data":[{}],"pagination":{"hasMore":true,"nextCursor":"c%d"}}`, n)
			}))
			server.EnableHTTP2 = tt.offersHTTP2
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					connections.Add(1)
				}
			}
			server.StartTLS()
			t.Cleanup(server.Close)
			trusting := server.Client().Transport.(*http.Transport) //nolint:forcetypeassert // it accepts the server's certificate
			transport := newTransport()
			transport.TLSClientConfig = &tls.Config{RootCAs: trusting.TLSClientConfig.RootCAs}
			t.Cleanup(transport.CloseIdleConnections)
			client, err := New(Config{
				BaseURL: server.URL, APIKey: "key", Profile: DataSync(), Timeout: time.Minute, MaxPageBytes: 1 << 20, Transport: transport,
			})
			if err != nil {
				t.Fatal(err)
			}
			cursor := domain.Cursor("")
			for range pages {
				page, err := client.FetchPage(t.Context(), domain.PageRequest{Cursor: cursor, Limit: 1})
				if err != nil {
					t.Fatal(err)
				}
				cursor = page.Next
			}
			if requests.Load() != pages || connections.Load() != 1 {
				t.Errorf("got %d requests over %d connections, want %d over 1", requests.Load(), connections.Load(), pages)
			}
		})
	}
}
