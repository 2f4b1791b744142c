package mockapi_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"hash/crc64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/pawldata/pawl/mockapi"
)

// testKey is the key of all servers in these tests. It is the default key.
const testKey = "demo-key"

// newServer returns a server with 1000 events and no rate limit. change can edit this configuration. It may be nil.
func newServer(t *testing.T, change func(*mockapi.Config)) *mockapi.Server {
	t.Helper()
	cfg := mockapi.DefaultConfig()
	cfg.Events, cfg.RateLimit = 1000, 0
	if change != nil {
		change(&cfg)
	}
	srv, err := mockapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

// newFaultyServer returns a server with 1000 events, no rate limit and these faults.
func newFaultyServer(t *testing.T, specs ...string) *mockapi.Server {
	t.Helper()
	return newServer(t, func(c *mockapi.Config) {
		for _, spec := range specs {
			fault, err := mockapi.ParseFault(spec)
			if err != nil {
				t.Fatal(err)
			}
			c.Faults = append(c.Faults, fault)
		}
	})
}

// driftingServerEvents is the number of events of a server that newDriftingServer returns.
const driftingServerEvents = 200

// newDriftingServer returns a server with 200 events, no rate limit and these drifts.
func newDriftingServer(t *testing.T, specs ...string) *mockapi.Server {
	t.Helper()
	return newServer(t, func(c *mockapi.Config) {
		c.Events = driftingServerEvents
		for _, spec := range specs {
			drift, err := mockapi.ParseDrift(spec)
			if err != nil {
				t.Fatal(err)
			}
			c.Drifts = append(c.Drifts, drift)
		}
	})
}

// call serves one request without a network connection. If key is empty, the request has no key.
func call(t *testing.T, srv http.Handler, method, path, key string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	if key != "" {
		req.Header.Set("X-API-Key", key)
	}
	rec := httptest.NewRecorder()
	srv.ServeHTTP(rec, req)
	return rec
}

// get serves one GET with the key, without a network connection.
func get(t *testing.T, srv http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	return call(t, srv, http.MethodGet, path, testKey)
}

// eventsPath returns the path and query for a page of events. If cursor is empty, it is the first page.
func eventsPath(limit int, cursor string) string {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	return mockapi.BasePath + "/events?" + query.Encode()
}

type wireEvent struct {
	ID         string          `json:"id"`
	SessionID  string          `json:"sessionId"`
	UserID     string          `json:"userId"`
	Type       string          `json:"type"`
	Name       string          `json:"name"`
	Properties json.RawMessage `json:"properties"`
	Timestamp  json.RawMessage `json:"timestamp"`
	Session    struct {
		ID         string `json:"id"`
		DeviceType string `json:"deviceType"`
		Browser    string `json:"browser"`
	} `json:"session"`
}

type wirePage struct {
	Data       []wireEvent `json:"data"`
	Pagination struct {
		Limit           int     `json:"limit"`
		HasMore         *bool   `json:"hasMore"`
		NextCursor      *string `json:"nextCursor"`
		CursorExpiresIn *int    `json:"cursorExpiresIn"`
	} `json:"pagination"`
	Meta struct {
		Total     int    `json:"total"`
		Returned  int    `json:"returned"`
		RequestID string `json:"requestId"`
	} `json:"meta"`
}

func decode[T any](t *testing.T, rec *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
		t.Fatalf("response with status %d: %v in %.200s", rec.Code, err, rec.Body)
	}
	return v
}

// decodeLines decodes a body that has one JSON value per line.
func decodeLines[T any](t *testing.T, rec *httptest.ResponseRecorder) []T {
	t.Helper()
	var all []T
	for scan := bufio.NewScanner(rec.Body); scan.Scan(); {
		var v T
		if err := json.Unmarshal(scan.Bytes(), &v); err != nil {
			t.Fatalf("%v in %s", err, scan.Bytes())
		}
		all = append(all, v)
	}
	return all
}

// getPage returns a page of events. The status must be 200.
func getPage(t *testing.T, srv http.Handler, limit int, cursor string) wirePage {
	t.Helper()
	rec := get(t, srv, eventsPath(limit, cursor))
	if rec.Code != http.StatusOK {
		t.Fatalf("got status %d, want 200: %s", rec.Code, rec.Body)
	}
	return decode[wirePage](t, rec)
}

// getNextCursor returns the nextCursor of a page of events. The page must not be the last one.
func getNextCursor(t *testing.T, srv http.Handler, limit int, cursor string) string {
	t.Helper()
	next := getPage(t, srv, limit, cursor).Pagination.NextCursor
	if next == nil {
		t.Fatalf("the page after cursor %q has no nextCursor", cursor)
	}
	return *next
}

// readAll returns the events of all pages.
func readAll(t *testing.T, srv http.Handler, limit int) []wireEvent {
	t.Helper()
	var all []wireEvent
	cursor := ""
	for {
		page := getPage(t, srv, limit, cursor)
		all = append(all, page.Data...)
		if !*page.Pagination.HasMore {
			return all
		}
		cursor = *page.Pagination.NextCursor
	}
}

// getStatuses requests the first page n times and returns the statuses.
func getStatuses(t *testing.T, srv *mockapi.Server, n int) []int {
	t.Helper()
	got := make([]int, 0, n)
	for range n {
		got = append(got, get(t, srv, eventsPath(1, "")).Code)
	}
	return got
}

// sendScenario sends body to the admin endpoint /scenario.
func sendScenario(t *testing.T, srv http.Handler, method, body string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, mockapi.AdminPath+"/scenario", strings.NewReader(body))
	rec := httptest.NewRecorder()
	srv.ServeHTTP(rec, req)
	return rec
}

type wireError struct{ Error, Message, Code string }

// wantError checks the status and the code of a JSON error.
func wantError(t *testing.T, rec *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	got := decode[wireError](t, rec)
	if rec.Code != status || got.Code != code {
		t.Fatalf("got status %d, code %s, want %d, %s", rec.Code, got.Code, status, code)
	}
	if got.Error == "" || got.Message == "" {
		t.Fatalf("got %+v, want an error and a message", got)
	}
	wantEqual(t, "Content-Type", rec.Header().Get("Content-Type"), jsonType)
}

// These are the content types of the API.
const (
	jsonType = "application/json; charset=utf-8"
	htmlType = "text/html; charset=utf-8"
)

// wantEqual checks that got is want. name says in the message what the value is.
func wantEqual[T comparable](t *testing.T, name string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("got %s %v, want %v", name, got, want)
	}
}

// rowText returns the JSON of a row without its index, so that rows with different indices can be compared.
func rowText(row mockapi.Row) string {
	row.Index = 0
	line, err := json.Marshal(row)
	if err != nil {
		return err.Error()
	}
	return string(line)
}

// bodyHash returns the hash of the body in the form of the journal.
func bodyHash(rec *httptest.ResponseRecorder) string {
	return fmt.Sprintf("%016x", crc64.Checksum(rec.Body.Bytes(), crc64.MakeTable(crc64.ECMA)))
}
