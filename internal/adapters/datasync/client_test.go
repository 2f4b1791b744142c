package datasync_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

func TestTheRequest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		req   domain.PageRequest
		query string
	}{
		{"the head", domain.PageRequest{Limit: 100}, "limit=100"},
		{"behind a cursor", domain.PageRequest{Cursor: "a+/= &limit=9#é", Limit: 5000}, "cursor=a%2B%2F%3D+%26limit%3D9%23%C3%A9&limit=5000"},
		{"more than the API gives", domain.PageRequest{Limit: 100_000}, "limit=5000"},
		{"without a limit", domain.PageRequest{}, ""},
		{"a limit below one", domain.PageRequest{Limit: -1}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got *http.Request
			client := newClient(t, func(c *datasync.Config) {
				c.BaseURL, c.UserAgent = "https://API.test:443/api/v1/", "pawl/1"
				c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
					got = r
					return respond(r, 200, nil, []byte(last)), nil
				})
			})
			if _, err := client.FetchPage(t.Context(), tt.req); err != nil {
				t.Fatal(err)
			}
			if got.Method != http.MethodGet || got.URL.Host != "api.test" || got.URL.Path != "/api/v1/events" || got.URL.RawQuery != tt.query {
				t.Errorf("%s %s", got.Method, got.URL)
			}
			if got.Header.Get("X-API-Key") != key || got.UserAgent() != "pawl/1" || got.Header.Get("Accept") != "application/json" ||
				got.Header.Get("Cache-Control") != "no-cache" {
				t.Errorf("headers %v", got.Header)
			}
		})
	}
}

func TestAnotherProfile(t *testing.T) {
	t.Parallel()
	profile := datasync.Profile{
		EventsPath: "/v2/items", KeyHeader: "Authorization", LimitParam: "size", CursorParam: "after", MaxLimit: 7,
		Envelope: datasync.EnvelopeNames{Data: "items", HasMore: "more", NextCursor: "after"},
	}
	mock := httpmock.NewMockTransport()
	mock.RegisterResponderWithQuery(http.MethodGet, "https://api.test/api/v1/v2/items", "size=7&after=x",
		httpmock.NewStringResponder(200, `{"items":[1],"":[2],"pagination":null,"meta":null,"more":true,"after":"y"}`))
	client := newClient(t, func(c *datasync.Config) { c.Profile, c.Transport, c.APIKey = profile, mock, "" })
	page, err := client.FetchPage(t.Context(), domain.PageRequest{Cursor: "x", Limit: 100})
	if err != nil || page.Next != "y" || len(page.Records) != 1 || page.Receipt.RequestID != "" {
		t.Errorf("page %+v, error %v", page, err)
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	in := func(meta string) string { return `{"data":[],"hasMore":false,"meta":{"requestId":` + meta + `}}` }
	tests := []struct{ name, header, body, want string }{
		{"in the header", "h-1", in(`"m-1"`), "h-1"},
		{"in the body", "", in(`"m-1"`), "m-1"},
		{"nowhere", "", last, ""},
		{"a number", "", in(`17`), ""},
		{"what cannot be stored", "\xff", in(`"\u0000"`), ""},
		{"what is no identifier", strings.Repeat("x", 129), in(`"m-1"`), "m-1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			page, err := fetchBody(t, 200, tt.body, "X-Request-ID", tt.header)
			if err != nil || page.Receipt.RequestID != tt.want {
				t.Errorf("request id %q, error %v", page.Receipt.RequestID, err)
			}
		})
	}
	for status, body := range map[int]string{200: `{"data":null,"meta":{}}`, 500: `{}`} {
		if _, err := fetchBody(t, status, body, "X-Request-ID", "h-1"); err == nil || !strings.Contains(err.Error(), "request id h-1") {
			t.Errorf("status %d: %v", status, err)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		mock := httpmock.NewMockTransport()
		mock.RegisterResponder(http.MethodGet, "https://api.test/api/v1/events", func(r *http.Request) (*http.Response, error) {
			return respond(r, status, []string{"Location", "https://elsewhere/events"}, nil), nil
		})
		client := newClient(t, func(c *datasync.Config) { c.Transport = mock })
		_, err := client.FetchPage(t.Context(), domain.PageRequest{})
		if domain.KindOf(err) != domain.Invalid || !strings.Contains(domain.HintOf(err), "API_BASE_URL") || mock.GetTotalCallCount() != 1 {
			t.Errorf("status %d: %v, hint %q, %d requests", status, err, domain.HintOf(err), mock.GetTotalCallCount())
		}
	}
}

func TestFailuresNameTheStatus(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int // 0: there is no answer
		body   string
	}{{503, "<html>"}, {429, "{}"}, {401, ""}, {200, `{"data":null}`}, {0, ""}} {
		client := newClient(t, func(c *datasync.Config) {
			c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if tt.status == 0 {
					return nil, io.ErrUnexpectedEOF
				}
				return respond(r, tt.status, nil, []byte(tt.body)), nil
			})
		})
		_, err := client.FetchPage(t.Context(), domain.PageRequest{})
		if failure := domain.AsError(err); failure == nil || failure.Status != tt.status {
			t.Errorf("status %d: %+v", tt.status, failure)
		}
	}
}

func TestTheEndpointHasNoQuery(t *testing.T) {
	t.Parallel()
	if got := newClient(t, func(*datasync.Config) {}).Endpoint(); got != "https://api.test/api/v1/events" {
		t.Errorf("pages are asked for at %s", got)
	}
}

func TestTheTimeoutCoversTheBody(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status int // 0: there is no answer
		says   string
	}{
		{"no answer", 0, "7s"},
		{"a page that stalls", http.StatusOK, "7s"},
		{"an error that stalls", http.StatusInternalServerError, "HTTP 500"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := newClient(t, func(c *datasync.Config) {
					c.Timeout = 7 * time.Second
					c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) { return stalls(r.Context(), tt.status) })
				})
				began := time.Now()
				_, err := client.FetchPage(t.Context(), domain.PageRequest{})
				if domain.KindOf(err) != domain.Transient || !strings.Contains(err.Error(), tt.says) || time.Since(began) != 7*time.Second {
					t.Errorf("own timeout: %v after %s", err, time.Since(began))
				}
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				_, err = client.FetchPage(ctx, domain.PageRequest{})
				if domain.KindOf(err) != domain.Stopped || domain.AsError(err).Unsent || time.Since(began) != 10*time.Second {
					t.Errorf("the caller's deadline: %v after %s", err, time.Since(began))
				}
			})
		})
	}
}

// stalls is an answer whose body begins and never ends, as long as ctx lasts.
func stalls(ctx context.Context, status int) (*http.Response, error) {
	stall := readerFunc(func([]byte) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	})
	if status == 0 {
		_, err := stall(nil)
		return nil, err
	}
	body := io.NopCloser(io.MultiReader(strings.NewReader(`{"data":[`), stall))
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: body, ContentLength: -1}, nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestBodiesAreBoundedAfterInflation(t *testing.T) {
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
	counted := readerFunc(func(p []byte) (int, error) {
		n, err := inflated.Read(p)
		read += n
		return n, err
	})
	client := newClient(t, func(c *datasync.Config) {
		c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(counted), ContentLength: -1}, nil
		})
	})
	_, err = client.FetchPage(t.Context(), domain.PageRequest{})
	if domain.KindOf(err) != domain.BadPage || !strings.Contains(err.Error(), "more than 1048576 bytes") || domain.RemedyOf(err) != domain.LargerPages {
		t.Errorf("%v, remedy %d", err, domain.RemedyOf(err))
	}
	if read > 1<<20+1 {
		t.Errorf("%d bytes were read of a page of at most %d", read, 1<<20)
	}
}

func TestRefusalsAreReadInPart(t *testing.T) {
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
		t.Errorf("%v, %d bytes read", err, read)
	}
}

func TestConcurrentUseSharesTheQuota(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		client := newClient(t, func(c *datasync.Config) {
			c.MinDelay = time.Hour
			c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				sent++
				return respond(r, 200, nil, []byte(last)), nil
			})
		})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { _, _ = client.FetchPage(t.Context(), domain.PageRequest{}) })
		}
		wg.Wait()
		if sent != 1 {
			t.Errorf("%d sent", sent)
		}
	})
}
