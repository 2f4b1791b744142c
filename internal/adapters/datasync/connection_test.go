package datasync_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

// A countedBody counts how often it is closed.
type countedBody struct {
	io.Reader

	closed int
}

func (b *countedBody) Close() error {
	b.closed++
	return nil
}

// TestEveryBodyIsClosed: one that is not keeps its connection, and the API sees another for each request.
func TestEveryBodyIsClosed(t *testing.T) {
	t.Parallel()
	fails := readerFunc(func([]byte) (int, error) { return 0, errors.New("connection reset") })
	tests := []struct {
		name   string
		status int
		header http.Header
		body   io.Reader
		length int64
	}{
		{"a page", 200, nil, strings.NewReader(last), -1},
		{"a bad page", 200, nil, strings.NewReader(`{"data":null}`), -1},
		{"a page that is cut", 200, nil, io.MultiReader(strings.NewReader(`{"data":[`), fails), -1},
		{"a page that is too large", 200, nil, strings.NewReader(strings.Repeat(" ", 2<<20)), -1},
		{"a page that is announced too large", 200, nil, strings.NewReader(last), 2 << 20},
		{"a refusal", 429, http.Header{"Retry-After": {"0"}}, strings.NewReader(`{"code":"x"}`), -1},
		{"a refusal without a body", 429, nil, http.NoBody, 0},
		{"a refusal that is cut", 429, nil, fails, -1},
		{"a refusal without end", 503, nil, readerFunc(func(p []byte) (int, error) { return len(p), nil }), -1},
		{"an expired cursor", 400, nil, strings.NewReader(`{"code":"CURSOR_EXPIRED"}`), -1},
		{"a redirect", 302, http.Header{"Location": {"/"}}, strings.NewReader("elsewhere"), -1},
		{"a wrong key", 401, nil, strings.NewReader(""), -1},
	}
	for _, tt := range tests {
		for name, ended := range map[string]bool{"": false, ", stopped": true} {
			t.Run(tt.name+name, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				body := &countedBody{Reader: tt.body}
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
					t.Errorf("closed %d times; the error is %v", body.closed, err)
				}
			})
		}
	}
}

// TestRefusalsKeepTheirConnection: the body of a refusal is read to its end, so that the next request needs no new
// connection.
func TestRefusalsKeepTheirConnection(t *testing.T) {
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
					t.Fatalf("not refused: %v", err)
				}
			}
			if connections.Load() != 1 || requests.Load() != 10 {
				t.Errorf("%d connections for %d requests", connections.Load(), requests.Load())
			}
		})
	}
}

// TestPayloadsAreTheBytesThatWereSent: a record that cannot be an event is kept byte for byte, and so is any other until it
// is stored.
func TestPayloadsAreTheBytesThatWereSent(t *testing.T) {
	t.Parallel()
	payloads := []string{
		"{ \"id\" :\r\n\t\"\\u0061\" , \"n\\u0061me\" : [ 1 ,\t2 ] ,\r\n \"x\" : 1.0e+02 }",
		"{\r\n}", "[ ]", "[ 1 , [ { } ] ]", `"\u0061\/\"\\"`, "\"a\r\nb\"", "-0.0", "1E400", "nul", `{"a":1,"a":2}`,
		"{\"a\":\"\xff\xfe\"}", `{"a":"\ud83d"}`, "{\"a\":\"\u2028<&>\"}", strings.Replace(sound, ":", " : ", 3),
	}
	for name, spell := range map[string]func([]string) string{
		"compact":     func(p []string) string { return strings.Join(p, ",") },
		"with spaces": func(p []string) string { return "\r\n " + strings.Join(p, " \r\n,\t ") + "\r\n" },
	} {
		page, err := fetchBody(t, 200, `{"data":[`+spell(payloads)+`],"hasMore":false}`)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		read, err := domain.FetchedPage{Page: page}.Decode(t.Context(), datasync.NewDecoder(datasync.DataSync()))
		if err != nil || len(page.Records) != len(payloads) {
			t.Fatalf("%s: %d records, error %v", name, len(page.Records), err)
		}
		for i, want := range payloads {
			if got := page.Records[i]; string(got.Payload) != want || got.Index != i {
				t.Errorf("%s: record %d is %q, want %q", name, got.Index, got.Payload, want)
			}
		}
		for _, reject := range read.Rejects {
			if want := payloads[reject.Record.Index]; string(reject.Record.Payload) != want {
				t.Errorf("%s: reject %d is %q, want %q", name, reject.Record.Index, reject.Record.Payload, want)
			}
		}
		if len(read.Rejects) != len(payloads)-1 || string(read.Events[0].Record.Payload) != payloads[len(payloads)-1] {
			t.Errorf("%s: %d rejects, %d events", name, len(read.Rejects), len(read.Events))
		}
	}
}
