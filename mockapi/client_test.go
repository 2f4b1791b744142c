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

// newServer returns a server with 1000 events and no rate limit, after change has edited its configuration.
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

// newDriftingServer returns a server with 200 events and these drifts.
func newDriftingServer(t *testing.T, specs ...string) *mockapi.Server {
	t.Helper()
	return newServer(t, func(c *mockapi.Config) {
		c.Events = 200
		for _, spec := range specs {
			drift, err := mockapi.ParseDrift(spec)
			if err != nil {
				t.Fatal(err)
			}
			c.Drifts = append(c.Drifts, drift)
		}
	})
}

// call serves one request without a network connection.
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

func get(t *testing.T, srv http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	return call(t, srv, http.MethodGet, path, "demo-key")
}

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
		t.Fatalf("status %d: %v in %.200s", rec.Code, err, rec.Body)
	}
	return v
}

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

func getPage(t *testing.T, srv http.Handler, limit int, cursor string) wirePage {
	t.Helper()
	rec := get(t, srv, eventsPath(limit, cursor))
	if rec.Code != http.StatusOK {
		t.Fatalf("status %d: %s", rec.Code, rec.Body)
	}
	return decode[wirePage](t, rec)
}

// readAll reads all pages.
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

// getStatuses requests the first page n times.
func getStatuses(t *testing.T, srv *mockapi.Server, n int) []int {
	t.Helper()
	got := make([]int, 0, n)
	for range n {
		got = append(got, get(t, srv, eventsPath(1, "")).Code)
	}
	return got
}

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
	if rec.Code != status || got.Code != code || got.Error == "" || got.Message == "" {
		t.Fatalf("got %d %+v, want %d %s with an error and a message", rec.Code, got, status, code)
	}
	if ct := rec.Header().Get("Content-Type"); ct != "application/json; charset=utf-8" {
		t.Fatalf("got Content-Type %q", ct)
	}
}

// rowText returns a row as text, without its index.
func rowText(row mockapi.Row) string {
	row.Index = 0
	line, err := json.Marshal(row)
	return fmt.Sprint(string(line), err)
}

// bodyHash returns the CRC-64 of the body with the ECMA polynomial.
func bodyHash(rec *httptest.ResponseRecorder) string {
	return fmt.Sprintf("%016x", crc64.Checksum(rec.Body.Bytes(), crc64.MakeTable(crc64.ECMA)))
}
