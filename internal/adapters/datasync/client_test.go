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
	validConfig := datasync.Config{
		BaseURL: "https://host", APIKey: "k", Profile: datasync.DataSync(), Timeout: time.Second, MaxPageBytes: 1,
	}
	if _, err := datasync.New(validConfig); err != nil {
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
		cfg := validConfig
		edit(&cfg)
		if _, err := datasync.New(cfg); domain.KindOf(err) != domain.Invalid || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got error %v, want Invalid without the key", name, err)
		}
	}
}

func TestClient_Endpoint(t *testing.T) {
	t.Parallel()
	const want = "https://api.test/api/v1/events"
	if got := newClient(t, func(*datasync.Config) {}).Endpoint(); got != want {
		t.Errorf("got endpoint %s, want %s", got, want)
	}
}

// TestFetchPage_Request checks the method, the URL and the headers of a request.
func TestFetchPage_Request(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		req   domain.PageRequest
		query string
	}{
		{name: "head", req: domain.PageRequest{Limit: 100}, query: "limit=100"},
		{
			name: "after a cursor with special characters", req: domain.PageRequest{Cursor: "a+/= &limit=9#é", Limit: 5000},
			query: "cursor=a%2B%2F%3D+%26limit%3D9%23%C3%A9&limit=5000",
		},
		{name: "limit above the maximum", req: domain.PageRequest{Limit: 100_000}, query: "limit=5000"},
		{name: "no limit", req: domain.PageRequest{}},
		{name: "negative limit", req: domain.PageRequest{Limit: -1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got *http.Request
			client := newClient(t, func(c *datasync.Config) {
				c.BaseURL, c.UserAgent = "https://API.test:443/api/v1/", "pawl/1"
				c.Transport = roundTripFunc(func(r *http.Request) (*http.Response, error) {
					got = r
					return respond(r, 200, nil, []byte(lastPage)), nil
				})
			})
			if _, err := client.FetchPage(t.Context(), tt.req); err != nil {
				t.Fatal(err)
			}
			wantURL := "https://api.test/api/v1/events"
			if tt.query != "" {
				wantURL += "?" + tt.query
			}
			if got.Method != http.MethodGet || got.URL.String() != wantURL {
				t.Errorf("got %s %s, want GET %s", got.Method, got.URL, wantURL)
			}
			if got.Header.Get("X-API-Key") != apiKey || got.UserAgent() != "pawl/1" || got.Header.Get("Accept") != "application/json" ||
				got.Header.Get("Cache-Control") != "no-cache" {
				t.Errorf("got headers %v, want the key, the user agent, Accept and Cache-Control", got.Header)
			}
		})
	}
}

// TestFetchPage_OtherProfile checks a profile without the optional names, and with a maximum limit of 7. Members that the
// profile does not name, one of them with an empty name, must be ignored.
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
		t.Errorf("got page %+v, error %v, want one record, the cursor y and no request id", page, err)
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

// TestFetchPage_ConcurrentCallsShareTheRateLimit checks that only one of several concurrent calls sends a request if MinDelay
// is long.
func TestFetchPage_ConcurrentCallsShareTheRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		client := newClient(t, func(c *datasync.Config) {
			c.MinDelay = time.Hour
			c.Transport = roundTripFunc(func(r *http.Request) (*http.Response, error) {
				sent++
				return respond(r, 200, nil, []byte(lastPage)), nil
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

// TestFetchPage_RequestID checks which request id a page and an error have. An id that is not usable is ignored.
func TestFetchPage_RequestID(t *testing.T) {
	t.Parallel()
	const maxIDBytes = 128
	bodyWithID := func(id string) string { return `{"data":[],"hasMore":false,"meta":{"requestId":` + id + `}}` }
	tests := []struct{ name, header, body, want string }{
		{name: "in the header and the body", header: "h-1", body: bodyWithID(`"m-1"`), want: "h-1"},
		{name: "in the body only", body: bodyWithID(`"m-1"`), want: "m-1"},
		{name: "nowhere", body: lastPage},
		{name: "number", body: bodyWithID(`17`)},
		{name: "not storable", header: "\xff", body: bodyWithID(`"\u0000"`)},
		{name: "too long in the header", header: strings.Repeat("x", maxIDBytes+1), body: bodyWithID(`"m-1"`), want: "m-1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			page, err := fetchAnswer(t, 200, tt.body, "X-Request-ID", tt.header)
			if err != nil || page.Receipt.RequestID != tt.want {
				t.Errorf("got request id %q, error %v, want %q", page.Receipt.RequestID, err, tt.want)
			}
		})
	}
	for status, body := range map[int]string{200: `{"data":null,"meta":{}}`, 500: `{}`} {
		if _, err := fetchAnswer(t, status, body, "X-Request-ID", "h-1"); err == nil || !strings.Contains(err.Error(), "request id h-1") {
			t.Errorf("status %d: got error %v, want one with the request id", status, err)
		}
	}
}

// TestFetchPage_ErrorStatus checks that an error has the HTTP status of the answer, or 0 if there was no answer.
func TestFetchPage_ErrorStatus(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int // 0: there is no answer
		body   string
	}{{503, "<html>"}, {429, "{}"}, {401, ""}, {200, `{"data":null}`}, {0, ""}} {
		client := newClient(t, func(c *datasync.Config) {
			c.Transport = roundTripFunc(func(r *http.Request) (*http.Response, error) {
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

// TestFetchPage_ErrorsHaveNoSecrets checks that no error contains the API key, the cursor, or a part of a redirect's target
// that may be secret, even if the API repeats them.
func TestFetchPage_ErrorsHaveNoSecrets(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		status   int
		headers  []string
		body     string
		wantText string
	}{
		{
			name: "key in a message", status: 401, wantText: "[API key]",
			body: `{"code":"UNAUTHORIZED","message":"Invalid API key ` + apiKey + `"}`,
		},
		{name: "key in a code", status: 403, body: `{"code":"` + apiKey + `"}`, wantText: "[API key]"},
		{
			name: "key at the end of a long message", status: 400, wantText: "xxx",
			body: `{"message":"` + strings.Repeat("x", 30) + apiKey + `"}`,
		},
		{
			name: "key in a location", status: 302, wantText: "elsewhere",
			headers: []string{"Location", "https://elsewhere/" + apiKey + "?key=" + apiKey},
		},
		{
			name: "password in a location", status: 307, wantText: "elsewhere",
			headers: []string{"Location", "https://u:s3cret@elsewhere/?s3cret#s3cret"},
		},
		{name: "malformed location", status: 301, headers: []string{"Location", "https://%zz/s3cret"}, wantText: "not a URL"},
		{name: "unknown status", status: 799, body: "<html>" + apiKey, wantText: "HTTP 799"},
		{name: "key as a member's name", status: 200, body: `{"` + apiKey + `":1}`, wantText: "data is missing"},
		{name: "key as the request id", status: 500, headers: []string{"X-Request-ID", apiKey}, wantText: "HTTP 500"},
		{
			name: "key as the request id of a bad page", status: 200, wantText: "not a JSON object",
			headers: []string{"X-Request-ID", apiKey}, body: "null",
		},
		{
			name: "key as the reason of a fault", status: 200, body: "{}", wantText: "broken on purpose",
			headers: []string{"X-Chaos-Applied", apiKey},
		},
		{name: "key as a duplicate name", status: 200, body: `{"` + apiKey + `":1,"` + apiKey + `":1}`, wantText: "twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := fetchAnswer(t, tt.status, tt.body, tt.headers...)
			text := err.Error()
			beginningOfKey := apiKey[:10]
			for _, secret := range []string{apiKey, beginningOfKey, "s3cret", requestedCursor, "cursor="} {
				if strings.Contains(text+domain.HintOf(err), secret) {
					t.Errorf("got error %q, hint %q, want them without %q", err, domain.HintOf(err), secret)
				}
			}
			if !strings.Contains(text, tt.wantText) || !strings.Contains(text, "https://api.test/api/v1/events") {
				t.Errorf("got error %q, want one with the URL and %q", err, tt.wantText)
			}
		})
	}
}

// newClient returns a client with a valid configuration, which edit may change.
func newClient(t *testing.T, edit func(*datasync.Config)) *datasync.Client {
	t.Helper()
	cfg := datasync.Config{
		BaseURL: "https://api.test/api/v1", APIKey: apiKey, Profile: datasync.DataSync(),
		Timeout: 30 * time.Second, MaxPageBytes: maxPageBytes,
	}
	edit(&cfg)
	client, err := datasync.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

const apiKey = "ds_0123456789abcdef"

// maxPageBytes is the maximum size of a page for the clients of newClient.
const maxPageBytes = 1 << 20

// requestedCursor is the cursor in the requests of fetchAnswer.
const requestedCursor = "requested-cursor"

// lastPage is the body of a complete page, which is the last of its stream.
const lastPage = `{"data":[],"pagination":{"hasMore":false},"meta":{"total":0,"returned":0}}`

// fetchAnswer fetches the page after requestedCursor from an API that answers with this status and body. headers are the
// names of headers, each followed by its value.
func fetchAnswer(t *testing.T, status int, body string, headers ...string) (domain.Page, error) {
	t.Helper()
	mock := httpmock.NewMockTransport()
	mock.RegisterResponder(http.MethodGet, "https://api.test/api/v1/events", func(r *http.Request) (*http.Response, error) {
		return respond(r, status, headers, []byte(body)), nil
	})
	client := newClient(t, func(c *datasync.Config) { c.Transport = mock })
	return client.FetchPage(t.Context(), domain.PageRequest{Cursor: requestedCursor, Limit: 10})
}

// A roundTripFunc is a function that serves as a transport.
type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// respond returns an answer to r. headers are the names of headers, each followed by its value.
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

// TestFetchPage_RefusedCursor checks which statuses mean that the API does not accept the cursor. An answer to a request for
// the head, which has no cursor, never means that.
func TestFetchPage_RefusedCursor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status int
		code   string
		cursor domain.Cursor
		want   domain.Kind
	}{
		{name: "410 without a code", status: http.StatusGone, cursor: "c", want: domain.CursorExpired},
		{
			status: http.StatusBadRequest, code: "INVALID_CURSOR", cursor: "c", want: domain.CursorInvalid,
			name: "400 with a code that is not about cursors",
		},
		{name: "422", status: http.StatusUnprocessableEntity, cursor: "c", want: domain.CursorInvalid},
		{name: "404, which a proxy may send", status: http.StatusNotFound, cursor: "c", want: domain.Invalid},
		{name: "401, which is about the key", status: http.StatusUnauthorized, cursor: "c", want: domain.Unauthorized},
		{name: "400 at the head", status: http.StatusBadRequest, code: "INVALID_CURSOR", want: domain.Invalid},
		{name: "410 at the head", status: http.StatusGone, want: domain.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, func(c *datasync.Config) {
				c.Transport = roundTripFunc(func(r *http.Request) (*http.Response, error) {
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
