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
		srv := newServer(t, allow10PerMinute)
		for range 3 {
			get(t, srv, firstEventPath)
		}
		entries := decodeLines[mockapi.Entry](t, getAdmin(t, srv, "/journal?after=1"))
		wantEqual(t, "number of entries after 1", len(entries), 2)
		if want := srv.Journal().After(1); !reflect.DeepEqual(entries, want) {
			t.Errorf("got entries %+v, want %+v", entries, want)
		}

		start := time.Now()
		rec := getAdmin(t, srv, "/journal?after=3&wait=5s")
		wantEqual(t, "time of waiting without a new entry", time.Since(start), 5*time.Second)
		wantEqual(t, "status without a new entry", rec.Code, http.StatusOK)
		wantEqual(t, "body without a new entry", rec.Body.String(), "")
		start = time.Now()
		getAdmin(t, srv, "/journal?after=3&wait=12h")
		wantEqual(t, "maximum time of waiting", time.Since(start), time.Minute)
		go func() {
			time.Sleep(time.Second)
			get(t, srv, firstEventPath)
		}()
		start = time.Now()
		entries = decodeLines[mockapi.Entry](t, getAdmin(t, srv, "/journal?after=3&wait=5s"))
		wantEqual(t, "time until the new entry", time.Since(start), time.Second)
		if len(entries) != 1 || entries[0].N != 4 {
			t.Errorf("got entries %+v, want one with N 4", entries)
		}

		// The summary counts the four requests to /events, but not the admin requests.
		summary := decode[mockapi.Summary](t, getAdmin(t, srv, "/journal/summary"))
		wantEqual(t, "Requests", summary.Requests, 4)
		wantEqual(t, "Pages", summary.Pages, 4)
		wantEqual(t, "RateLimited", summary.RateLimited, 0)
		for _, path := range []string{"/journal?after=x", "/journal?after=-1", "/journal?wait=soon", "/truth?from=x", "/truth?limit=-2"} {
			wantError(t, getAdmin(t, srv, path), http.StatusBadRequest, "INVALID_QUERY")
		}
		wantError(t, getAdmin(t, srv, "/nothing"), http.StatusNotFound, "ENDPOINT_NOT_FOUND")
		wantError(t, call(t, srv, http.MethodPost, mockapi.AdminPath+"/config", noKey), http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
	})
}

// TestConfigOverHTTP checks the exact JSON of the endpoint /config. The API key is not in it.
func TestConfigOverHTTP(t *testing.T) {
	rec := getAdmin(t, newFaultyServer(t, "503@7", "500:0.5"), "/config")
	const want = `{"events":1000,"grow":0,"rate_limit":0,"rate_window":"1m0s","rate_headers":"seconds","retry_after":"seconds",` +
		`"cursor_ttl":"2m0s","latency":"0s","envelope":"nested","faults":["503@7","500:0.5"],"drifts":[],` +
		`"seed":1,"default_limit":100,"max_limit":5000,"journal_limit":100000}`
	wantEqual(t, "configuration", rec.Body.String(), want)
}

// TestTruthOverHTTP checks the rows of the endpoint /truth, for several ranges. All requests for events get a fault, which
// does not change the expected rows.
func TestTruthOverHTTP(t *testing.T) {
	srv := newFaultyServer(t, "500:1")
	const maxInt = "9223372036854775807" // from + limit must not overflow
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
		Extra      *struct{}       `json:"extra"` // null in all rows, because no record drifts
	}
	for _, tc := range []struct {
		query    string
		from, to int // the expected rows have indices in [from, to)
	}{
		{query: "", from: 0, to: serverEvents},
		{query: "?from=990", from: 990, to: serverEvents},
		{query: "?from=10&limit=5", from: 10, to: 15},
		{query: "?limit=0", from: 0, to: 0},
		{query: "?from=990&limit=" + maxInt, from: 990, to: serverEvents},
		{query: "?from=2000", from: 0, to: 0},
		{query: "?from=" + maxInt + "&limit=" + maxInt, from: 0, to: 0},
	} {
		rows := decodeLines[row](t, getAdmin(t, srv, "/truth"+tc.query))
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
	// The rows above have no Extra, and null decodes like a missing member. So look at the JSON itself.
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
	rows := decodeLines[row](t, getAdmin(t, srv, "/truth"))
	for i, want := range map[int]row{ // by index; record 0 does not drift
		0: {Outcome: "stored"},
		2: {Outcome: "parked", Drift: "nul", Reason: "NUL character"},
		4: {Outcome: "drifted", Drift: "timestamp-us"},
		6: {Outcome: "duplicate", Drift: "duplicate"},
		8: {Outcome: "stored", Drift: "timestamp-offset"},
	} {
		expected := truthRow(t, srv, i)
		want.Index, want.Payload = i, expected.Payload
		if want.Drift != "" {
			want.SHA256 = sha256.Sum256(expected.Payload)
			if len(expected.Payload) == 0 { // else the comparison of payloads would prove nothing
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
		"?outcome=stored,drifted&limit=8": {0, 1, 3, 4, 5, 7}, // the first 8 rows without 2 and 6
	} {
		var indices []int
		rec := getAdmin(t, srv, "/truth"+query)
		for _, row := range decodeLines[struct{ Index int }](t, rec) { // the other members are ignored
			indices = append(indices, row.Index)
		}
		if !slices.Equal(indices, want) {
			t.Errorf("%s: got rows %v, want %v", query, indices, want)
		}
	}
	for _, query := range []string{"?outcome=lost", "?size=x"} {
		wantError(t, getAdmin(t, srv, "/truth"+query), http.StatusBadRequest, "INVALID_QUERY")
	}
}

// TestTruthOverHTTPClientDisconnects checks that the handler ends when the client disconnects. It must also end while it
// skips a billion rows that the query does not select.
func TestTruthOverHTTPClientDisconnects(t *testing.T) {
	srv := newServer(t, withEvents(1_000_000_000))
	const clientTimeout = 10 * time.Millisecond
	const soon = 20 * time.Second // enough for a slow machine, but not for a billion rows
	for _, query := range []string{"", "?outcome=parked"} {
		start := time.Now()
		callAborted(t, clientTimeout, srv, mockapi.AdminPath+"/truth"+query)
		if took := time.Since(start); took > soon {
			t.Errorf("%q: got an end after %v, want it soon after %v", query, took, clientTimeout)
		}
	}
}

// TestAdminIndex checks that the index lists the journal.
func TestAdminIndex(t *testing.T) {
	t.Parallel()
	srv := newServer(t, allow10PerMinute)
	for _, path := range []string{"", "/"} {
		if rec := getAdmin(t, srv, path); !strings.Contains(rec.Body.String(), "GET    /_mock/journal?") {
			t.Errorf("path %q: got %q, want a list of the endpoints", path, rec.Body)
		}
	}
}

// TestJournalClearAndLimit checks the parameter limit of the journal, and that DELETE removes the entries and the totals.
func TestJournalClearAndLimit(t *testing.T) {
	t.Parallel()
	srv := newServer(t, allow10PerMinute)
	for range 3 {
		get(t, srv, firstEventPath)
	}
	entries := decodeLines[mockapi.Entry](t, getAdmin(t, srv, "/journal?after=1&limit=1"))
	if len(entries) != 1 || entries[0].Seq != 2 {
		t.Errorf("got entries %+v, want only the one with Seq 2", entries)
	}
	rec := httptest.NewRecorder()
	srv.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodDelete, mockapi.AdminPath+"/journal", http.NoBody))
	wantEqual(t, "status of DELETE", rec.Code, http.StatusNoContent)
	wantEqual(t, "requests after DELETE", srv.Journal().Summary().Requests, 0)
	get(t, srv, firstEventPath)
	entries = srv.Journal().After(0)
	if len(entries) != 1 || entries[0].Seq != 1 || entries[0].N != 4 {
		t.Errorf("got entries %+v, want one with Seq 1 and N 4", entries)
	}
}
