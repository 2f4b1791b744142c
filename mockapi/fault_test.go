package mockapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

// Each fault that is an error has its status and code.
func TestFaultStatuses(t *testing.T) {
	for kind, want := range map[string]struct {
		status int
		code   string
	}{
		"401": {401, "UNAUTHORIZED"}, "403": {403, "FORBIDDEN"}, "429": {429, "RATE_LIMIT_EXCEEDED"}, "429-bare": {429, "RATE_LIMIT_EXCEEDED"},
		"500": {500, "INTERNAL_ERROR"}, "502": {502, ""}, "503": {503, ""}, "504": {504, ""},
		"expired": {400, "CURSOR_EXPIRED"}, "invalid": {400, "CURSOR_INVALID_FORMAT"},
	} {
		srv := newFaultyServer(t, kind+"@2")
		next := *getPage(t, srv, 1, "").Pagination.NextCursor
		rec := get(t, srv, eventsPath(1, next))
		if rec.Code != want.status {
			t.Errorf("%s: got %d", kind, rec.Code)
		}
		if want.code != "" && decode[wireError](t, rec).Code != want.code {
			t.Errorf("%s: got %s", kind, rec.Body)
		}
		if want.code == "" && (rec.Header().Get("Server") != "awselb/2.0" || !strings.Contains(rec.Body.String(), http.StatusText(want.status))) {
			t.Errorf("%s: %v %s", kind, rec.Header(), rec.Body)
		}
		getPage(t, srv, 1, next) // the cursor is still valid
	}
}

// "500 JSON. 502/503/504 come from the load balancer: HTML body, `Server: awselb/2.0`"
func TestFaultServerErrors(t *testing.T) {
	srv := newFaultyServer(t, "500@1", "503@2")
	rec := get(t, srv, eventsPath(1, ""))
	wantError(t, rec, http.StatusInternalServerError, "INTERNAL_ERROR")
	rec = get(t, srv, eventsPath(1, ""))
	h := rec.Header()
	if rec.Code != 503 || h.Get("Server") != "awselb/2.0" || !strings.HasPrefix(h.Get("Content-Type"), "text/html") ||
		!strings.Contains(rec.Body.String(), "<html>") || h.Get("Retry-After") != "" || h.Get("X-Request-ID") != "" {
		t.Errorf("got %d %v %s", rec.Code, h, rec.Body)
	}
}

// The fault "429" is not marked as rate limited, its request counts against the limit, and it asks to wait 1 s.
func TestFault429(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, func(c *mockapi.Config) {
			setRateLimit(c)
			c.RateLimit = 2
			c.Faults = []mockapi.Fault{{Kind: "429", At: []int{1, 4}}}
		})
		rec := get(t, srv, eventsPath(1, ""))
		wantRateHeaders(t, rec.Header(), rateHeaders{limit: "2", remaining: "0", reset: "1"})
		if rec.Code != 429 || rec.Header().Get("Retry-After") != "1" || !strings.Contains(rec.Body.String(), `"RATE_LIMIT_EXCEEDED"`) {
			t.Errorf("got %d %s", rec.Code, rec.Body)
		}
		time.Sleep(time.Second)
		wantRateHeaders(t, get(t, srv, eventsPath(1, "")).Header(), rateHeaders{limit: "2", remaining: "0", reset: "59"})
		get(t, srv, eventsPath(1, "")) // the rate limit's 429
		get(t, srv, eventsPath(1, "")) // the fault, while the limit is exhausted
		time.Sleep(2 * time.Second)
		get(t, srv, eventsPath(1, "")) // after the time of the fault, before that of the rate limit's 429
		type mark struct {
			status                 int
			fault                  mockapi.FaultKind
			limited, closed, early bool
		}
		want := []mark{{429, "429", false, false, false}, {200, "", false, false, false}, {429, "", true, true, false}, {429, "429", false, true, true}, {429, "", true, true, true}}
		for i, e := range srv.Journal().After(0) {
			if got := (mark{e.Status, e.Fault, e.RateLimited, e.WindowClosed, e.TooEarly}); got != want[i] {
				t.Errorf("request %d: %+v, want %+v", e.N, got, want[i])
			}
		}
	})
}

func TestFault429Bare(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) {
		setRateLimit(c)
		c.Faults = []mockapi.Fault{{Kind: "429-bare", At: []int{1}}}
	})
	rec := get(t, srv, eventsPath(1, ""))
	if rec.Code != 429 || rec.Header().Get("Retry-After") != "" {
		t.Errorf("got %d %v", rec.Code, rec.Header())
	}
	wantRateHeaders(t, rec.Header(), noRateHeaders)
	get(t, srv, eventsPath(1, ""))
	if e := srv.Journal().After(1)[0]; e.TooEarly || e.Status != 200 {
		t.Errorf("got %+v", e)
	}
}

func TestFaultExpired(t *testing.T) {
	srv := newFaultyServer(t, "expired@1-2")
	next := *getPage(t, srv, 1, "").Pagination.NextCursor // the fault exempts the request without a cursor
	wantError(t, get(t, srv, eventsPath(1, next)), http.StatusBadRequest, "CURSOR_EXPIRED")
	getPage(t, srv, 1, next)
	if f := srv.Journal().Summary().Faults; f["expired"] != 1 {
		t.Errorf("got faults %v", f)
	}
}

// "Broken 200s: body `null`, truncated JSON, `data` null or missing, `pagination` or `hasMore` missing, header
// `X-Chaos-Applied: missingFields`": on the second of five pages, in both envelopes.
func TestBrokenPages(t *testing.T) {
	type pagination struct {
		HasMore    json.RawMessage `json:"hasMore"`
		NextCursor json.RawMessage `json:"nextCursor"`
	}
	type body struct {
		Data       json.RawMessage `json:"data"`
		Pagination *pagination     `json:"pagination"`
		Meta       *struct{ Returned, Total int }
		pagination
	}
	has := func(raw json.RawMessage, kind byte) bool { return len(raw) > 0 && raw[0] == kind }
	for _, tc := range []struct {
		kind  mockapi.FaultKind
		chaos bool
		wrong func(b body, p *pagination) bool
	}{
		{"data-null", true, func(b body, p *pagination) bool { return has(b.Data, 'n') && has(p.NextCursor, '"') }},
		{"data-missing", true, func(b body, p *pagination) bool { return b.Data == nil && has(p.NextCursor, '"') }},
		{"pagination-missing", true, func(b body, _ *pagination) bool {
			return has(b.Data, '[') && b.Pagination == nil && b.HasMore == nil && b.NextCursor == nil
		}},
		{"hasmore-missing", true, func(b body, p *pagination) bool {
			return has(b.Data, '[') && p.HasMore == nil && has(p.NextCursor, '"')
		}},
		{"hasmore-null", false, func(b body, p *pagination) bool {
			return has(b.Data, '[') && has(p.HasMore, 'n') && has(p.NextCursor, '"')
		}},
		{"stray-end", false, func(b body, p *pagination) bool {
			return has(b.Data, '[') && has(p.HasMore, 'f') && has(p.NextCursor, 'n')
		}},
		{"no-cursor", false, func(b body, p *pagination) bool {
			return has(b.Data, '[') && has(p.HasMore, 't') && has(p.NextCursor, 'n')
		}},
		{"returned-lies", false, func(b body, _ *pagination) bool {
			return has(b.Data, '[') && b.Meta.Returned > 200 && b.Meta.Total == 1000
		}},
		{"total-moves", false, func(b body, _ *pagination) bool {
			return has(b.Data, '[') && b.Meta.Returned == 200 && b.Meta.Total != 1000 && b.Meta.Total >= 500 && b.Meta.Total <= 1500
		}},
	} {
		for _, shape := range []mockapi.Envelope{mockapi.EnvelopeNested, mockapi.EnvelopeFlat} {
			t.Run(string(tc.kind)+" "+string(shape), func(t *testing.T) {
				srv := newServer(t, func(c *mockapi.Config) {
					c.Envelope, c.Faults = shape, []mockapi.Fault{{Kind: tc.kind, At: []int{2}}}
				})
				first := decode[body](t, get(t, srv, eventsPath(200, "")))
				p := &first.pagination
				if shape == mockapi.EnvelopeNested {
					p = first.Pagination
				}
				rec := get(t, srv, eventsPath(200, unquote(t, p.NextCursor)))
				b := decode[body](t, rec)
				if p = b.Pagination; p == nil {
					p = &b.pagination
				}
				e := srv.Journal().After(1)[0]
				if shape == mockapi.EnvelopeFlat && (tc.kind == "returned-lies" || tc.kind == "total-moves") {
					if e.Fault != "" || !e.Sound {
						t.Errorf("got entry %+v, want no fault: the flat envelope has no meta", e)
					}
					return
				}
				if rec.Code != 200 || !tc.wrong(b, p) {
					t.Errorf("%d %.60s … %s", rec.Code, rec.Body, rec.Body.Bytes()[max(0, rec.Body.Len()-300):])
				}
				if got := rec.Header().Get("X-Chaos-Applied"); (got == "missingFields") != tc.chaos || !tc.chaos && got != "" {
					t.Errorf("X-Chaos-Applied: %q", got)
				}
				if e.Fault != tc.kind || e.Last || !e.Delivered || e.Sound != (tc.kind == "total-moves") {
					t.Errorf("got entry %+v", e)
				}
			})
		}
	}
}

func TestFaultBodies(t *testing.T) {
	for kind, is := range map[string]func(body string) bool{
		"null":      func(body string) bool { return body == "null" },
		"truncated": func(body string) bool { return strings.HasPrefix(body, `{"data":[`) && !json.Valid([]byte(body)) },
		"html":      func(body string) bool { return strings.HasPrefix(body, "<!DOCTYPE html>") },
	} {
		srv := newFaultyServer(t, kind+"@1")
		rec := get(t, srv, eventsPath(10, ""))
		contentType := "application/json; charset=utf-8"
		if kind == "html" {
			contentType = "text/html; charset=utf-8"
		}
		if rec.Code != 200 || !is(rec.Body.String()) || rec.Header().Get("Content-Type") != contentType {
			t.Errorf("%s: %d %v %s", kind, rec.Code, rec.Header(), rec.Body)
		}
		if e := srv.Journal().After(0)[0]; e.Sound || e.Returned != 0 || string(e.Fault) != kind || e.Hash != bodyHash(rec) || e.Bytes != rec.Body.Len() {
			t.Errorf("%s: got entry %+v", kind, e)
		}
	}
}

// The total is wrong on every page, sometimes too large and sometimes too small.
func TestFaultTotalMoves(t *testing.T) {
	srv := newFaultyServer(t, "total-moves:1")
	more, less := 0, 0
	for range 40 {
		switch total := getPage(t, srv, 1, "").Meta.Total; {
		case total > 1000 && total <= 1500:
			more++
		case total < 1000 && total >= 500:
			less++
		}
	}
	if more+less != 40 || more < 5 || less < 5 {
		t.Errorf("got %d of 40 totals too large and %d too small", more, less)
	}
}

// "A cursor that repeats or cycles": the same text that the client used before.
func TestFaultCursorsThatDoNotAdvance(t *testing.T) {
	t.Run("repeat", func(t *testing.T) {
		srv := newFaultyServer(t, "repeat-cursor@1-2")
		a := *getPage(t, srv, 10, "").Pagination.NextCursor // the fault exempts the request without a cursor
		if p := getPage(t, srv, 10, a); *p.Pagination.NextCursor != a || !*p.Pagination.HasMore {
			t.Errorf("got %+v", p.Pagination)
		}
		if b := *getPage(t, srv, 10, a).Pagination.NextCursor; b == a {
			t.Error("the cursor is repeated after the last request of the rule")
		}
	})
	t.Run("cycle", func(t *testing.T) {
		srv := newFaultyServer(t, "cycle-cursor@2-10")
		a := *getPage(t, srv, 10, "").Pagination.NextCursor
		b := *getPage(t, srv, 10, a).Pagination.NextCursor // the fault has nothing to do: there is no cursor before a
		for range 3 {
			if next := *getPage(t, srv, 10, b).Pagination.NextCursor; next != a {
				t.Fatalf("after b comes %s, not a", next)
			}
			if next := *getPage(t, srv, 10, a).Pagination.NextCursor; next != b {
				t.Fatalf("after a comes %s, not b", next)
			}
		}
		getPage(t, srv, 10, b)
		if next := *getPage(t, srv, 10, b).Pagination.NextCursor; next != a {
			t.Fatalf("after b again comes %s, not a", next)
		}
		if f := srv.Journal().Summary(); f.Faults["cycle-cursor"] != 8 || f.Pages != 2 {
			t.Errorf("got %+v", f)
		}
	})
}

// "A cursor on the last page", and an empty page after the last: both are valid, and apply to the last page only.
func TestFaultsOddLastPages(t *testing.T) {
	for kind, hasMore := range map[string]bool{"last-cursor": false, "empty-tail": true} {
		srv := newFaultyServer(t, kind+":1")
		first := getPage(t, srv, 600, "")
		last := getPage(t, srv, 600, *first.Pagination.NextCursor)
		if len(last.Data) != 400 || *last.Pagination.HasMore != hasMore || last.Pagination.NextCursor == nil {
			t.Fatalf("%s: got %+v", kind, last.Pagination)
		}
		tail := getPage(t, srv, 600, *last.Pagination.NextCursor)
		if len(tail.Data) != 0 || tail.Meta.Returned != 0 || *tail.Pagination.HasMore || tail.Pagination.NextCursor != nil {
			t.Errorf("%s: got %+v", kind, tail)
		}
		entries := srv.Journal().After(0)
		if entries[0].Fault != "" || string(entries[1].Fault) != kind || entries[1].Last == hasMore || !entries[2].Last || !entries[1].Sound {
			t.Errorf("%s: got %+v", kind, entries)
		}
	}
}

// The fault stray-end does not apply to the last page, and a broken last page does not complete the collection.
func TestFaultsOnLastPage(t *testing.T) {
	for kind, valid := range map[string]bool{"stray-end": true, "returned-lies": false, "total-moves": true, "null": false} {
		srv := newFaultyServer(t, kind+"@1")
		get(t, srv, eventsPath(1000, ""))
		e := srv.Journal().After(0)[0]
		if e.Last != valid || srv.Journal().Summary().Complete != valid || (e.Fault == "") != (kind == "stray-end") {
			t.Errorf("%s: got %+v", kind, e)
		}
	}
}

// Faults that change a page do not apply to a 429 of the rate limit, nor to the errors for invalid requests.
func TestPageFaultsExemptErrors(t *testing.T) {
	for _, kind := range []string{"empty-tail", "gzip", "trickle", "null", "no-cursor", "total-moves"} {
		srv := newServer(t, func(c *mockapi.Config) {
			c.RateLimit, c.Faults = 1, []mockapi.Fault{{Kind: mockapi.FaultKind(kind), At: []int{2, 3}}}
		})
		getPage(t, srv, 1, "")
		if rec := get(t, srv, eventsPath(1, "")); rec.Code != 429 || rec.Header().Get("Retry-After") == "" {
			t.Errorf("%s when the limit is exhausted: got %d, want 429 with Retry-After", kind, rec.Code)
		}
		if e := srv.Journal().After(1)[0]; e.Fault != "" || !e.RateLimited {
			t.Errorf("%s: got %+v", kind, e)
		}
	}
	for _, kind := range []string{"null", "html", "no-cursor", "data-null"} {
		srv := newFaultyServer(t, kind+":1")
		wantError(t, get(t, srv, eventsPath(1, "nonsense")), http.StatusBadRequest, "CURSOR_INVALID_FORMAT")
		wantError(t, get(t, srv, mockapi.BasePath+"/events/x"), http.StatusNotFound, "EVENT_NOT_FOUND")
		if s := srv.Journal().Summary(); len(s.Faults) != 0 {
			t.Errorf("%s: got %+v", kind, s.Faults)
		}
	}
}
