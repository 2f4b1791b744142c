package mockapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/pawldata/pawl/mockapi"
)

type wireSession struct{ ID, UserID, DeviceType, Browser string }

type wireSessionPage struct {
	Data       []wireSession
	Pagination struct {
		HasMore    bool
		NextCursor string
	}
	Meta struct{ Total, Returned int }
}

func getSessionPage(t *testing.T, srv http.Handler, limit int, cursor string) wireSessionPage {
	t.Helper()
	return decode[wireSessionPage](t, get(t, srv, sessionsPath(limit, cursor)))
}

func sessionsPath(limit int, cursor string) string {
	return fmt.Sprintf("%s/sessions?limit=%d&cursor=%s", mockapi.BasePath, limit, cursor)
}

// TestSessions checks that a pass over the sessions returns the session of each event.
func TestSessions(t *testing.T) {
	srv := newServer(t, nil)
	const pageSize = 50
	const wantSessions = 192 // 1000 events are in 16 spans of 64 events, and each span has 12 sessions
	sessions := map[string]wireSession{}
	cursor, hasMore := "", true
	for hasMore {
		p := getSessionPage(t, srv, pageSize, cursor)
		for _, s := range p.Data {
			sessions[s.ID] = s
		}
		cursor, hasMore = p.Pagination.NextCursor, p.Pagination.HasMore
		wantEqual(t, "total", p.Meta.Total, wantSessions)
		wantEqual(t, "returned", p.Meta.Returned, len(p.Data))
		if hasMore {
			wantEqual(t, "number of sessions in a page before the last", len(p.Data), pageSize)
		}
	}
	wantEqual(t, "number of sessions", len(sessions), wantSessions)
	for i, row := range srv.Truth().Rows(0, 1000) {
		want := wireSession{ID: row.SessionID, UserID: row.UserID, DeviceType: row.DeviceType, Browser: row.Browser}
		if got := sessions[row.SessionID]; got != want {
			t.Fatalf("session of row %d: got %+v, want %+v", i, got, want)
		}
	}
	wantEqual(t, "Pages, which do not count pages of sessions", srv.Journal().Summary().Pages, 0)
}

// TestSessionsInvalidCursor checks that a cursor is valid for /sessions only if it has the id and time of a session.
func TestSessionsInvalidCursor(t *testing.T) {
	srv := newServer(t, nil)
	otherTime := decodeCursor(t, getSessionPage(t, srv, 50, "").Pagination.NextCursor)
	otherTime.TS++
	larger := newServer(t, func(c *mockapi.Config) { c.Events = 2000 })
	for name, cursor := range map[string]string{
		"another time":          encodeCursor(otherTime),
		"session of the future": getSessionPage(t, larger, 1, "").Pagination.NextCursor,
		"cursor of an event":    getNextCursor(t, srv, 10, ""),
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, get(t, srv, sessionsPath(1, cursor)), http.StatusBadRequest, "CURSOR_INVALID_FORMAT")
		})
	}
}

// TestFilters checks that a pass with the parameters type and sessionId returns the events that match both, and that total
// counts these events only.
func TestFilters(t *testing.T) {
	srv := newServer(t, nil)
	someRow, _ := srv.Truth().Row(500)
	for name, tc := range map[string]struct {
		query   string
		matches func(mockapi.Row) bool
	}{
		"a type":          {"type=click", func(r mockapi.Row) bool { return r.Type == "click" }},
		"a rare type":     {"type=scroll", func(r mockapi.Row) bool { return r.Type == "scroll" }},
		"no such type":    {"type=nothing", func(mockapi.Row) bool { return false }},
		"a session":       {"sessionId=" + someRow.SessionID, func(r mockapi.Row) bool { return r.SessionID == someRow.SessionID }},
		"no such session": {"sessionId=" + someRow.UserID, func(mockapi.Row) bool { return false }},
		"not a UUID":      {"sessionId=x", func(mockapi.Row) bool { return false }},
		"both": {"type=click&sessionId=" + someRow.SessionID, func(r mockapi.Row) bool {
			return r.Type == "click" && r.SessionID == someRow.SessionID
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
				wantEqual(t, "total", p.Meta.Total, len(want))
				wantEqual(t, "returned", p.Meta.Returned, len(p.Data))
				if !*p.Pagination.HasMore {
					break
				}
				cursor = *p.Pagination.NextCursor
			}
			if !slices.Equal(got, want) {
				t.Errorf("got events %v\nwant %v", got, want)
			}
		})
	}
}

// TestFilterBySession checks for each session that the filter returns all its events.
func TestFilterBySession(t *testing.T) {
	const events = 200
	srv := newServer(t, func(c *mockapi.Config) { c.Events = events })
	count := map[string]int{}
	for _, row := range srv.Truth().Rows(0, events) {
		count[row.SessionID]++
	}
	for session, want := range count {
		p := decode[wirePage](t, get(t, srv, mockapi.BasePath+"/events?sessionId="+session))
		wantEqual(t, "number of events of session "+session, len(p.Data), want)
		wantEqual(t, "total of session "+session, p.Meta.Total, want)
	}
}

// TestFilterTotalAfterSizeChange checks that the total of a filter is correct after the collection has grown or shrunk.
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
		page := decode[wirePage](t, get(t, srv, eventsPath(1, "")+"&type=click"))
		wantEqual(t, "total of clicks in a collection of "+size, page.Meta.Total, want)
	}
}

// TestGrow checks that a pass over a collection that grows at the head reads the events that existed when it began, each once
// and in order.
func TestGrow(t *testing.T) {
	const grow = 7
	const pages = 4 // a pass over 1000 events in pages of 300
	srv := newServer(t, func(c *mockapi.Config) { c.Grow = grow })
	truthAtStart := srv.Truth()
	var ids []string
	cursor := ""
	for i := range pages {
		p := getPage(t, srv, 300, cursor)
		wantEqual(t, fmt.Sprintf("total of page %d", i), p.Meta.Total, 1000+grow*i)
		wantEqual(t, fmt.Sprintf("size in entry %d", i), srv.Journal().After(i)[0].Size, 1000+grow*i)
		for _, e := range p.Data {
			ids = append(ids, e.ID)
		}
		if *p.Pagination.HasMore {
			cursor = *p.Pagination.NextCursor
		}
	}
	if len(ids) != 1000 {
		t.Fatalf("got %d events, want 1000", len(ids))
	}
	truthAtEnd := srv.Truth()
	wantEqual(t, "size after the pass", truthAtEnd.Len(), 1000+grow*pages)
	for i, row := range truthAtStart.Rows(0, 1000) {
		shifted, _ := truthAtEnd.Row(i + grow*pages)
		if ids[i] != row.ID || shifted.ID != row.ID {
			t.Fatalf("event %d: got id %s, and %s after the pass, want %s", i, ids[i], shifted.ID, row.ID)
		}
	}
	// All new events are before the first event of the pass.
	page := getPage(t, srv, grow*pages+1, "")
	wantEqual(t, "id after the new events", page.Data[grow*pages].ID, ids[0])
}

// TestGrowByScenario checks that a scenario can make the collection larger, and that the expected rows for the old size are
// still available.
func TestGrowByScenario(t *testing.T) {
	srv := newServer(t, nil)
	ids := readAll(t, srv, 1000)
	sendScenario(t, srv, http.MethodPost, `{"events": 5000}`)
	wantEqual(t, "total", getPage(t, srv, 1, "").Meta.Total, 5000)
	rows := decodeLines[struct{ ID string }](t, get(t, srv, mockapi.AdminPath+"/truth?size=1000"))
	if len(rows) != 1000 {
		t.Fatalf("got %d expected rows for size 1000, want 1000", len(rows))
	}
	for i, row := range rows {
		wantEqual(t, fmt.Sprintf("id of expected row %d", i), row.ID, ids[i].ID)
	}
}

// TestGrowEndpoints checks that only requests to /events make the collection grow, and that a change of the scenario does not
// remove the new events.
func TestGrowEndpoints(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.Grow = 7 })
	for _, path := range []string{"/sessions", "/metrics", "/events/x", ""} {
		get(t, srv, mockapi.BasePath+path)
	}
	get(t, srv, mockapi.AdminPath+"/truth?limit=1")
	wantEqual(t, "size after requests to other endpoints", srv.Truth().Len(), 1000)
	getPage(t, srv, 1, "")
	sendScenario(t, srv, http.MethodPost, `{"grow": 1}`)
	wantEqual(t, "total", getPage(t, srv, 1, "").Meta.Total, 1007)
	wantEqual(t, "size after two requests to /events", srv.Scenario().Events, 1008)
	sendScenario(t, srv, http.MethodPut, `{}`)
	wantEqual(t, "size after PUT", srv.Scenario().Events, 1008)
	wantEqual(t, "Grow after PUT", srv.Scenario().Grow, 0)
}

// TestGrowMaximum checks that a collection does not grow above the maximum size.
func TestGrowMaximum(t *testing.T) {
	const maximum = 1_000_000_000
	srv := newServer(t, func(c *mockapi.Config) { c.Events, c.Grow = maximum-5, 7 })
	for range 2 {
		getPage(t, srv, 1, "")
	}
	wantEqual(t, "size", srv.Truth().Len(), maximum)
}
