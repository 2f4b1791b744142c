package mockapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/pawldata/pawl/mockapi"
)

// A wireSession is a session in a response.
type wireSession struct{ ID, UserID, DeviceType, Browser string }

// A wireSessionPage is the body of a page of sessions.
type wireSessionPage struct {
	Data       []wireSession
	Pagination struct {
		HasMore    bool
		NextCursor string
	}
	Meta struct{ Total, Returned int }
}

// getSessionPage returns the page of sessions after cursor.
func getSessionPage(t *testing.T, srv http.Handler, limit int, cursor string) wireSessionPage {
	t.Helper()
	return decode[wireSessionPage](t, get(t, srv, sessionsPath(limit, cursor)))
}

func sessionsPath(limit int, cursor string) string {
	return fmt.Sprintf("%s/sessions?limit=%d&cursor=%s", mockapi.BasePath, limit, cursor)
}

// TestSessions checks that a pass over the sessions returns the session of each event.
func TestSessions(t *testing.T) {
	srv := newServer(t)
	const pageSize = 50
	const wantSessions = 16 * 12 // serverEvents are in 16 spans of 64 events, and each span has 12 sessions
	sessions := map[string]wireSession{}
	cursor, hasMore := noCursor, true
	for hasMore {
		page := getSessionPage(t, srv, pageSize, cursor)
		for _, session := range page.Data {
			sessions[session.ID] = session
		}
		cursor, hasMore = page.Pagination.NextCursor, page.Pagination.HasMore
		wantEqual(t, "total", page.Meta.Total, wantSessions)
		wantEqual(t, "returned", page.Meta.Returned, len(page.Data))
		if hasMore {
			wantEqual(t, "number of sessions in a page before the last", len(page.Data), pageSize)
		}
	}
	wantEqual(t, "number of sessions", len(sessions), wantSessions)
	for i, row := range srv.Truth().Rows(0, serverEvents) {
		want := wireSession{ID: row.SessionID, UserID: row.UserID, DeviceType: row.DeviceType, Browser: row.Browser}
		if got := sessions[row.SessionID]; got != want {
			t.Fatalf("session of row %d: got %+v, want %+v", i, got, want)
		}
	}
	wantEqual(t, "Pages, which do not count pages of sessions", srv.Journal().Summary().Pages, 0)
}

// TestSessionsInvalidCursor checks that a cursor is valid for /sessions only if it has the id and time of a session.
func TestSessionsInvalidCursor(t *testing.T) {
	srv := newServer(t)
	otherTime := decodeCursor(t, getSessionPage(t, srv, 50, noCursor).Pagination.NextCursor)
	otherTime.TS++
	larger := newServer(t, withEvents(2*serverEvents)) // with sessions that srv does not have yet
	for name, cursor := range map[string]string{
		"another time":          encodeCursor(otherTime),
		"session of the future": getSessionPage(t, larger, 1, noCursor).Pagination.NextCursor,
		"cursor of an event":    getNextCursor(t, srv, 10, noCursor),
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, get(t, srv, sessionsPath(1, cursor)), http.StatusBadRequest, "CURSOR_INVALID_FORMAT")
		})
	}
}

// TestFilters checks that a pass with the parameters type and sessionId returns the events that match both, and that total
// counts these events only.
func TestFilters(t *testing.T) {
	srv := newServer(t)
	someRow := truthRow(t, srv, 500)
	none := func(mockapi.Row) bool { return false }
	isClick := func(row mockapi.Row) bool { return row.Type == "click" }
	isInSession := func(row mockapi.Row) bool { return row.SessionID == someRow.SessionID }
	for name, tc := range map[string]struct {
		query   string
		matches func(mockapi.Row) bool
	}{
		"a type":          {query: "type=click", matches: isClick},
		"a rare type":     {query: "type=scroll", matches: func(row mockapi.Row) bool { return row.Type == "scroll" }},
		"no such type":    {query: "type=nothing", matches: none},
		"a session":       {query: "sessionId=" + someRow.SessionID, matches: isInSession},
		"no such session": {query: "sessionId=" + someRow.UserID, matches: none}, // a UUID, but not of a session
		"not a UUID":      {query: "sessionId=x", matches: none},
		"both": {
			query:   "type=click&sessionId=" + someRow.SessionID,
			matches: func(row mockapi.Row) bool { return isClick(row) && isInSession(row) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			var want, got []string // ids
			for _, row := range srv.Truth().Rows(0, serverEvents) {
				if tc.matches(row) {
					want = append(want, row.ID)
				}
			}
			const pageSize = 3 // so small that the matching events need several pages
			for cursor := noCursor; ; {
				page := decode[wirePage](t, get(t, srv, eventsPath(pageSize, cursor)+"&"+tc.query))
				for _, event := range page.Data {
					got = append(got, event.ID)
				}
				wantEqual(t, "total", page.Meta.Total, len(want))
				wantEqual(t, "returned", page.Meta.Returned, len(page.Data))
				if !*page.Pagination.HasMore {
					break
				}
				cursor = *page.Pagination.NextCursor
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
	srv := newServer(t, withEvents(events))
	eventsOf := map[string]int{} // the number of events by session id
	for _, row := range srv.Truth().Rows(0, events) {
		eventsOf[row.SessionID]++
	}
	for sessionID, want := range eventsOf {
		page := decode[wirePage](t, get(t, srv, mockapi.BasePath+"/events?sessionId="+sessionID))
		wantEqual(t, "number of events of session "+sessionID, len(page.Data), want)
		wantEqual(t, "total of session "+sessionID, page.Meta.Total, want)
	}
}

// TestFilterTotalAfterSizeChange checks that the total of a filter is correct after the collection has grown or shrunk.
func TestFilterTotalAfterSizeChange(t *testing.T) {
	srv := newServer(t)
	for _, size := range []string{"1000", "1500", "400", "0", "900"} { // the first size is the size at the start
		sendScenario(t, srv, http.MethodPost, `{"events": `+size+`}`)
		want := 0
		for _, row := range srv.Truth().Rows(0, srv.Truth().Len()) {
			if row.Type == "click" {
				want++
			}
		}
		page := decode[wirePage](t, get(t, srv, firstEventPath+"&type=click"))
		wantEqual(t, "total of clicks in a collection of "+size, page.Meta.Total, want)
	}
}

// TestGrow checks that a pass over a collection that grows at the head reads the events that existed when it began, each once
// and in order.
func TestGrow(t *testing.T) {
	const grow = 7
	const pageSize, pages = 300, 4 // a pass over serverEvents
	const newEvents = grow * pages
	srv := newServer(t, withGrow(grow))
	truthAtStart := srv.Truth()
	var ids []string
	cursor := noCursor
	for i := range pages {
		page := getPage(t, srv, pageSize, cursor)
		wantEqual(t, fmt.Sprintf("total of page %d", i), page.Meta.Total, serverEvents+grow*i)
		wantEqual(t, fmt.Sprintf("size in the entry of page %d", i), entryOf(t, srv, i+1).Size, serverEvents+grow*i)
		for _, event := range page.Data {
			ids = append(ids, event.ID)
		}
		if *page.Pagination.HasMore {
			cursor = *page.Pagination.NextCursor
		}
	}
	if len(ids) != serverEvents {
		t.Fatalf("got %d events, want %d", len(ids), serverEvents)
	}
	truthAtEnd := srv.Truth()
	wantEqual(t, "size after the pass", truthAtEnd.Len(), serverEvents+newEvents)
	for i, row := range truthAtStart.Rows(0, serverEvents) {
		shifted, _ := truthAtEnd.Row(i + newEvents)
		if ids[i] != row.ID || shifted.ID != row.ID {
			t.Fatalf("event %d: got id %s, and %s after the pass, want %s", i, ids[i], shifted.ID, row.ID)
		}
	}
	// All new events are before the first event of the pass.
	page := getPage(t, srv, newEvents+1, noCursor)
	wantEqual(t, "id after the new events", page.Data[newEvents].ID, ids[0])
}

// withGrow returns a change of the number of events that each request to /events adds.
func withGrow(grow int) func(*mockapi.Config) {
	return func(c *mockapi.Config) { c.Grow = grow }
}

// TestGrowByScenario checks that a scenario can make the collection larger, and that the expected rows for the old size are
// still available.
func TestGrowByScenario(t *testing.T) {
	srv := newServer(t, withEvents(1000))
	oldEvents := readAllEvents(t, srv, 1000)
	sendScenario(t, srv, http.MethodPost, `{"events": 5000}`)
	wantEqual(t, "total", getPage(t, srv, 1, noCursor).Meta.Total, 5000)
	rows := decodeLines[struct{ ID string }](t, getAdmin(t, srv, "/truth?size=1000"))
	if len(rows) != 1000 {
		t.Fatalf("got %d expected rows for size 1000, want 1000", len(rows))
	}
	for i, row := range rows {
		wantEqual(t, fmt.Sprintf("id of expected row %d", i), row.ID, oldEvents[i].ID)
	}
}

// TestGrowEndpoints checks that only requests to /events make the collection grow, and that a change of the scenario does not
// remove the new events.
func TestGrowEndpoints(t *testing.T) {
	srv := newServer(t, withGrow(7))
	for _, path := range []string{"/sessions", "/metrics", "/events/x", ""} {
		get(t, srv, mockapi.BasePath+path)
	}
	getAdmin(t, srv, "/truth?limit=1")
	wantEqual(t, "size after requests to other endpoints", srv.Truth().Len(), serverEvents)
	getPage(t, srv, 1, noCursor)
	sendScenario(t, srv, http.MethodPost, `{"grow": 1}`)
	wantEqual(t, "total", getPage(t, srv, 1, noCursor).Meta.Total, serverEvents+7)
	wantEqual(t, "size after two requests to /events", srv.Scenario().Events, serverEvents+7+1)
	sendScenario(t, srv, http.MethodPut, `{}`)
	wantEqual(t, "size after PUT", srv.Scenario().Events, serverEvents+7+1)
	wantEqual(t, "Grow after PUT", srv.Scenario().Grow, 0)
}

// TestGrowMaximum checks that a collection does not grow above the maximum size.
func TestGrowMaximum(t *testing.T) {
	const maximum = 1_000_000_000
	srv := newServer(t, withEvents(maximum-5), withGrow(7))
	for range 2 { // the first request reaches the maximum, and the second one stays at it
		getPage(t, srv, 1, noCursor)
	}
	wantEqual(t, "size", srv.Truth().Len(), maximum)
}
