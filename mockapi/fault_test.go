package mockapi_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

// TestFaultStatuses checks for each fault that is an error that it has its status and code, and that the cursor of the
// request stays valid.
func TestFaultStatuses(t *testing.T) {
	for kind, want := range map[string]struct {
		status int
		code   string // empty if the load balancer sends the error
	}{
		"401":      {status: 401, code: "UNAUTHORIZED"},
		"403":      {status: 403, code: "FORBIDDEN"},
		"429":      {status: 429, code: "RATE_LIMIT_EXCEEDED"},
		"429-bare": {status: 429, code: "RATE_LIMIT_EXCEEDED"},
		"500":      {status: 500, code: "INTERNAL_ERROR"},
		"502":      {status: 502},
		"503":      {status: 503},
		"504":      {status: 504},
		"expired":  {status: 400, code: "CURSOR_EXPIRED"},
		"invalid":  {status: 400, code: "CURSOR_INVALID_FORMAT"},
	} {
		srv := newFaultyServer(t, kind+"@2")
		next := getNextCursor(t, srv, 1, noCursor) // request 1
		rec := get(t, srv, eventsPath(1, next))    // request 2 gets the fault
		wantEqual(t, kind+": status", rec.Code, want.status)
		if want.code != "" {
			wantEqual(t, kind+": code", decode[wireError](t, rec).Code, want.code)
		} else {
			wantLoadBalancerError(t, rec)
		}
		getPage(t, srv, 1, next) // request 3 has the same cursor
	}
}

// wantLoadBalancerError checks that an error is HTML of the load balancer, without the headers of the service.
func wantLoadBalancerError(t *testing.T, rec *httptest.ResponseRecorder) {
	t.Helper()
	h := rec.Header()
	wantEqual(t, "Server", h.Get("Server"), "awselb/2.0")
	wantEqual(t, "Content-Type", h.Get("Content-Type"), htmlType)
	wantEqual(t, "Retry-After", h.Get("Retry-After"), "")
	wantEqual(t, "X-Request-ID", h.Get("X-Request-ID"), "")
	for _, part := range []string{"<html>", http.StatusText(rec.Code)} {
		if !strings.Contains(rec.Body.String(), part) {
			t.Errorf("got body %s, want it to contain %s", rec.Body, part)
		}
	}
}

// TestFault500 checks that the fault 500 has a JSON body with an error and a message.
func TestFault500(t *testing.T) {
	rec := get(t, newFaultyServer(t, "500@1"), firstEventPath)
	wantError(t, rec, http.StatusInternalServerError, "INTERNAL_ERROR")
}

// TestFault429 checks that the fault 429 asks to wait 1 s. A request with the fault counts against the rate limit, but the
// journal does not mark the request as rate limited.
func TestFault429(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, withRateLimit(2, time.Minute), withFaults(t, "429@1,4"))
		rec := get(t, srv, firstEventPath) // request 1 gets the fault, with headers that say: wait 1 s
		wantRateHeaders(t, rec.Header(), rateHeaders{limit: "2", remaining: "0", reset: "1"})
		wantEqual(t, "status", rec.Code, http.StatusTooManyRequests)
		wantEqual(t, "Retry-After", rec.Header().Get("Retry-After"), "1")
		wantEqual(t, "code", decode[struct{ Code string }](t, rec).Code, "RATE_LIMIT_EXCEEDED")
		time.Sleep(time.Second)
		rec = get(t, srv, firstEventPath) // request 2 gets a page, and uses up the limit
		wantRateHeaders(t, rec.Header(), rateHeaders{limit: "2", remaining: "0", reset: "59"})
		get(t, srv, firstEventPath) // request 3 gets the 429 of the rate limit
		get(t, srv, firstEventPath) // request 4 gets the fault, although the limit is exhausted
		time.Sleep(2 * time.Second)
		get(t, srv, firstEventPath) // request 5 waited as the fault asked, but not as the rate limit asked

		type marks struct {
			status                              int
			fault                               mockapi.FaultKind
			rateLimited, windowClosed, tooEarly bool
		}
		want := []marks{ // by request
			{status: 429, fault: "429"},
			{status: 200},
			{status: 429, rateLimited: true, windowClosed: true},
			{status: 429, fault: "429", windowClosed: true, tooEarly: true},
			{status: 429, rateLimited: true, windowClosed: true, tooEarly: true},
		}
		for i, e := range allEntries(srv) {
			got := marks{
				status: e.Status, fault: e.Fault, rateLimited: e.RateLimited, windowClosed: e.WindowClosed, tooEarly: e.TooEarly,
			}
			if got != want[i] {
				t.Errorf("request %d: got %+v, want %+v", e.N, got, want[i])
			}
		}
	})
}

// TestFault429Bare checks that the fault 429-bare has no headers about the limit. Therefore the journal does not mark the next
// request as too early.
func TestFault429Bare(t *testing.T) {
	srv := newServer(t, allow10PerMinute, withFaults(t, "429-bare@1"))
	rec := get(t, srv, firstEventPath)
	wantEqual(t, "status", rec.Code, http.StatusTooManyRequests)
	wantEqual(t, "Retry-After", rec.Header().Get("Retry-After"), "")
	wantRateHeaders(t, rec.Header(), noRateHeaders)
	get(t, srv, firstEventPath)
	e := entryOf(t, srv, 2)
	wantEqual(t, "Status", e.Status, http.StatusOK)
	wantEqual(t, "TooEarly", e.TooEarly, false)
}

// TestFaultExpired checks that the fault expired does not apply to a request without a cursor, and that the cursor of a
// request with the fault stays valid.
func TestFaultExpired(t *testing.T) {
	srv := newFaultyServer(t, "expired@1-2")
	next := getNextCursor(t, srv, 1, noCursor) // request 1 has no cursor
	wantError(t, get(t, srv, eventsPath(1, next)), http.StatusBadRequest, "CURSOR_EXPIRED")
	getPage(t, srv, 1, next) // request 3 has the same cursor as request 2
	wantEqual(t, "number of faults", srv.Journal().Summary().Faults["expired"], 1)
}

// TestBrokenPages checks the faults that change the envelope or the data of a page. Each fault applies to the second of five
// pages, in both forms of the envelope.
func TestBrokenPages(t *testing.T) {
	const pageSize = serverEvents / 5
	type pagination struct {
		HasMore    json.RawMessage `json:"hasMore"`
		NextCursor json.RawMessage `json:"nextCursor"`
	}
	type body struct {
		Data       json.RawMessage `json:"data"`
		Pagination *pagination     `json:"pagination"`
		Meta       *struct{ Returned, Total int }
		pagination // in the flat form
	}
	isNull := func(raw json.RawMessage) bool { return string(raw) == "null" }
	isTrue := func(raw json.RawMessage) bool { return string(raw) == "true" }
	isFalse := func(raw json.RawMessage) bool { return string(raw) == "false" }
	isString := func(raw json.RawMessage) bool { return bytes.HasPrefix(raw, []byte(`"`)) }
	isArray := func(raw json.RawMessage) bool { return bytes.HasPrefix(raw, []byte(`[`)) }
	for _, tc := range []struct {
		kind        mockapi.FaultKind
		chaosHeader string // X-Chaos-Applied
		valid       bool   // whether the page is still valid
		needsMeta   bool   // if true, the fault does not apply to the flat form, which has no meta
		// hasFault gets the body, and the pagination of either form.
		hasFault func(b body, p *pagination) bool
	}{
		{kind: "data-null", chaosHeader: "missingFields", hasFault: func(b body, p *pagination) bool {
			return isNull(b.Data) && isString(p.NextCursor)
		}},
		{kind: "data-missing", chaosHeader: "missingFields", hasFault: func(b body, p *pagination) bool {
			return b.Data == nil && isString(p.NextCursor)
		}},
		{kind: "pagination-missing", chaosHeader: "missingFields", hasFault: func(b body, _ *pagination) bool {
			return isArray(b.Data) && b.Pagination == nil && b.HasMore == nil && b.NextCursor == nil
		}},
		{kind: "hasmore-missing", chaosHeader: "missingFields", hasFault: func(b body, p *pagination) bool {
			return isArray(b.Data) && p.HasMore == nil && isString(p.NextCursor)
		}},
		{kind: "hasmore-null", hasFault: func(b body, p *pagination) bool {
			return isArray(b.Data) && isNull(p.HasMore) && isString(p.NextCursor)
		}},
		{kind: "stray-end", hasFault: func(b body, p *pagination) bool {
			return isArray(b.Data) && isFalse(p.HasMore) && isNull(p.NextCursor)
		}},
		{kind: "no-cursor", hasFault: func(b body, p *pagination) bool {
			return isArray(b.Data) && isTrue(p.HasMore) && isNull(p.NextCursor)
		}},
		{kind: "returned-lies", needsMeta: true, hasFault: func(b body, _ *pagination) bool {
			return isArray(b.Data) && b.Meta.Returned > pageSize && b.Meta.Total == serverEvents
		}},
		{kind: "total-moves", valid: true, needsMeta: true, hasFault: func(b body, _ *pagination) bool {
			isWrongBy500AtMost := b.Meta.Total != serverEvents && b.Meta.Total >= serverEvents-500 && b.Meta.Total <= serverEvents+500
			return isArray(b.Data) && b.Meta.Returned == pageSize && isWrongBy500AtMost
		}},
	} {
		for _, form := range []mockapi.Envelope{mockapi.EnvelopeNested, mockapi.EnvelopeFlat} {
			t.Run(string(tc.kind)+" "+string(form), func(t *testing.T) {
				srv := newServer(t, withEnvelope(form), withFaults(t, string(tc.kind)+"@2"))
				first := decode[body](t, get(t, srv, eventsPath(pageSize, noCursor)))
				next := first.NextCursor
				if form == mockapi.EnvelopeNested {
					next = first.Pagination.NextCursor
				}
				rec := get(t, srv, eventsPath(pageSize, unquote(t, next)))
				e := entryOf(t, srv, 2)
				if tc.needsMeta && form == mockapi.EnvelopeFlat {
					wantEqual(t, "Fault", e.Fault, "")
					wantEqual(t, "Sound", e.Sound, true)
					return
				}
				b := decode[body](t, rec)
				p := b.Pagination
				if p == nil { // the flat form, or the fault pagination-missing
					p = &b.pagination
				}
				wantEqual(t, "status", rec.Code, http.StatusOK)
				wantEqual(t, "X-Chaos-Applied", rec.Header().Get("X-Chaos-Applied"), tc.chaosHeader)
				if !tc.hasFault(b, p) {
					lastBytes := rec.Body.Bytes()[max(0, rec.Body.Len()-300):]
					t.Errorf("got body %.60s … %s, want it to have the fault", rec.Body, lastBytes)
				}
				wantEqual(t, "Fault", e.Fault, tc.kind)
				wantEqual(t, "Sound", e.Sound, tc.valid)
				wantEqual(t, "Last", e.Last, false)
				wantEqual(t, "Delivered", e.Delivered, true)
			})
		}
	}
}

// TestFaultBodies checks the faults that replace the whole body, and their entries in the journal.
func TestFaultBodies(t *testing.T) {
	for _, tc := range []struct {
		kind        mockapi.FaultKind
		contentType string
		hasFault    func(body string) bool
	}{
		{kind: "null", contentType: jsonType, hasFault: func(body string) bool { return body == "null" }},
		{kind: "truncated", contentType: jsonType, hasFault: func(body string) bool {
			return strings.HasPrefix(body, `{"data":[`) && !json.Valid([]byte(body))
		}},
		{kind: "html", contentType: htmlType, hasFault: func(body string) bool {
			return strings.HasPrefix(body, "<!DOCTYPE html>")
		}},
	} {
		t.Run(string(tc.kind), func(t *testing.T) {
			srv := newFaultyServer(t, string(tc.kind)+"@1")
			rec := get(t, srv, eventsPath(10, noCursor))
			wantEqual(t, "status", rec.Code, http.StatusOK)
			wantEqual(t, "Content-Type", rec.Header().Get("Content-Type"), tc.contentType)
			if !tc.hasFault(rec.Body.String()) {
				t.Errorf("got body %s, want it to have the fault", rec.Body)
			}
			e := entryOf(t, srv, 1)
			wantEqual(t, "Fault", e.Fault, tc.kind)
			wantEqual(t, "Sound", e.Sound, false)
			wantEqual(t, "Returned", e.Returned, 0)
			wantEqual(t, "Hash", e.Hash, bodyHash(rec))
			wantEqual(t, "Bytes", e.Bytes, rec.Body.Len())
		})
	}
}

// TestFaultTotalMoves checks that the total is wrong on every page, sometimes too large and sometimes too small.
func TestFaultTotalMoves(t *testing.T) {
	srv := newFaultyServer(t, "total-moves:1")
	const pages = 40
	const maxDifference = 500
	tooLarge, tooSmall := 0, 0
	for range pages {
		switch total := getPage(t, srv, 1, noCursor).Meta.Total; {
		case total > serverEvents && total <= serverEvents+maxDifference:
			tooLarge++
		case total < serverEvents && total >= serverEvents-maxDifference:
			tooSmall++
		}
	}
	wantEqual(t, "number of wrong totals", tooLarge+tooSmall, pages)
	// Both signs have the same probability, so about 20 totals are too large.
	if tooLarge < 5 || tooSmall < 5 {
		t.Errorf("got %d totals too large and %d too small, want 5 or more of each", tooLarge, tooSmall)
	}
}

// TestFaultCursorsThatDoNotAdvance checks the faults that send a cursor that the client has used before.
func TestFaultCursorsThatDoNotAdvance(t *testing.T) {
	t.Run("repeat", func(t *testing.T) {
		srv := newFaultyServer(t, "repeat-cursor@1-2")
		a := getNextCursor(t, srv, 10, noCursor) // request 1 does not get the fault, because it has no cursor
		page := getPage(t, srv, 10, a)
		wantEqual(t, "nextCursor", *page.Pagination.NextCursor, a)
		wantEqual(t, "hasMore", *page.Pagination.HasMore, true)
		if b := getNextCursor(t, srv, 10, a); b == a {
			t.Error("got the same cursor from request 3, want another one, because the rule ends with request 2")
		}
	})
	t.Run("cycle", func(t *testing.T) {
		srv := newFaultyServer(t, "cycle-cursor@2-10")
		a := getNextCursor(t, srv, 10, noCursor) // request 1
		b := getNextCursor(t, srv, 10, a)        // request 2 does not get the fault, because no cursor was used before a
		for range 3 {                            // requests 3 to 8
			wantEqual(t, "cursor after b", getNextCursor(t, srv, 10, b), a)
			wantEqual(t, "cursor after a", getNextCursor(t, srv, 10, a), b)
		}
		getPage(t, srv, 10, b)                                                         // request 9
		wantEqual(t, "cursor after b was used twice", getNextCursor(t, srv, 10, b), a) // request 10
		summary := srv.Journal().Summary()
		wantEqual(t, "number of faults", summary.Faults["cycle-cursor"], 8) // requests 3 to 10
		wantEqual(t, "number of valid pages", summary.Pages, 2)
	})
}

// TestFaultsOddLastPages checks the faults that add a cursor to the last page. They apply to the last page only. The page
// stays valid, and the cursor leads to an empty page.
func TestFaultsOddLastPages(t *testing.T) {
	for kind, hasMore := range map[string]bool{"last-cursor": false, "empty-tail": true} {
		t.Run(kind, func(t *testing.T) {
			const pageSize = 600 // so that the second page is the last one
			srv := newFaultyServer(t, kind+":1")
			last := getPage(t, srv, pageSize, getNextCursor(t, srv, pageSize, noCursor))
			wantEqual(t, "number of events of the last page", len(last.Data), serverEvents-pageSize)
			wantEqual(t, "hasMore of the last page", *last.Pagination.HasMore, hasMore)
			if last.Pagination.NextCursor == nil {
				t.Fatal("got no nextCursor on the last page")
			}
			empty := getPage(t, srv, pageSize, *last.Pagination.NextCursor)
			wantEqual(t, "number of events of the empty page", len(empty.Data), 0)
			wantEqual(t, "returned of the empty page", empty.Meta.Returned, 0)
			wantEqual(t, "hasMore of the empty page", *empty.Pagination.HasMore, false)
			wantEqual(t, "nextCursor of the empty page", empty.Pagination.NextCursor, nil)
			entries := allEntries(srv)
			wantEqual(t, "Fault of the first page", entries[0].Fault, "")
			wantEqual(t, "Fault of the last page", entries[1].Fault, mockapi.FaultKind(kind))
			wantEqual(t, "Sound of the last page", entries[1].Sound, true)
			wantEqual(t, "Last of the last page", entries[1].Last, !hasMore)
			wantEqual(t, "Last of the empty page", entries[2].Last, true)
		})
	}
}

// TestFaultsOnLastPage checks that a broken last page does not complete the collection, and that the fault stray-end does not
// apply to the last page.
func TestFaultsOnLastPage(t *testing.T) {
	for _, tc := range []struct {
		kind    mockapi.FaultKind // the fault that the server is configured with
		applied mockapi.FaultKind // the fault in the entry
		valid   bool              // whether the page is still valid
	}{
		{kind: "stray-end", applied: "", valid: true},
		{kind: "returned-lies", applied: "returned-lies", valid: false},
		{kind: "total-moves", applied: "total-moves", valid: true},
		{kind: "null", applied: "null", valid: false},
	} {
		t.Run(string(tc.kind), func(t *testing.T) {
			srv := newFaultyServer(t, string(tc.kind)+"@1")
			get(t, srv, eventsPath(serverEvents, noCursor)) // the only page, so also the last one
			e := entryOf(t, srv, 1)
			wantEqual(t, "Fault", e.Fault, tc.applied)
			wantEqual(t, "Last", e.Last, tc.valid)
			wantEqual(t, "Complete", srv.Journal().Summary().Complete, tc.valid)
		})
	}
}

// TestPageFaultsExemptRateLimit checks that faults that change a page do not apply to a 429 of the rate limit.
func TestPageFaultsExemptRateLimit(t *testing.T) {
	for _, kind := range []string{"empty-tail", "gzip", "trickle", "null", "no-cursor", "total-moves"} {
		t.Run(kind, func(t *testing.T) {
			srv := newServer(t, withRateLimit(1, time.Minute), withFaults(t, kind+"@2"))
			getPage(t, srv, 1, noCursor)
			rec := get(t, srv, firstEventPath) // request 2 is above the limit
			wantEqual(t, "status", rec.Code, http.StatusTooManyRequests)
			wantEqual(t, "Retry-After", rec.Header().Get("Retry-After"), "60")
			e := entryOf(t, srv, 2)
			wantEqual(t, "Fault", e.Fault, "")
			wantEqual(t, "RateLimited", e.RateLimited, true)
		})
	}
}

// TestPageFaultsExemptInvalidRequests checks that faults that change a page do not apply to the errors for invalid requests.
func TestPageFaultsExemptInvalidRequests(t *testing.T) {
	for _, kind := range []string{"null", "html", "no-cursor", "data-null"} {
		srv := newFaultyServer(t, kind+":1")
		wantError(t, get(t, srv, eventsPath(1, "nonsense")), http.StatusBadRequest, "CURSOR_INVALID_FORMAT")
		wantError(t, get(t, srv, mockapi.BasePath+"/events/x"), http.StatusNotFound, "EVENT_NOT_FOUND")
		wantEqual(t, kind+": number of faults", len(srv.Journal().Summary().Faults), 0)
	}
}
