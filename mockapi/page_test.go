package mockapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

// "Pages are contiguous, no overlap": a client reads the truth, with any page size.
func TestPagesMatchTruth(t *testing.T) {
	for _, tc := range []struct{ events, limit int }{
		{0, 100}, {1, 100}, {7, 1}, {1000, 1000}, {1000, 999}, {1000, 333}, {10_500, 4999},
	} {
		t.Run(fmt.Sprintf("%d events by %d", tc.events, tc.limit), func(t *testing.T) {
			srv := newServer(t, func(c *mockapi.Config) { c.Events = tc.events })
			all := readAll(t, srv, tc.limit)
			if len(all) != tc.events {
				t.Fatalf("%d events, want %d", len(all), tc.events)
			}
			for i, want := range srv.Truth().Rows(0, tc.events) {
				got := mockapi.Row{
					Outcome: mockapi.Stored,
					ID:      all[i].ID, SessionID: all[i].SessionID, UserID: all[i].UserID, Type: all[i].Type, Name: all[i].Name,
					Properties: all[i].Properties, OccurredAt: parseTimestamp(t, all[i].Timestamp, i%tc.limit),
					DeviceType: all[i].Session.DeviceType, Browser: all[i].Session.Browser,
				}
				if rowText(got) != rowText(want) || !bytes.Equal(got.Properties, want.Properties) || all[i].Session.ID != want.SessionID {
					t.Fatalf("event %d:\n got %s\nwant %s", i, rowText(got), rowText(want))
				}
			}
			if !srv.Journal().Summary().Complete {
				t.Error("the journal's summary is not complete")
			}
		})
	}
}

// "`timestamp` is an integer of milliseconds where index-in-page % 3 == 0, else ISO 8601 `2026-01-27T19:19:13.629Z`"
func parseTimestamp(t *testing.T, raw json.RawMessage, inPage int) time.Time {
	t.Helper()
	if inPage%3 == 0 {
		var ms int64
		if err := json.Unmarshal(raw, &ms); err != nil {
			t.Fatalf("event %d of the page: %v", inPage, err)
		}
		return time.UnixMilli(ms).UTC()
	}
	at, err := time.Parse(`"2006-01-02T15:04:05.000Z"`, string(raw))
	if err != nil {
		t.Fatalf("event %d of the page: %v", inPage, err)
	}
	return at
}

func TestTimestampFormatByIndex(t *testing.T) {
	srv := newServer(t, nil)
	first := getPage(t, srv, 10, "")
	second := getPage(t, srv, 10, *getPage(t, srv, 1, "").Pagination.NextCursor)
	for i, event := range second.Data[:9] {
		same := first.Data[i+1]
		isNumber, wasNumber := event.Timestamp[0] != '"', same.Timestamp[0] != '"'
		if event.ID != same.ID || isNumber != (i%3 == 0) || wasNumber != ((i+1)%3 == 0) {
			t.Errorf("event %d: %s, then %s", i, same.Timestamp, event.Timestamp)
		}
	}
}

func TestEventKeys(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.Events = 5000 })
	page := decode[struct{ Data []map[string]json.RawMessage }](t, get(t, srv, eventsPath(5000, "")))
	keys := []string{"id", "sessionId", "userId", "type", "name", "properties", "timestamp", "session"}
	for i, event := range page.Data {
		for _, key := range keys {
			if value := string(event[key]); value == "" || value == "null" {
				t.Fatalf("event %d: %s is %q", i, key, value)
			}
		}
		if len(event) != len(keys) || len(page.Data) != 5000 {
			t.Fatalf("event %d of %d: %d keys", i, len(page.Data), len(event))
		}
	}
}

// "nested `{data, pagination:{limit, hasMore, nextCursor, cursorExpiresIn}, meta:{total, returned, requestId}}`"
func TestNestedEnvelope(t *testing.T) {
	srv := newServer(t, nil)
	rec := get(t, srv, eventsPath(400, ""))
	page := decode[wirePage](t, rec)
	next := *page.Pagination.NextCursor
	wantTail(t, rec.Body.String(), fmt.Sprintf(
		`],"pagination":{"limit":400,"hasMore":true,"nextCursor":%q,"cursorExpiresIn":120},"meta":{"total":1000,"returned":400,"requestId":%q}}`,
		next, rec.Header().Get("X-Request-ID")))

	next = *getPage(t, srv, 400, next).Pagination.NextCursor
	rec = get(t, srv, eventsPath(400, next))
	wantTail(t, rec.Body.String(), fmt.Sprintf(
		`],"pagination":{"limit":400,"hasMore":false,"nextCursor":null,"cursorExpiresIn":null},"meta":{"total":1000,"returned":200,"requestId":%q}}`,
		rec.Header().Get("X-Request-ID")))
}

// "`hasMore:false, nextCursor:null, cursorExpiresIn:null` [R on an empty collection]"
func TestEmptyCollection(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.Events = 0 })
	rec := get(t, srv, mockapi.BasePath+"/events")
	want := fmt.Sprintf(
		`{"data":[],"pagination":{"limit":100,"hasMore":false,"nextCursor":null,"cursorExpiresIn":null},"meta":{"total":0,"returned":0,"requestId":%q}}`,
		rec.Header().Get("X-Request-ID"))
	if rec.Body.String() != want {
		t.Fatalf("got %s\nwant %s", rec.Body, want)
	}
}

// "flat `{data, hasMore, nextCursor}`", as documented.
func TestFlatEnvelope(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.Envelope, c.Events = mockapi.EnvelopeFlat, 5 })
	type flat struct {
		Data       []wireEvent
		HasMore    bool
		NextCursor string
	}
	rec := get(t, srv, eventsPath(3, ""))
	first := decode[flat](t, rec)
	wantTail(t, rec.Body.String(), fmt.Sprintf(`],"hasMore":true,"nextCursor":%q}`, first.NextCursor))
	rec = get(t, srv, eventsPath(3, first.NextCursor))
	wantTail(t, rec.Body.String(), `],"hasMore":false,"nextCursor":null}`)
	if last := decode[flat](t, rec); len(first.Data) != 3 || len(last.Data) != 2 {
		t.Fatalf("pages of %d and %d", len(first.Data), len(last.Data))
	}
}

// The mixed form has both envelopes.
func TestMixedEnvelope(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.Envelope = mockapi.EnvelopeMixed })
	nested := 0
	for range 200 {
		p := decode[struct {
			Pagination *struct{ HasMore bool }
			HasMore    *bool
		}](t, get(t, srv, eventsPath(1, "")))
		if (p.Pagination == nil) == (p.HasMore == nil) {
			t.Fatalf("got %+v, want exactly one of the two forms", p)
		}
		if p.Pagination != nil {
			nested++
		}
	}
	if nested < 60 || nested > 140 {
		t.Errorf("%d of 200 are nested", nested)
	}
}

// "default 100; over 5000 silently capped to 5000 and echoed as such"; the mock refuses what is not a positive number.
func TestPageSize(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.Events = 6000 })
	for _, tc := range []struct {
		query string
		want  int
	}{{"", 100}, {"?limit=", 100}, {"?limit=1", 1}, {"?limit=5000", 5000}, {"?limit=5001", 5000}, {"?limit=999999", 5000}} {
		page := decode[wirePage](t, get(t, srv, mockapi.BasePath+"/events"+tc.query))
		if len(page.Data) != tc.want || page.Pagination.Limit != tc.want || page.Meta.Returned != tc.want {
			t.Errorf("%q: %d events, limit %d, returned %d, want %d", tc.query, len(page.Data), page.Pagination.Limit, page.Meta.Returned, tc.want)
		}
	}
	for _, limit := range []string{"0", "-1", "ten", "1.5", "99999999999999999999"} {
		wantError(t, get(t, srv, mockapi.BasePath+"/events?limit="+limit), http.StatusBadRequest, "INVALID_LIMIT")
	}
}

// "`since`, `until`, `sort`, `fields`, `offset`, `page` are ignored"
func TestIgnoredParameters(t *testing.T) {
	srv := newServer(t, nil)
	plain := getPage(t, srv, 10, "")
	query := "&since=2030-01-01&until=1990-01-01&sort=asc&fields=id&offset=500&page=7"
	got := decode[wirePage](t, get(t, srv, eventsPath(10, "")+query))
	if len(got.Data) != 10 || got.Data[0].ID != plain.Data[0].ID || got.Data[9].Name != plain.Data[9].Name {
		t.Fatalf("got %+v", got.Data)
	}
}

// "`X-Request-ID` = `meta.requestId`. `X-Cache`, `X-Cache-TTL: 30`, a weak ETag that changes with each answer."
func TestPageHeaders(t *testing.T) {
	srv := newServer(t, nil)
	seen := map[string]bool{}
	for range 3 {
		rec := get(t, srv, eventsPath(5, ""))
		h := rec.Header()
		if id := h.Get("X-Request-ID"); id == "" || id != decode[wirePage](t, rec).Meta.RequestID || seen[id] {
			t.Errorf("got X-Request-ID %q", id)
		}
		if tag := h.Get("ETag"); !strings.HasPrefix(tag, `W/"`) || seen[tag] {
			t.Errorf("got ETag %q", tag)
		}
		seen[h.Get("X-Request-ID")], seen[h.Get("ETag")] = true, true
		for name, want := range map[string]string{
			"X-Cache-TTL": "30", "Content-Type": "application/json; charset=utf-8", "Content-Length": strconv.Itoa(rec.Body.Len()),
		} {
			if h.Get(name) != want {
				t.Errorf("%s: %q, want %q", name, h.Get(name), want)
			}
		}
		if h.Get("X-Cache") == "" {
			t.Error("no X-Cache")
		}
	}
}

func wantTail(t *testing.T, body, tail string) {
	t.Helper()
	if !strings.HasSuffix(body, tail) {
		t.Fatalf("the body ends with\n%s\nwant\n%s", body[max(0, len(body)-len(tail)):], tail)
	}
}

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
		t.Errorf("got entry %+v", e)
	}
	if s := srv.Journal().Summary(); s.Pages != 1 || s.Requests != 6 {
		t.Errorf("a look-up is no page: %+v", s)
	}
	wantError(t, get(t, srv, path+"a/b"), http.StatusNotFound, "ENDPOINT_NOT_FOUND")
}

// An id that is not on the wire is unknown; the look-up of another drifted record returns the drifted record.
func TestLookupDriftedRecords(t *testing.T) {
	undrifted := newDriftingServer(t)
	srv := newDriftingServer(t, "missing-id@3", "not-an-object@4", "duplicate@6", "new-field@8")
	for i, status := range map[int]int{3: 404, 4: 404, 6: 404, 5: 200, 8: 200} {
		row, _ := undrifted.Truth().Row(i)
		rec := get(t, srv, mockapi.BasePath+"/events/"+row.ID)
		if rec.Code != status {
			t.Errorf("record %d: got %d %s", i, rec.Code, rec.Body)
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

func BenchmarkPageOf5000(b *testing.B) {
	cfg := mockapi.DefaultConfig()
	cfg.Events, cfg.RateLimit = 10_000_000, 0
	srv, err := mockapi.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, eventsPath(5000, ""), http.NoBody)
	req.Header.Set("X-API-Key", "demo-key")
	rec := httptest.NewRecorder()
	srv.ServeHTTP(rec, req)
	b.SetBytes(int64(rec.Body.Len()))
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
