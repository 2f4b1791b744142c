package mockapi_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

const (
	// testKey is the key of all servers in these tests. It is the default key.
	testKey = "demo-key"
	noKey   = ""
)

// serverEvents is the number of events of a server from newServer, if no change sets another one.
const serverEvents = 1000

// newServer returns a server with serverEvents events and no rate limit. The changes edit this configuration.
func newServer(t *testing.T, changes ...func(*mockapi.Config)) *mockapi.Server {
	t.Helper()
	cfg := mockapi.DefaultConfig()
	cfg.Events, cfg.RateLimit = serverEvents, 0
	for _, change := range changes {
		change(&cfg)
	}
	srv, err := mockapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

// withEvents returns a change of the number of events.
func withEvents(events int) func(*mockapi.Config) {
	return func(c *mockapi.Config) { c.Events = events }
}

// withSeed returns a change of the seed, so that the server has other events.
func withSeed(seed uint64) func(*mockapi.Config) {
	return func(c *mockapi.Config) { c.Seed = seed }
}

// withEnvelope returns a change of the form of pages.
func withEnvelope(form mockapi.Envelope) func(*mockapi.Config) {
	return func(c *mockapi.Config) { c.Envelope = form }
}

// withRateLimit returns a change of the rate limit of /events.
func withRateLimit(limit int, window time.Duration) func(*mockapi.Config) {
	return func(c *mockapi.Config) { c.RateLimit, c.RateWindow = limit, window }
}

// allow10PerMinute is a change that sets the rate limit of the live service.
var allow10PerMinute = withRateLimit(10, time.Minute)

// withLatency returns a change of the time that each response takes.
func withLatency(latency time.Duration) func(*mockapi.Config) {
	return func(c *mockapi.Config) { c.Latency = latency }
}

// withFaults returns a change that adds faults, for example "503@7" for request 7.
func withFaults(t *testing.T, specs ...string) func(*mockapi.Config) {
	t.Helper()
	return func(c *mockapi.Config) {
		for _, spec := range specs {
			fault, err := mockapi.ParseFault(spec)
			if err != nil {
				t.Fatal(err)
			}
			c.Faults = append(c.Faults, fault)
		}
	}
}

// withDrifts returns a change that adds drifts, for example "nul@3" for the event at index 3.
func withDrifts(t *testing.T, specs ...string) func(*mockapi.Config) {
	t.Helper()
	return func(c *mockapi.Config) {
		for _, spec := range specs {
			drift, err := mockapi.ParseDrift(spec)
			if err != nil {
				t.Fatal(err)
			}
			c.Drifts = append(c.Drifts, drift)
		}
	}
}

// newFaultyServer returns a server like newServer with these faults.
func newFaultyServer(t *testing.T, specs ...string) *mockapi.Server {
	t.Helper()
	return newServer(t, withFaults(t, specs...))
}

// driftingServerEvents is the number of events of a server from newDriftingServer.
const driftingServerEvents = 200

// newDriftingServer returns a server with driftingServerEvents events, no rate limit and these drifts.
func newDriftingServer(t *testing.T, specs ...string) *mockapi.Server {
	t.Helper()
	return newServer(t, withEvents(driftingServerEvents), withDrifts(t, specs...))
}

// call serves one request without a network connection. With noKey, the request has no key.
func call(t *testing.T, srv http.Handler, method, path, key string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	if key != noKey {
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

// getAdmin serves one GET of an admin endpoint, without a network connection. path begins below AdminPath.
func getAdmin(t *testing.T, srv http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	return call(t, srv, http.MethodGet, mockapi.AdminPath+path, noKey)
}

// noCursor requests the first page.
const noCursor = ""

// eventsPath returns the path and query for the page of events after cursor. The page has limit events at most.
func eventsPath(limit int, cursor string) string {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if cursor != noCursor {
		query.Set("cursor", cursor)
	}
	return mockapi.BasePath + "/events?" + query.Encode()
}

// firstEventPath is the path and query for a page with the newest event only. It is for tests that need any request to
// /events.
var firstEventPath = eventsPath(1, noCursor)

// entryOf returns the journal's entry for request n. The requests of the test must not overlap, so that N and Seq are equal.
func entryOf(t *testing.T, srv *mockapi.Server, n int) mockapi.Entry {
	t.Helper()
	entries := srv.Journal().After(n - 1)
	if len(entries) == 0 {
		t.Fatalf("the journal has no entry for request %d", n)
	}
	return entries[0]
}

// allEntries returns all entries of the journal.
func allEntries(srv *mockapi.Server) []mockapi.Entry { return srv.Journal().After(0) }

// truthRow returns the expected row for the record at index i, which must exist.
func truthRow(t *testing.T, srv *mockapi.Server, i int) mockapi.Row {
	t.Helper()
	row, ok := srv.Truth().Row(i)
	if !ok {
		t.Fatalf("the truth has no row %d", i)
	}
	return row
}

// A wireEvent is an event in a response.
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

// A wirePage is the body of a page in the nested form. A pointer is nil if the member is missing or null.
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

// decode decodes a body that is one JSON value.
func decode[T any](t *testing.T, rec *httptest.ResponseRecorder) T {
	t.Helper()
	var value T
	if err := json.Unmarshal(rec.Body.Bytes(), &value); err != nil {
		t.Fatalf("response with status %d: %v in %.200s", rec.Code, err, rec.Body)
	}
	return value
}

// decodeLines decodes a body that has one JSON value per line.
func decodeLines[T any](t *testing.T, rec *httptest.ResponseRecorder) []T {
	t.Helper()
	var all []T
	for lines := bufio.NewScanner(rec.Body); lines.Scan(); {
		var value T
		if err := json.Unmarshal(lines.Bytes(), &value); err != nil {
			t.Fatalf("%v in %s", err, lines.Bytes())
		}
		all = append(all, value)
	}
	return all
}

// getPage returns the page of events after cursor. The status must be 200.
func getPage(t *testing.T, srv http.Handler, limit int, cursor string) wirePage {
	t.Helper()
	rec := get(t, srv, eventsPath(limit, cursor))
	if rec.Code != http.StatusOK {
		t.Fatalf("got status %d, want 200: %s", rec.Code, rec.Body)
	}
	return decode[wirePage](t, rec)
}

// getNextCursor returns the nextCursor of the page of events after cursor. The page must not be the last one.
func getNextCursor(t *testing.T, srv http.Handler, limit int, cursor string) string {
	t.Helper()
	next := getPage(t, srv, limit, cursor).Pagination.NextCursor
	if next == nil {
		t.Fatalf("the page after cursor %q has no nextCursor", cursor)
	}
	return *next
}

// readAllEvents returns the events of all pages.
func readAllEvents(t *testing.T, srv http.Handler, pageSize int) []wireEvent {
	t.Helper()
	var all []wireEvent
	for cursor := noCursor; ; {
		page := getPage(t, srv, pageSize, cursor)
		all = append(all, page.Data...)
		if !*page.Pagination.HasMore {
			return all
		}
		cursor = *page.Pagination.NextCursor
	}
}

// getStatuses sends equal requests to /events, one after the other, and returns their statuses.
func getStatuses(t *testing.T, srv *mockapi.Server, requests int) []int {
	t.Helper()
	statuses := make([]int, 0, requests)
	for range requests {
		statuses = append(statuses, get(t, srv, firstEventPath).Code)
	}
	return statuses
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

// wantEqual checks that got equals want. The message calls the value by name.
func wantEqual[T comparable](t *testing.T, name string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("got %s %v, want %v", name, got, want)
	}
}

// rowText returns the JSON of a row with index 0, so that rows with different indices can be compared.
func rowText(row mockapi.Row) string {
	row.Index = 0
	line, err := json.Marshal(row)
	if err != nil {
		return err.Error()
	}
	return string(line)
}

// bodyHash returns the hash of the body in the form of Entry.Hash.
func bodyHash(rec *httptest.ResponseRecorder) string {
	return fmt.Sprintf("%08x", crc32.Checksum(rec.Body.Bytes(), crc32.MakeTable(crc32.Castagnoli)))
}
