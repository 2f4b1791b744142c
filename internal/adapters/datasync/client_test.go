package datasync_test

import (
	"bytes"
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

func TestNew_InvalidConfig(t *testing.T) {
	t.Parallel()
	valid := datasync.Config{BaseURL: "https://host", APIKey: "k", Profile: datasync.DataSync(), Timeout: 1, MaxPageBytes: 1}
	if _, err := datasync.New(valid); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*datasync.Config){
		"no base URL":         func(c *datasync.Config) { c.BaseURL = "" },
		"no profile":          func(c *datasync.Config) { c.Profile = datasync.Profile{} },
		"malformed path":      func(c *datasync.Config) { c.Profile.EventsPath = "/%zz" },
		"no timeout":          func(c *datasync.Config) { c.Timeout = 0 },
		"no page size":        func(c *datasync.Config) { c.MaxPageBytes = 0 },
		"key with a new line": func(c *datasync.Config) { c.APIKey = "s3cret\n" },
		"key beyond ASCII":    func(c *datasync.Config) { c.APIKey = "s3cret\u200b" },
	} {
		cfg := valid
		edit(&cfg)
		if _, err := datasync.New(cfg); domain.KindOf(err) != domain.Invalid || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got error %v, want Invalid without the key", name, err)
		}
	}
}

func TestEndpoint(t *testing.T) {
	t.Parallel()
	const want = "https://api.test/api/v1/events"
	if got := newClient(t, func(*datasync.Config) {}).Endpoint(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFetchPage_Request(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		req   domain.PageRequest
		query string
	}{
		{"head", domain.PageRequest{Limit: 100}, "limit=100"},
		{"after a cursor", domain.PageRequest{Cursor: "a+/= &limit=9#é", Limit: 5000}, "cursor=a%2B%2F%3D+%26limit%3D9%23%C3%A9&limit=5000"},
		{"limit above the maximum", domain.PageRequest{Limit: 100_000}, "limit=5000"},
		{"no limit", domain.PageRequest{}, ""},
		{"negative limit", domain.PageRequest{Limit: -1}, ""},
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
				t.Errorf("got %s %s, want GET https://api.test/api/v1/events?%s", got.Method, got.URL, tt.query)
			}
			if got.Header.Get("X-API-Key") != key || got.UserAgent() != "pawl/1" || got.Header.Get("Accept") != "application/json" ||
				got.Header.Get("Cache-Control") != "no-cache" {
				t.Errorf("got headers %v, want the key, the user agent, Accept and Cache-Control", got.Header)
			}
		})
	}
}

func TestFetchPage_OtherProfile(t *testing.T) {
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
		t.Errorf("got page %+v, error %v, want one record and the cursor y", page, err)
	}
}

func TestFetchPage_Redirect(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		mock := httpmock.NewMockTransport()
		mock.RegisterResponder(http.MethodGet, "https://api.test/api/v1/events", func(r *http.Request) (*http.Response, error) {
			return respond(r, status, []string{"Location", "https://elsewhere/events"}, nil), nil
		})
		client := newClient(t, func(c *datasync.Config) { c.Transport = mock })
		_, err := client.FetchPage(t.Context(), domain.PageRequest{})
		if domain.KindOf(err) != domain.Invalid || !strings.Contains(domain.HintOf(err), "API_BASE_URL") || mock.GetTotalCallCount() != 1 {
			t.Errorf("status %d: got error %v, hint %q, %d requests, want Invalid with a hint after one request",
				status, err, domain.HintOf(err), mock.GetTotalCallCount())
		}
	}
}

func TestFetchPage_ConcurrentCallsShareTheRateLimit(t *testing.T) {
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
			t.Errorf("got %d requests, want 1", sent)
		}
	})
}

func TestFetchPage_RequestID(t *testing.T) {
	t.Parallel()
	in := func(meta string) string { return `{"data":[],"hasMore":false,"meta":{"requestId":` + meta + `}}` }
	tests := []struct{ name, header, body, want string }{
		{"in the header and the body", "h-1", in(`"m-1"`), "h-1"},
		{"in the body only", "", in(`"m-1"`), "m-1"},
		{"nowhere", "", last, ""},
		{"number", "", in(`17`), ""},
		{"not storable", "\xff", in(`"\u0000"`), ""},
		{"too long in the header", strings.Repeat("x", 129), in(`"m-1"`), "m-1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			page, err := fetchBody(t, 200, tt.body, "X-Request-ID", tt.header)
			if err != nil || page.Receipt.RequestID != tt.want {
				t.Errorf("got request id %q, error %v, want %q", page.Receipt.RequestID, err, tt.want)
			}
		})
	}
	for status, body := range map[int]string{200: `{"data":null,"meta":{}}`, 500: `{}`} {
		if _, err := fetchBody(t, status, body, "X-Request-ID", "h-1"); err == nil || !strings.Contains(err.Error(), "request id h-1") {
			t.Errorf("status %d: got error %v, want one with the request id", status, err)
		}
	}
}

func TestFetchPage_ErrorStatus(t *testing.T) {
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
			t.Errorf("got error %+v, want status %d", failure, tt.status)
		}
	}
}

// TestFetchPage_ErrorsHaveNoSecrets checks that no error has the key or the query, even if the API repeats them.
func TestFetchPage_ErrorsHaveNoSecrets(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		status  int
		headers []string
		body    string
		says    string
	}{
		{"key in a message", 401, nil, `{"code":"UNAUTHORIZED","message":"Invalid API key ` + key + `"}`, "[API key]"},
		{"key in a code", 403, nil, `{"code":"` + key + `"}`, "[API key]"},
		{"key at the end of a long message", 400, nil, `{"message":"` + strings.Repeat("x", 30) + key + `"}`, "xxx"},
		{"key in a location", 302, []string{"Location", "https://elsewhere/" + key + "?key=" + key}, "", "elsewhere"},
		{"password in a location", 307, []string{"Location", "https://u:s3cret@elsewhere/?s3cret#s3cret"}, "", "elsewhere"},
		{"malformed location", 301, []string{"Location", "https://%zz/s3cret"}, "", "not a URL"},
		{"unknown status", 799, nil, "<html>" + key, "HTTP 799"},
		{"key as a member's name", 200, nil, `{"` + key + `":1}`, "data is missing"},
		{"key as the request id", 500, []string{"X-Request-ID", key}, "", "HTTP 500"},
		{"key as the request id of a bad page", 200, []string{"X-Request-ID", key}, "null", "not a JSON object"},
		{"key as the reason of a fault", 200, []string{"X-Chaos-Applied", key}, "{}", "broken on purpose"},
		{"key as a duplicate name", 200, nil, `{"` + key + `":1,"` + key + `":1}`, "twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := fetchBody(t, tt.status, tt.body, tt.headers...)
			text := err.Error()
			for _, secret := range []string{key, key[:10], "s3cret", "asked", "cursor="} {
				if strings.Contains(text+domain.HintOf(err), secret) {
					t.Errorf("error %q, hint %q: has the secret %q", err, domain.HintOf(err), secret)
				}
			}
			if !strings.Contains(text, tt.says) || !strings.Contains(text, "https://api.test/api/v1/events") {
				t.Errorf("got error %q, want one with the URL and %q", err, tt.says)
			}
		})
	}
}

// newClient returns a client with valid settings, changed by edit.
func newClient(t *testing.T, edit func(*datasync.Config)) *datasync.Client {
	t.Helper()
	cfg := datasync.Config{
		BaseURL: "https://api.test/api/v1", APIKey: key, Profile: datasync.DataSync(),
		Timeout: 30 * time.Second, MaxPageBytes: 1 << 20,
	}
	edit(&cfg)
	client, err := datasync.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

const key = "ds_0123456789abcdef"

// last is a complete page, the last of its stream.
const last = `{"data":[],"pagination":{"hasMore":false},"meta":{"total":0,"returned":0}}`

// fetchBody fetches the page after the cursor "asked" from an API that answers with this status and body.
func fetchBody(t *testing.T, status int, body string, headers ...string) (domain.Page, error) {
	t.Helper()
	mock := httpmock.NewMockTransport()
	mock.RegisterResponder(http.MethodGet, "https://api.test/api/v1/events", func(r *http.Request) (*http.Response, error) {
		return respond(r, status, headers, []byte(body)), nil
	})
	client := newClient(t, func(c *datasync.Config) { c.Transport = mock })
	return client.FetchPage(t.Context(), domain.PageRequest{Cursor: "asked", Limit: 10})
}

// A roundTrip is a function as a transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// respond returns an answer as a server gives it. headers are names, each followed by its value.
func respond(r *http.Request, status int, headers []string, body []byte) *http.Response {
	h := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{
		StatusCode: status, Header: h, Request: r,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
}

func TestFetchPage_RefusedCursor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status int
		code   string
		cursor domain.Cursor
		want   domain.Kind
	}{
		{"410 with a code of its own", http.StatusGone, "", "c", domain.CursorExpired},
		{"400 with another code", http.StatusBadRequest, "INVALID_CURSOR", "c", domain.CursorInvalid},
		{"422", http.StatusUnprocessableEntity, "", "c", domain.CursorInvalid},
		{"404 may be a proxy's", http.StatusNotFound, "", "c", domain.Invalid},
		{"401 is about the key", http.StatusUnauthorized, "", "c", domain.Unauthorized},
		{"400 at the head", http.StatusBadRequest, "INVALID_CURSOR", "", domain.Invalid},
		{"410 at the head", http.StatusGone, "", "", domain.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, func(c *datasync.Config) {
				c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
					return respond(r, tt.status, nil, []byte(`{"code":"`+tt.code+`"}`)), nil
				})
			})
			_, err := client.FetchPage(t.Context(), domain.PageRequest{Cursor: tt.cursor, Limit: 10})
			if got := domain.KindOf(err); got != tt.want {
				t.Errorf("got kind %v, want %v: %v", got, tt.want, err)
			}
		})
	}
}
