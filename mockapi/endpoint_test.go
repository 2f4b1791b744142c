package mockapi_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

// "GET {base}/events/{id} is a look-up in the same bucket as the list; HEAD and a 404 for an unknown id cost a token"
func TestLookup(t *testing.T) {
	srv := newServer(t, withRateLimit)
	row, _ := srv.Truth().Row(17)
	path := mockapi.BasePath + "/events/"
	rec := get(t, srv, path+row.ID)
	found := decode[struct{ Data wireEvent }](t, rec).Data
	if rec.Code != 200 || found.ID != row.ID || found.Name != row.Name || found.Session.Browser != row.Browser {
		t.Errorf("%d %s, want %s", rec.Code, rec.Body, rowText(row))
	}
	wantRateHeaders(t, rec.Header(), "10", "9", "60")
	for i, id := range []string{"00000000-0000-4000-8000-000000000000", "nonsense", row.SessionID} {
		rec := get(t, srv, path+id)
		wantError(t, rec, http.StatusNotFound, "EVENT_NOT_FOUND")
		wantRateHeaders(t, rec.Header(), "10", strconv.Itoa(8-i), "60")
	}
	head := call(t, srv, http.MethodHead, path+row.ID, "demo-key")
	wantRateHeaders(t, head.Header(), "10", "5", "60")
	if head.Code != 200 || head.Body.Len() != 0 {
		t.Errorf("HEAD: %d, %d bytes", head.Code, head.Body.Len())
	}
	wantRateHeaders(t, get(t, srv, eventsPath(1, "")).Header(), "10", "4", "60")
	e := srv.Journal().After(0)[0]
	if e.Endpoint != "event" || e.From != 17 || e.Returned != 1 || e.Sound {
		t.Errorf("entry %+v", e)
	}
	if s := srv.Journal().Summary(); s.Pages != 1 || s.Requests != 6 {
		t.Errorf("a look-up is no page: %+v", s)
	}
	wantError(t, get(t, srv, path+"a/b"), http.StatusNotFound, "ENDPOINT_NOT_FOUND")
}

// An id that is not on the wire cannot be looked up; a record that drifts otherwise is found as it is.
func TestLookupDriftedRecords(t *testing.T) {
	sound := newDriftingServer(t)
	srv := newDriftingServer(t, "missing-id@3", "not-an-object@4", "duplicate@6", "new-field@8")
	for i, status := range map[int]int{3: 404, 4: 404, 6: 404, 5: 200, 8: 200} {
		row, _ := sound.Truth().Row(i)
		rec := get(t, srv, mockapi.BasePath+"/events/"+row.ID)
		if rec.Code != status {
			t.Errorf("record %d: %d %s", i, rec.Code, rec.Body)
		}
		if drifted, _ := srv.Truth().Row(i); i == 8 && string(decode[struct{ Data rawText }](t, rec).Data) != string(drifted.Payload) {
			t.Errorf("%s\nwant %s", rec.Body, drifted.Payload)
		}
	}
}

type rawText []byte

func (r *rawText) UnmarshalJSON(text []byte) error {
	*r = append(rawText(nil), text...)
	return nil
}

// "sessions (40 per window) and metrics (30, always empty) have the same envelope and their own buckets"
func TestRateLimitBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, withRateLimit)
		for path, limit := range map[string]int{"/events": 10, "/sessions": 40, "/metrics": 30} {
			for n := range limit {
				wantRateHeaders(t, get(t, srv, mockapi.BasePath+path).Header(), strconv.Itoa(limit), strconv.Itoa(limit-n-1), "60")
			}
			rec := get(t, srv, mockapi.BasePath+path)
			if rec.Code != 429 || decode[struct{ RateLimit struct{ Limit int } }](t, rec).RateLimit.Limit != limit {
				t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
			}
		}
		for _, e := range srv.Journal().After(0) {
			if e.TooEarly {
				t.Errorf("told by one bucket to wait, early in another: %+v", e)
			}
		}
		time.Sleep(time.Minute)
		metrics := decode[wirePage](t, get(t, srv, mockapi.BasePath+"/metrics"))
		if len(metrics.Data) != 0 || metrics.Meta.Total != 0 || *metrics.Pagination.HasMore || metrics.Pagination.NextCursor != nil {
			t.Errorf("metrics %+v", metrics)
		}
	})
}

func TestSessions(t *testing.T) {
	srv := newServer(t, nil)
	type session struct{ ID, UserID, DeviceType, Browser string }
	type sessionPage struct {
		Data       []session
		Pagination struct {
			HasMore    bool
			NextCursor string
		}
		Meta struct{ Total, Returned int }
	}
	found := map[string]session{}
	var total int
	for cursor := ""; ; {
		p := decode[sessionPage](t, get(t, srv, mockapi.BasePath+"/sessions?limit=50&cursor="+cursor))
		total = p.Meta.Total
		for _, s := range p.Data {
			found[s.ID] = s
		}
		if p.Meta.Returned != len(p.Data) || p.Pagination.HasMore && len(p.Data) != 50 {
			t.Fatalf("page of %d, returned %d", len(p.Data), p.Meta.Returned)
		}
		if cursor = p.Pagination.NextCursor; !p.Pagination.HasMore {
			break
		}
	}
	if len(found) != total || total != 192 {
		t.Errorf("%d sessions, total %d", len(found), total)
	}
	for i, row := range srv.Truth().Rows(0, 1000) {
		if s := found[row.SessionID]; s.UserID != row.UserID || s.DeviceType != row.DeviceType || s.Browser != row.Browser {
			t.Fatalf("row %d: session %+v, event %s", i, s, rowText(row))
		}
	}
	c := decodeCursor(t, decode[sessionPage](t, get(t, srv, mockapi.BasePath+"/sessions?limit=50")).Pagination.NextCursor)
	c.TS++
	wantError(t, get(t, srv, mockapi.BasePath+"/sessions?cursor="+encodeCursor(c)), http.StatusBadRequest, "CURSOR_INVALID_FORMAT")
	larger := newServer(t, func(c *mockapi.Config) { c.Events = 2000 })
	newer := decode[sessionPage](t, get(t, larger, mockapi.BasePath+"/sessions?limit=1")).Pagination.NextCursor
	wantError(t, get(t, srv, mockapi.BasePath+"/sessions?cursor="+newer), http.StatusBadRequest, "CURSOR_INVALID_FORMAT")
	// A cursor belongs to its collection.
	events := *getPage(t, srv, 10, "").Pagination.NextCursor
	wantError(t, get(t, srv, mockapi.BasePath+"/sessions?cursor="+events), http.StatusBadRequest, "CURSOR_INVALID_FORMAT")
	if s := srv.Journal().Summary(); s.Pages != 1 {
		t.Errorf("pages of sessions are not pages of events: %+v", s)
	}
}

// "`type=` and `sessionId=` filter"
func TestFilters(t *testing.T) {
	srv := newServer(t, nil)
	some, _ := srv.Truth().Row(500)
	for name, tc := range map[string]struct {
		query   string
		matches func(mockapi.Row) bool
	}{
		"a type":            {"type=click", func(r mockapi.Row) bool { return r.Type == "click" }},
		"a rare type":       {"type=scroll", func(r mockapi.Row) bool { return r.Type == "scroll" }},
		"no such type":      {"type=nothing", func(mockapi.Row) bool { return false }},
		"a session":         {"sessionId=" + some.SessionID, func(r mockapi.Row) bool { return r.SessionID == some.SessionID }},
		"no such session":   {"sessionId=" + some.UserID, func(mockapi.Row) bool { return false }},
		"no session at all": {"sessionId=x", func(mockapi.Row) bool { return false }},
		"both": {"type=click&sessionId=" + some.SessionID, func(r mockapi.Row) bool {
			return r.Type == "click" && r.SessionID == some.SessionID
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var want, got []string
			for _, row := range srv.Truth().Rows(0, 1000) {
				if tc.matches(row) {
					want = append(want, row.ID)
				}
			}
			for cursor := ""; ; {
				p := decode[wirePage](t, get(t, srv, eventsPath(3, cursor)+"&"+tc.query))
				for _, e := range p.Data {
					got = append(got, e.ID)
				}
				if p.Meta.Total != len(want) || p.Meta.Returned != len(p.Data) {
					t.Fatalf("total %d, returned %d, of %d", p.Meta.Total, p.Meta.Returned, len(want))
				}
				if !*p.Pagination.HasMore {
					break
				}
				cursor = *p.Pagination.NextCursor
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %v\nwant %v", got, want)
			}
		})
	}
}

// A session has all its events, wherever they stand among their neighbours.
func TestFilterBySession(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.Events = 200 })
	count := map[string]int{}
	for _, row := range srv.Truth().Rows(0, 200) {
		count[row.SessionID]++
	}
	for session, want := range count {
		p := decode[wirePage](t, get(t, srv, mockapi.BasePath+"/events?sessionId="+session))
		if len(p.Data) != want || p.Meta.Total != want {
			t.Errorf("session %s: %d events, total %d, want %d", session, len(p.Data), p.Meta.Total, want)
		}
	}
}

// Both envelopes, and a mixture of them by request.
func TestMixedEnvelope(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.Envelope = mockapi.EnvelopeMixed })
	nested := 0
	for range 200 {
		p := decode[struct {
			Pagination *struct{ HasMore bool }
			HasMore    *bool
		}](t, get(t, srv, eventsPath(1, "")))
		if (p.Pagination == nil) == (p.HasMore == nil) {
			t.Fatalf("neither the one nor the other: %+v", p)
		}
		if p.Pagination != nil {
			nested++
		}
	}
	if nested < 60 || nested > 140 {
		t.Errorf("%d of 200 are nested", nested)
	}
}
