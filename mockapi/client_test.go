package mockapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"

	"github.com/pawldata/pawl/mockapi"
)

// newServer makes a service without a rate limit, changed as the test asks.
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

// call answers one request without a socket.
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

func getPage(t *testing.T, srv http.Handler, limit int, cursor string) wirePage {
	t.Helper()
	rec := get(t, srv, eventsPath(limit, cursor))
	if rec.Code != http.StatusOK {
		t.Fatalf("status %d: %s", rec.Code, rec.Body)
	}
	return decode[wirePage](t, rec)
}

// readAll follows the cursors to the end.
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

type wireError struct{ Error, Message, Code string }

// wantRefusal checks status and code of a JSON error.
func wantError(t *testing.T, rec *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	got := decode[wireError](t, rec)
	if rec.Code != status || got.Code != code || got.Error == "" || got.Message == "" {
		t.Fatalf("got %d %+v, want %d %s with an error and a message", rec.Code, got, status, code)
	}
	if ct := rec.Header().Get("Content-Type"); ct != "application/json; charset=utf-8" {
		t.Fatalf("Content-Type %q", ct)
	}
}
