package mockapi_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/pawldata/pawl/mockapi"
)

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
	// A cursor is valid for its own collection only.
	events := *getPage(t, srv, 10, "").Pagination.NextCursor
	wantError(t, get(t, srv, mockapi.BasePath+"/sessions?cursor="+events), http.StatusBadRequest, "CURSOR_INVALID_FORMAT")
	if s := srv.Journal().Summary(); s.Pages != 1 {
		t.Errorf("got %+v, want 1 page: pages of sessions are not counted", s)
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

// The filter returns all events of a session.
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

// The total of a filter is right after the collection grows or shrinks.
func TestFilterTotalAfterSizeChange(t *testing.T) {
	srv := newServer(t, nil)
	for _, size := range []string{"1000", "1500", "400", "0", "900"} {
		sendScenario(t, srv, http.MethodPost, `{"events": `+size+`}`)
		want := 0
		for _, row := range srv.Truth().Rows(0, srv.Truth().Len()) {
			if row.Type == "click" {
				want++
			}
		}
		if got := decode[wirePage](t, get(t, srv, eventsPath(1, "")+"&type=click")).Meta.Total; got != want {
			t.Errorf("of %s events %d, want %d", size, got, want)
		}
	}
}

// "a data set that grows at the head or whose total moves during a pass"
func TestGrow(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.Grow = 7 })
	began := srv.Truth()
	var ids []string
	for cursor, pages := "", 0; ; pages++ {
		p := getPage(t, srv, 300, cursor)
		if p.Meta.Total != 1000+7*pages {
			t.Errorf("page %d: total %d", pages, p.Meta.Total)
		}
		for _, e := range p.Data {
			ids = append(ids, e.ID)
		}
		if !*p.Pagination.HasMore {
			break
		}
		cursor = *p.Pagination.NextCursor
	}
	// A pass reads the events that existed when it began, each once and in order.
	if len(ids) != 1000 || began.Len() != 1000 {
		t.Fatalf("got %d events", len(ids))
	}
	now := srv.Truth()
	for i, row := range began.Rows(0, 1000) {
		later, _ := now.Row(i + 28)
		if ids[i] != row.ID || later.ID != row.ID {
			t.Fatalf("record %d: %s, then %s, now %s", i, row.ID, ids[i], later.ID)
		}
	}
	if e := srv.Journal().After(0)[3]; e.Size != 1021 || now.Len() != 1028 {
		t.Errorf("size %d, then %d", e.Size, now.Len())
	}
	if p := getPage(t, srv, 28, ""); p.Data[27].ID == ids[0] || getPage(t, srv, 36, "").Data[35].ID != ids[0] {
		t.Error("new events are not at the head")
	}
	sendScenario(t, srv, http.MethodPost, `{"events": 5000, "grow": 0}`)
	if p := getPage(t, srv, 1, ""); p.Meta.Total != 5000 {
		t.Errorf("got total %d", p.Meta.Total)
	}
	rows := decodeLines[struct{ ID string }](t, get(t, srv, mockapi.AdminPath+"/truth?size=1000"))
	if len(rows) != 1000 || rows[0].ID != ids[0] || rows[999].ID != ids[999] {
		t.Errorf("got %d rows for size 1000, want 1000 with the same ids", len(rows))
	}
}

// Only requests to /events make the collection grow. A change of the scenario does not remove the new events.
func TestGrowEndpoints(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.Grow = 7 })
	for _, path := range []string{"/sessions", "/metrics", "/events/x", ""} {
		get(t, srv, mockapi.BasePath+path)
	}
	get(t, srv, mockapi.AdminPath+"/truth?limit=1")
	if n := srv.Truth().Len(); n != 1000 {
		t.Errorf("got %d events", n)
	}
	getPage(t, srv, 1, "")
	sendScenario(t, srv, http.MethodPost, `{"grow": 1}`)
	if total := getPage(t, srv, 1, "").Meta.Total; total != 1007 || srv.Scenario().Events != 1008 {
		t.Errorf("total %d, then %d", total, srv.Scenario().Events)
	}
	sendScenario(t, srv, http.MethodPut, `{}`)
	if c := srv.Scenario(); c.Events != 1008 || c.Grow != 0 {
		t.Errorf("got %+v", c)
	}
}

func TestGrowMaximum(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.Events, c.Grow = 999_999_995, 7 })
	for range 2 {
		getPage(t, srv, 1, "")
	}
	if n := srv.Truth().Len(); n != 1_000_000_000 {
		t.Errorf("got %d events", n)
	}
}
