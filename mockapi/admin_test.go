package mockapi_test

import (
	"bytes"
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

func TestJournalOverHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, withRateLimit)
		admin := func(path string) *httptest.ResponseRecorder { return call(t, srv, "GET", mockapi.AdminPath+path, "") }
		for range 3 {
			get(t, srv, eventsPath(1, ""))
		}
		entries := decodeLines[mockapi.Entry](t, admin("/journal?after=1"))
		if !reflect.DeepEqual(entries, srv.Journal().After(1)) || len(entries) != 2 {
			t.Errorf("got entries %+v", entries)
		}

		start := time.Now()
		if rec := admin("/journal?after=3&wait=5s"); rec.Code != 200 || rec.Body.Len() != 0 || time.Since(start) != 5*time.Second {
			t.Errorf("%d %q after %v", rec.Code, rec.Body, time.Since(start))
		}
		start = time.Now()
		if admin("/journal?after=3&wait=12h"); time.Since(start) != time.Minute {
			t.Errorf("a wait of 12 h took %v", time.Since(start))
		}
		go func() {
			time.Sleep(time.Second)
			get(t, srv, eventsPath(1, ""))
		}()
		start = time.Now()
		if got := decodeLines[mockapi.Entry](t, admin("/journal?after=3&wait=5s")); len(got) != 1 || got[0].N != 4 || time.Since(start) != time.Second {
			t.Errorf("%+v after %v", got, time.Since(start))
		}

		if s := decode[mockapi.Summary](t, admin("/journal/summary")); s.Requests != 4 || s.Pages != 4 || s.RateLimited != 0 {
			t.Errorf("got %+v, want 4 requests: admin requests are not counted", s)
		}
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
	if rec.Body.String() != want {
		t.Errorf("got  %s\nwant %s", rec.Body, want)
	}
}

func TestTruthOverHTTP(t *testing.T) {
	srv := newFaultyServer(t, "500:1") // the truth does not depend on what was served
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
		from, to int
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
			t.Fatalf("%q: %d rows, want %d", tc.query, len(rows), tc.to-tc.from)
		}
		for i, want := range srv.Truth().Rows(tc.from, tc.to) {
			got := rows[i-tc.from]
			at, err := time.Parse("2006-01-02T15:04:05.000Z", got.OccurredAt)
			if err != nil || !at.Equal(want.OccurredAt) || got.ID != want.ID || string(got.Properties) != string(want.Properties) ||
				got.SessionID != want.SessionID || got.UserID != want.UserID || got.Type != want.Type || got.Name != want.Name ||
				got.DeviceType != want.DeviceType || got.Browser != want.Browser || got.Extra != nil {
				t.Fatalf("row %d: %+v, want %s", i, got, rowText(want))
			}
		}
	}
	if !strings.Contains(rowText(mockapi.Row{}), `"extra":null`) {
		t.Error("a nil Extra is not encoded as null")
	}
}

// The rows have the exact bytes of drifted records, and a query can select rows by outcome.
func TestTruthOverHTTPDrifts(t *testing.T) {
	srv := newDriftingServer(t, "nul@2", "timestamp-us@4", "duplicate@6", "timestamp-offset@8")
	type row struct {
		Index      int
		Outcome    string
		Drift      string
		Reason     string
		SHA256     mockapi.Digest
		Payload    []byte
		ID         *string
		OccurredAt string `json:"occurred_at"`
	}
	ask := func(query string) []row {
		return decodeLines[row](t, call(t, srv, http.MethodGet, mockapi.AdminPath+"/truth"+query, ""))
	}
	all := ask("")
	for i, want := range map[int]row{
		2: {Index: 2, Outcome: "parked", Drift: "nul", Reason: "NUL character"},
		6: {Index: 6, Outcome: "duplicate", Drift: "duplicate"},
	} {
		truth, _ := srv.Truth().Row(i)
		got := all[i]
		if got.Index != i || got.Outcome != want.Outcome || got.Drift != want.Drift || got.Reason != want.Reason || got.ID != nil ||
			!bytes.Equal(got.Payload, truth.Payload) || len(got.Payload) == 0 || got.SHA256 == (mockapi.Digest{}) {
			t.Errorf("row %d: got %+v", i, got)
		}
	}
	truth, _ := srv.Truth().Row(4)
	if at, err := time.Parse("2006-01-02T15:04:05.000000Z", all[4].OccurredAt); err != nil || !at.Equal(truth.OccurredAt) || all[4].Outcome != "drifted" {
		t.Errorf("%+v, want %v", all[4], truth.OccurredAt)
	}
	if all[8].Outcome != "stored" || all[8].Drift != "timestamp-offset" || all[0].Drift != "" || all[0].Payload != nil {
		t.Errorf("%+v, %+v", all[8], all[0])
	}
	indices := func(rows []row) (all []int) {
		for _, r := range rows {
			all = append(all, r.Index)
		}
		return all
	}
	if got := indices(ask("?outcome=parked,duplicate")); !slices.Equal(got, []int{2, 6}) {
		t.Errorf("parked or duplicate: %v", got)
	}
	if got := indices(ask("?outcome=stored,drifted&limit=8")); !slices.Equal(got, []int{0, 1, 3, 4, 5, 7}) {
		t.Errorf("a row: %v", got)
	}
	for _, query := range []string{"?outcome=lost", "?size=x"} {
		wantError(t, call(t, srv, http.MethodGet, mockapi.AdminPath+"/truth"+query, ""), http.StatusBadRequest, "INVALID_QUERY")
	}
}

// The handler ends when the client disconnects, also while it skips a billion rows that the query does not select.
func TestTruthOverHTTPClientDisconnects(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.Events = 1_000_000_000 })
	for _, query := range []string{"", "?outcome=parked"} {
		start := time.Now()
		callAborted(t, 10*time.Millisecond, srv, mockapi.AdminPath+"/truth"+query)
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%q: ended after %v", query, took)
		}
	}
}
