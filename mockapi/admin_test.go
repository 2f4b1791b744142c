package mockapi_test

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

// TestJournalOverHTTP checks the endpoints /journal and /journal/summary, and the errors of all admin endpoints.
func TestJournalOverHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, setRateLimit)
		admin := func(path string) *httptest.ResponseRecorder { return call(t, srv, "GET", mockapi.AdminPath+path, "") }
		for range 3 {
			get(t, srv, eventsPath(1, ""))
		}
		entries := decodeLines[mockapi.Entry](t, admin("/journal?after=1"))
		wantEqual(t, "number of entries after 1", len(entries), 2)
		if want := srv.Journal().After(1); !reflect.DeepEqual(entries, want) {
			t.Errorf("got entries %+v, want %+v", entries, want)
		}

		start := time.Now()
		rec := admin("/journal?after=3&wait=5s")
		wantEqual(t, "time of waiting without a new entry", time.Since(start), 5*time.Second)
		wantEqual(t, "status without a new entry", rec.Code, http.StatusOK)
		wantEqual(t, "body without a new entry", rec.Body.String(), "")
		start = time.Now()
		admin("/journal?after=3&wait=12h")
		wantEqual(t, "maximum time of waiting", time.Since(start), time.Minute)
		go func() {
			time.Sleep(time.Second)
			get(t, srv, eventsPath(1, ""))
		}()
		start = time.Now()
		entries = decodeLines[mockapi.Entry](t, admin("/journal?after=3&wait=5s"))
		wantEqual(t, "time until the new entry", time.Since(start), time.Second)
		if len(entries) != 1 || entries[0].N != 4 {
			t.Errorf("got entries %+v, want one with N 4", entries)
		}

		// The summary does not count the admin requests.
		s := decode[mockapi.Summary](t, admin("/journal/summary"))
		wantEqual(t, "Requests", s.Requests, 4)
		wantEqual(t, "Pages", s.Pages, 4)
		wantEqual(t, "RateLimited", s.RateLimited, 0)
		for _, path := range []string{"/journal?after=x", "/journal?after=-1", "/journal?wait=soon", "/truth?from=x", "/truth?limit=-2"} {
			wantError(t, admin(path), http.StatusBadRequest, "INVALID_QUERY")
		}
		wantError(t, admin("/nothing"), http.StatusNotFound, "ENDPOINT_NOT_FOUND")
		wantError(t, call(t, srv, "POST", mockapi.AdminPath+"/config", ""), http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
	})
}

func TestConfigOverHTTP(t *testing.T) {
	rec := call(t, newFaultyServer(t, "503@7", "500:0.5"), "GET", mockapi.AdminPath+"/config", "")
	const want = `{"events":1000,"grow":0,"rate_limit":0,"rate_window":"1m0s","rate_headers":"seconds","retry_after":"seconds",` +
		`"cursor_ttl":"2m0s","latency":"0s","envelope":"nested","faults":["503@7","500:0.5"],"drifts":[],` +
		`"seed":1,"default_limit":100,"max_limit":5000,"journal_limit":100000}`
	wantEqual(t, "configuration", rec.Body.String(), want)
}

// TestTruthOverHTTP checks the rows of the endpoint /truth, for several ranges. All requests for events get a fault, which
// does not change the expected rows.
func TestTruthOverHTTP(t *testing.T) {
	srv := newFaultyServer(t, "500:1")
	type row struct {
		ID         string          `json:"id"`
		SessionID  string          `json:"session_id"`
		UserID     string          `json:"user_id"`
		Type       string          `json:"type"`
		Name       string          `json:"name"`
		Properties json.RawMessage `json:"properties"`
		OccurredAt string          `json:"occurred_at"`
		DeviceType string          `json:"device_type"`
		Browser    string          `json:"browser"`
		Extra      *struct{}       `json:"extra"`
	}
	for _, tc := range []struct {
		query    string
		from, to int // the expected rows, without the one at index to
	}{
		{"", 0, 1000},
		{"?from=990", 990, 1000},
		{"?from=10&limit=5", 10, 15},
		{"?limit=0", 0, 0},
		{"?from=990&limit=9223372036854775807", 990, 1000},
		{"?from=2000", 0, 0},
		{"?from=9223372036854775807&limit=9223372036854775807", 0, 0},
	} {
		rows := decodeLines[row](t, call(t, srv, "GET", mockapi.AdminPath+"/truth"+tc.query, ""))
		if len(rows) != tc.to-tc.from {
			t.Fatalf("%q: got %d rows, want %d", tc.query, len(rows), tc.to-tc.from)
		}
		for i, expected := range srv.Truth().Rows(tc.from, tc.to) {
			want := row{
				ID:         expected.ID,
				SessionID:  expected.SessionID,
				UserID:     expected.UserID,
				Type:       expected.Type,
				Name:       expected.Name,
				Properties: expected.Properties,
				OccurredAt: expected.OccurredAt.Format("2006-01-02T15:04:05.000Z"),
				DeviceType: expected.DeviceType,
				Browser:    expected.Browser,
			}
			if got := rows[i-tc.from]; !reflect.DeepEqual(got, want) {
				t.Fatalf("row %d: got %+v, want %+v", i, got, want)
			}
		}
	}
	if text := rowText(mockapi.Row{}); !strings.Contains(text, `"extra":null`) {
		t.Errorf("got %s for a row without Extra, want it to contain null", text)
	}
}

// TestTruthOverHTTPDrifts checks that the rows of the endpoint /truth contain the exact bytes of drifted records.
func TestTruthOverHTTPDrifts(t *testing.T) {
	srv := newDriftingServer(t, "nul@2", "timestamp-us@4", "duplicate@6", "timestamp-offset@8")
	type row struct {
		Index      int
		Outcome    string
		Drift      string
		Reason     string
		SHA256     mockapi.Digest
		Payload    []byte
		OccurredAt string `json:"occurred_at"`
	}
	rows := decodeLines[row](t, call(t, srv, http.MethodGet, mockapi.AdminPath+"/truth", ""))
	for i, want := range map[int]row{
		0: {Outcome: "stored"},
		2: {Outcome: "parked", Drift: "nul", Reason: "NUL character"},
		4: {Outcome: "drifted", Drift: "timestamp-us"},
		6: {Outcome: "duplicate", Drift: "duplicate"},
		8: {Outcome: "stored", Drift: "timestamp-offset"},
	} {
		expected, _ := srv.Truth().Row(i)
		want.Index, want.Payload = i, expected.Payload
		if want.Drift != "" {
			want.SHA256 = sha256.Sum256(expected.Payload)
			if len(expected.Payload) == 0 {
				t.Errorf("row %d: got no payload", i)
			}
		}
		switch want.Outcome {
		case "stored":
			want.OccurredAt = expected.OccurredAt.Format("2006-01-02T15:04:05.000Z")
		case "drifted":
			want.OccurredAt = expected.OccurredAt.Format("2006-01-02T15:04:05.000000Z")
		}
		if !reflect.DeepEqual(rows[i], want) {
			t.Errorf("row %d: got %+v, want %+v", i, rows[i], want)
		}
	}
}

// TestTruthOverHTTPOutcomes checks that the parameter outcome of the endpoint /truth selects rows.
func TestTruthOverHTTPOutcomes(t *testing.T) {
	srv := newDriftingServer(t, "nul@2", "timestamp-us@4", "duplicate@6", "timestamp-offset@8")
	for query, want := range map[string][]int{
		"?outcome=parked,duplicate":       {2, 6},
		"?outcome=stored,drifted&limit=8": {0, 1, 3, 4, 5, 7},
	} {
		var indices []int
		rec := call(t, srv, http.MethodGet, mockapi.AdminPath+"/truth"+query, "")
		for _, row := range decodeLines[struct{ Index int }](t, rec) {
			indices = append(indices, row.Index)
		}
		if !slices.Equal(indices, want) {
			t.Errorf("%s: got rows %v, want %v", query, indices, want)
		}
	}
	for _, query := range []string{"?outcome=lost", "?size=x"} {
		wantError(t, call(t, srv, http.MethodGet, mockapi.AdminPath+"/truth"+query, ""), http.StatusBadRequest, "INVALID_QUERY")
	}
}

// TestTruthOverHTTPClientDisconnects checks that the handler ends when the client disconnects. It must also end while it
// skips a billion rows that the query does not select.
func TestTruthOverHTTPClientDisconnects(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.Events = 1_000_000_000 })
	for _, query := range []string{"", "?outcome=parked"} {
		start := time.Now()
		callAborted(t, 10*time.Millisecond, srv, mockapi.AdminPath+"/truth"+query)
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%q: got an end after %v, want it soon after 10 ms", query, took)
		}
	}
}
