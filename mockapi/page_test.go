package mockapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

// TestPagesMatchExpectedRows checks that a client that reads all pages gets the expected rows, each once and in order. The
// page sizes include pages of one event, pages that end with the collection, and a last page of one event.
func TestPagesMatchExpectedRows(t *testing.T) {
	for _, tc := range []struct{ events, pageSize int }{
		{events: 0, pageSize: 100},
		{events: 1, pageSize: 100},
		{events: 7, pageSize: 1},
		{events: 1000, pageSize: 1000},
		{events: 1000, pageSize: 999},
		{events: 1000, pageSize: 333},
		{events: 10_500, pageSize: 4999},
	} {
		t.Run(fmt.Sprintf("%d events in pages of %d", tc.events, tc.pageSize), func(t *testing.T) {
			srv := newServer(t, withEvents(tc.events))
			all := readAllEvents(t, srv, tc.pageSize)
			if len(all) != tc.events {
				t.Fatalf("got %d events, want %d", len(all), tc.events)
			}
			for i, want := range srv.Truth().Rows(0, tc.events) {
				event := all[i]
				got := mockapi.Row{
					Outcome:    mockapi.Stored,
					ID:         event.ID,
					SessionID:  event.SessionID,
					UserID:     event.UserID,
					Type:       event.Type,
					Name:       event.Name,
					Properties: event.Properties,
					OccurredAt: parseTimestamp(t, event.Timestamp, i%tc.pageSize),
					DeviceType: event.Session.DeviceType,
					Browser:    event.Session.Browser,
				}
				if rowText(got) != rowText(want) || !bytes.Equal(got.Properties, want.Properties) {
					t.Fatalf("event %d:\n got %s\nwant %s", i, rowText(got), rowText(want))
				}
				if event.Session.ID != want.SessionID {
					t.Fatalf("event %d: got session.id %s, want %s", i, event.Session.ID, want.SessionID)
				}
			}
			wantEqual(t, "Complete in the journal's summary", srv.Journal().Summary().Complete, true)
		})
	}
}

// parseTimestamp parses the timestamp of the event with index inPage in its page. If the index is divisible by 3, the
// timestamp must be a number of ms, else ISO 8601.
func parseTimestamp(t *testing.T, raw json.RawMessage, inPage int) time.Time {
	t.Helper()
	if inPage%3 == 0 {
		var ms int64
		if err := json.Unmarshal(raw, &ms); err != nil {
			t.Fatalf("event %d of the page: %v", inPage, err)
		}
		return time.UnixMilli(ms).UTC()
	}
	parsed, err := time.Parse(`"2006-01-02T15:04:05.000Z"`, string(raw))
	if err != nil {
		t.Fatalf("event %d of the page: %v", inPage, err)
	}
	return parsed
}

// TestTimestampFormatByIndex reads the same events in two pages. The second page begins one event later. The test checks that
// the form of each timestamp depends on the index in the page.
func TestTimestampFormatByIndex(t *testing.T) {
	srv := newServer(t)
	const pageSize = 10
	firstPage := getPage(t, srv, pageSize, noCursor)
	afterFirstEvent := getNextCursor(t, srv, 1, noCursor)
	shiftedPage := getPage(t, srv, pageSize, afterFirstEvent)
	isNumber := func(event wireEvent) bool { return event.Timestamp[0] != '"' }
	for i, event := range shiftedPage.Data[:pageSize-1] { // the last event is not on the first page
		sameEvent := firstPage.Data[i+1]
		wantEqual(t, fmt.Sprintf("id of event %d", i), event.ID, sameEvent.ID)
		wantEqual(t, fmt.Sprintf("number as timestamp at index %d", i), isNumber(event), i%3 == 0)
		wantEqual(t, fmt.Sprintf("number as timestamp of the same event at index %d", i+1), isNumber(sameEvent), (i+1)%3 == 0)
	}
}

// TestEventKeys checks that each event of a page has exactly the eight keys, and that no value is null.
func TestEventKeys(t *testing.T) {
	const events = 5000
	srv := newServer(t, withEvents(events))
	page := decode[struct{ Data []map[string]json.RawMessage }](t, get(t, srv, eventsPath(events, noCursor)))
	wantEqual(t, "number of events", len(page.Data), events)
	keys := []string{"id", "sessionId", "userId", "type", "name", "properties", "timestamp", "session"}
	for i, event := range page.Data {
		for _, key := range keys {
			if value := string(event[key]); value == "" || value == "null" {
				t.Fatalf("event %d: got %s %q, want a value", i, key, value)
			}
		}
		if len(event) != len(keys) {
			t.Fatalf("event %d: got %d keys, want %d", i, len(event), len(keys))
		}
	}
}

// TestNestedEnvelope checks the exact JSON after the events. It checks the first and the third page of 1000 events, in pages
// of 400.
func TestNestedEnvelope(t *testing.T) {
	srv := newServer(t, withEvents(1000))
	rec := get(t, srv, eventsPath(400, noCursor))
	next := *decode[wirePage](t, rec).Pagination.NextCursor
	// Less than a second of the 120 s has passed, and the mock rounds up.
	wantSuffix(t, rec.Body.String(), fmt.Sprintf(
		`],"pagination":{"limit":400,"hasMore":true,"nextCursor":%q,"cursorExpiresIn":120},`+
			`"meta":{"total":1000,"returned":400,"requestId":%q}}`,
		next, rec.Header().Get("X-Request-ID")))

	next = getNextCursor(t, srv, 400, next) // after the second page
	rec = get(t, srv, eventsPath(400, next))
	wantSuffix(t, rec.Body.String(), fmt.Sprintf(
		`],"pagination":{"limit":400,"hasMore":false,"nextCursor":null,"cursorExpiresIn":null},`+
			`"meta":{"total":1000,"returned":200,"requestId":%q}}`,
		rec.Header().Get("X-Request-ID")))
}

// TestEmptyCollection checks the exact JSON of the only page of an empty collection.
func TestEmptyCollection(t *testing.T) {
	srv := newServer(t, withEvents(0))
	rec := get(t, srv, mockapi.BasePath+"/events")
	want := fmt.Sprintf(
		`{"data":[],"pagination":{"limit":100,"hasMore":false,"nextCursor":null,"cursorExpiresIn":null},`+
			`"meta":{"total":0,"returned":0,"requestId":%q}}`,
		rec.Header().Get("X-Request-ID"))
	wantEqual(t, "body", rec.Body.String(), want)
}

// TestFlatEnvelope checks the exact JSON after the events in the documented form, on both pages of a collection.
func TestFlatEnvelope(t *testing.T) {
	srv := newServer(t, withEnvelope(mockapi.EnvelopeFlat), withEvents(3+2))
	type flatPage struct {
		Data       []wireEvent
		HasMore    bool
		NextCursor string
	}
	rec := get(t, srv, eventsPath(3, noCursor))
	first := decode[flatPage](t, rec)
	wantSuffix(t, rec.Body.String(), fmt.Sprintf(`],"hasMore":true,"nextCursor":%q}`, first.NextCursor))
	rec = get(t, srv, eventsPath(3, first.NextCursor))
	wantSuffix(t, rec.Body.String(), `],"hasMore":false,"nextCursor":null}`)
	wantEqual(t, "number of events of the first page", len(first.Data), 3)
	wantEqual(t, "number of events of the last page", len(decode[flatPage](t, rec).Data), 2)
}

// wantSuffix checks that a body ends with suffix.
func wantSuffix(t *testing.T, body, suffix string) {
	t.Helper()
	if !strings.HasSuffix(body, suffix) {
		t.Fatalf("got a body that ends with\n%s\nwant\n%s", body[max(0, len(body)-len(suffix)):], suffix)
	}
}

// TestMixedEnvelope checks that the mixed form sends each of the two envelopes for a part of the requests.
func TestMixedEnvelope(t *testing.T) {
	srv := newServer(t, withEnvelope(mockapi.EnvelopeMixed))
	type eitherPage struct {
		Pagination *struct{ HasMore bool } // of the nested form
		HasMore    *bool                   // of the flat form
	}
	const requests = 200
	nested := 0
	for range requests {
		page := decode[eitherPage](t, get(t, srv, firstEventPath))
		isNested, isFlat := page.Pagination != nil, page.HasMore != nil
		if isNested == isFlat {
			t.Fatalf("got nested %t, flat %t, want exactly one of the two forms", isNested, isFlat)
		}
		if isNested {
			nested++
		}
	}
	// A random bit of the request selects the form, so about half of the pages are nested.
	if nested < requests*3/10 || nested > requests*7/10 {
		t.Errorf("got %d nested pages of %d, want 30 %% to 70 %%", nested, requests)
	}
}

// TestPageSize checks the default limit and the maximum limit of a page, and that the mock refuses a limit that is not a
// positive number.
func TestPageSize(t *testing.T) {
	srv := newServer(t, withEvents(6000)) // more than the maximum limit of 5000
	for _, tc := range []struct {
		query string
		want  int
	}{
		{query: "", want: 100},
		{query: "?limit=", want: 100},
		{query: "?limit=1", want: 1},
		{query: "?limit=5000", want: 5000},
		{query: "?limit=5001", want: 5000},
		{query: "?limit=999999", want: 5000},
	} {
		page := decode[wirePage](t, get(t, srv, mockapi.BasePath+"/events"+tc.query))
		wantEqual(t, tc.query+": number of events", len(page.Data), tc.want)
		wantEqual(t, tc.query+": limit", page.Pagination.Limit, tc.want)
		wantEqual(t, tc.query+": returned", page.Meta.Returned, tc.want)
	}
	for _, limit := range []string{"0", "-1", "ten", "1.5", "99999999999999999999"} {
		wantError(t, get(t, srv, mockapi.BasePath+"/events?limit="+limit), http.StatusBadRequest, "INVALID_LIMIT")
	}
}

// TestIgnoredParameters checks that the service ignores since, until, sort, fields, offset and page.
func TestIgnoredParameters(t *testing.T) {
	srv := newServer(t)
	want := getPage(t, srv, 10, noCursor)
	const ignored = "&since=2030-01-01&until=1990-01-01&sort=asc&fields=id&offset=500&page=7"
	got := decode[wirePage](t, get(t, srv, eventsPath(10, noCursor)+ignored))
	if !reflect.DeepEqual(got.Data, want.Data) {
		t.Fatalf("got events %+v, want %+v", got.Data, want.Data)
	}
}

// TestPageHeaders checks the headers of pages. X-Request-ID equals meta.requestId. X-Request-ID and ETag differ on each page.
func TestPageHeaders(t *testing.T) {
	srv := newServer(t)
	requestIDs, tags := map[string]bool{}, map[string]bool{}
	const pages = 3
	for range pages {
		rec := get(t, srv, eventsPath(5, noCursor))
		h := rec.Header()
		requestIDs[h.Get("X-Request-ID")] = true
		tags[h.Get("ETag")] = true
		if tag := h.Get("ETag"); !strings.HasPrefix(tag, `W/"`) {
			t.Errorf("got ETag %q, want a weak one", tag)
		}
		if h.Get("X-Cache") == "" { // any value will do
			t.Error("got no X-Cache")
		}
		for name, want := range map[string]string{
			"X-Request-ID":   decode[wirePage](t, rec).Meta.RequestID,
			"X-Cache-TTL":    "30",
			"Content-Type":   jsonType,
			"Content-Length": strconv.Itoa(rec.Body.Len()),
		} {
			wantEqual(t, name, h.Get(name), want)
		}
	}
	wantEqual(t, "number of different X-Request-ID", len(requestIDs), pages)
	wantEqual(t, "number of different ETag", len(tags), pages)
}

// TestLookup checks the look-up of an event by its id. A look-up counts against the rate limit of /events, even if the method
// is HEAD or the response is a 404.
func TestLookup(t *testing.T) {
	srv := newServer(t, allow10PerMinute)
	const index = 17
	row := truthRow(t, srv, index)
	path := mockapi.BasePath + "/events/"
	rec := get(t, srv, path+row.ID)
	event := decode[struct{ Data wireEvent }](t, rec).Data
	wantEqual(t, "status", rec.Code, http.StatusOK)
	wantEqual(t, "id", event.ID, row.ID)
	wantEqual(t, "name", event.Name, row.Name)
	wantEqual(t, "browser", event.Session.Browser, row.Browser)
	wantRateHeaders(t, rec.Header(), rateHeaders{limit: "10", remaining: "9", reset: "60"})
	for _, tc := range []struct{ unknownID, remaining string }{
		{unknownID: "00000000-0000-4000-8000-000000000000", remaining: "8"},
		{unknownID: "nonsense", remaining: "7"},
		{unknownID: row.SessionID, remaining: "6"},
	} {
		rec := get(t, srv, path+tc.unknownID)
		wantError(t, rec, http.StatusNotFound, "EVENT_NOT_FOUND")
		wantRateHeaders(t, rec.Header(), rateHeaders{limit: "10", remaining: tc.remaining, reset: "60"})
	}
	head := call(t, srv, http.MethodHead, path+row.ID, testKey)
	wantRateHeaders(t, head.Header(), rateHeaders{limit: "10", remaining: "5", reset: "60"})
	wantEqual(t, "status of a HEAD", head.Code, http.StatusOK)
	wantEqual(t, "length of the body of a HEAD", head.Body.Len(), 0)
	page := get(t, srv, firstEventPath)
	wantRateHeaders(t, page.Header(), rateHeaders{limit: "10", remaining: "4", reset: "60"})
	e := entryOf(t, srv, 1)
	wantEqual(t, "Endpoint", e.Endpoint, "event")
	wantEqual(t, "From", e.From, index)
	wantEqual(t, "Returned", e.Returned, 1)
	wantEqual(t, "Sound", e.Sound, false) // only a page can be sound
	// Only the last request asked for a page.
	wantSummary(t, srv, mockapi.Summary{Requests: 6, Pages: 1, Events: 1, LastSeq: 6, LastN: 6})
	wantError(t, get(t, srv, path+"a/b"), http.StatusNotFound, "ENDPOINT_NOT_FOUND")
}

// TestLookupDriftedRecords checks that the look-up of a drifted record returns the bytes of the drifted record. But if the
// drift removed the event's id from the wire, the id is unknown.
func TestLookupDriftedRecords(t *testing.T) {
	undrifted := newDriftingServer(t) // has the ids of all events, because it has no drifts
	srv := newDriftingServer(t, "missing-id@3", "not-an-object@4", "duplicate@6", "new-field@8")
	lookUp := func(i int) *httptest.ResponseRecorder {
		return get(t, srv, mockapi.BasePath+"/events/"+truthRow(t, undrifted, i).ID)
	}
	for i, status := range map[int]int{3: 404, 4: 404, 5: 200, 6: 404, 8: 200} { // record 5 does not drift
		wantEqual(t, fmt.Sprintf("status for record %d", i), lookUp(i).Code, status)
	}
	want := truthRow(t, srv, 8)
	got := decode[struct{ Data json.RawMessage }](t, lookUp(8)).Data
	wantEqual(t, "record 8", string(got), string(want.Payload))
}

// BenchmarkPageOf5000 measures the time for a page of 5000 events, without a network connection.
func BenchmarkPageOf5000(b *testing.B) {
	cfg := mockapi.DefaultConfig()
	cfg.Events, cfg.RateLimit = 10_000_000, 0
	srv, err := mockapi.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, eventsPath(5000, noCursor), http.NoBody)
	req.Header.Set("X-API-Key", testKey)
	rec := httptest.NewRecorder()
	srv.ServeHTTP(rec, req)
	b.SetBytes(int64(rec.Body.Len())) // so that the result contains MB/s
	b.ReportAllocs()
	for b.Loop() {
		srv.ServeHTTP(discardWriter{http.Header{}}, req)
	}
}

// A discardWriter discards the response.
type discardWriter struct{ header http.Header }

func (d discardWriter) Header() http.Header          { return d.header }
func (discardWriter) Write(body []byte) (int, error) { return len(body), nil }
func (discardWriter) WriteHeader(int)                {}
func (discardWriter) Flush()                         {}
